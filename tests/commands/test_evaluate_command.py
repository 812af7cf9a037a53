"""`python -m jaxgan.evaluate`: scores of runs and of images, with their protocol."""

import json
import re
import shlex
import shutil

import numpy as np
import pytest

from jaxgan import command as command_lib
from jaxgan import data, evaluate, sample
from jaxgan.errors import InputError
from jaxgan.images import load_png


@pytest.fixture(scope="module")
def trained(run_of, tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("trained") / "run", "total_kimg=0.64", "evaluate_every=0")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to work in, with a cache of its own and real.npz: 200 digits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    images, labels = data.open({"name": "digits", "resolution": 8}).arrays
    np.savez("real.npz", images=images[:200], labels=labels[:200])
    np.savez("fake.npz", images=images[1000:1080], labels=labels[1000:1080])
    return tmp_path


def scored(name, *arguments):
    assert evaluate.main([*arguments, "--backbone=pixels", f"--json={name}.json"]) == 0
    with open(f"{name}.json") as file:
        return {result["name"]: result for result in json.load(file)["results"]}


def test_identical_sets_score_zero(place, capsys):
    results = list(scored("same", "--fake=real.npz", "--real=npz:real.npz", "--metrics=fid,prdc",
                          "--draws=4").values())
    out = capsys.readouterr().out
    assert [result["name"] for result in results] == [
        "fd200_pixels", "precision200_pixels", "recall200_pixels", "density200_pixels", "coverage200_pixels"]
    assert results[0]["value"] == pytest.approx(0, abs=1e-9)
    assert {result["value"] for result in results[1:3]} == {1.0}
    for text in ("fd200_pixels", "real, train, content sha256", "jackknife over 4 groups", "pixels, resizer box8",
                 "uint8", "seed", "±"):
        assert text in out
    assert "FID" not in out.upper().replace("FD200", "")  # the name belongs to Inception
    assert "NOTE        the fake side is the real side" in out
    assert {result["protocol"]["copies"] for result in results} == {200}


def test_a_run_is_scored_by_seeds(trained, place, capsys):
    """One draw equals the scores of the same seeds written by `sample`; several give their mean and its interval."""
    def run(name, *more):
        return scored(name, f"--workdir={trained}", "--metrics=fd,kid_full", "--num=60", *more)
    assert sample.main([f"--workdir={trained}", "--seeds=120-179", "--output=samples.npz"]) == 0
    three = run("three", "--draws=3")["fd60_pixels"]
    one = run("one", "--draws=1", "--seed=120", "--no_cache")["fd60_pixels"]
    (given,) = [result for name, result in scored("given", "--fake=samples.npz", "--real=npz:real.npz", "--metrics=fd",
                                                  "--draws=1").items() if name == "fd60_pixels"]
    assert one["interval"] is None
    assert one["protocol"]["fake"][0]["sha256"] == given["protocol"]["fake"][0]["sha256"]
    assert [fake["split"] for fake in three["protocol"]["fake"]] == [
        "seeds 0-59", "seeds 60-119", "seeds 120-179"]
    assert three["interval"] == {"kind": "draws", "repeats": 3, "level": 0.95}
    assert three["low"] < one["value"] < three["high"]
    assert three["protocol"]["n_real"] == 1797
    assert "mean of 3 draws" in capsys.readouterr().out
    raw = run("raw", "--draws=1", "--raw", "--checkpoint=20")["fd60_pixels"]
    assert raw["protocol"]["fake"][0]["data"].endswith("step 20 raw")
    assert run("again", "--draws=3")["fd60_pixels"] == three


def test_a_run_against_other_data(trained, place):
    """They are brought to the size of its images; what it was trained on is not looked at."""
    rng = np.random.default_rng(0)
    for name, num in (("large", 70), ("unseen", 50)):
        np.savez(f"{name}.npz", images=rng.integers(256, size=(num, 16, 20, 3), dtype=np.uint8))
    arguments = f"--workdir={trained}", "--metrics=fd,nn_ratio", "--num=40", "--draws=1", "--real=large.npz"
    found = scored("other", *arguments, "--held_out=unseen.npz")
    protocol = found["nn_ratio40_pixels"]["protocol"]
    assert (protocol["n_real"], protocol["n_held_out"], protocol["real"]["data"]) == (70, 50, "large")
    brought = data.open({"name": "npz", "path": "large.npz", "resolution": 8, "channels": 1})
    assert protocol["real"]["sha256"] == brought.info.content_hash
    with pytest.raises(InputError, match="held out"):
        evaluate.main([*arguments, "--backbone=pixels"])


def test_a_converted_run_has_to_be_told_its_data(trained, place):
    shutil.copytree(trained, "converted")
    path = place / "converted" / "environment.json"
    record = json.loads(path.read_text())
    record["data"] |= {"name": "converted", "content_hash": ""}
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"converted from published weights.*--real=P\.$"):
        evaluate.main(["--workdir=converted"])
    assert scored("told", "--workdir=converted", "--real=real.npz", "--metrics=fd", "--num=40", "--draws=1")


def test_two_processes_at_once_share_one_cache(command, place):
    """Neither disturbs the other, what they leave serves the next, and what is damaged is made again."""
    arguments = "--fake=fake.npz", "--real=real.npz", "--metrics=fd,prdc", "--draws=2", "--backbone=pixels"
    processes = [command("evaluate", *arguments, f"--json={name}.json", wait=False) for name in ("one", "two")]
    for process in processes:
        _, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
    one, two = ((place / f"{name}.json").read_text() for name in ("one", "two"))
    assert one == two
    kept = sorted((place / "cache" / "jaxgan" / "metrics").iterdir())
    assert {path.suffix for path in kept} == {".npy"}
    for path in kept:
        path.write_bytes(path.read_bytes()[:-9])
    assert evaluate.main([*arguments, "--json=again.json"]) == 0
    assert (place / "again.json").read_text() == one
    assert sorted((place / "cache" / "jaxgan" / "metrics").iterdir()) == kept


def test_results_under_different_protocols_are_not_compared(place, capsys):
    common = "--real=real.npz", "--metrics=fd", "--draws=1"
    scored("a", "--fake=fake.npz", *common)
    scored("b", "--fake=real.npz", "--num=80", "--seed=3", *common)
    assert "every fake is one of the real images, pixel for pixel" in capsys.readouterr().out
    scored("fewer", "--fake=fake.npz", "--num=50", *common)
    scored("other", "--fake=fake.npz", "--real=fake.npz", "--metrics=fd", "--draws=1")
    capsys.readouterr()
    assert evaluate.main(["--compare", "a.json", "b.json"]) == 0
    out = capsys.readouterr().out
    assert all(text in out for text in ("a.json", "b.json", "fd80_pixels"))
    assert evaluate.main(["--compare=a.json", "a.json"]) == 0
    for other, difference in (("fewer", "fd: n_fake is 80 in a.json, 50 in fewer.json"), ("other", "fd: real.sha256")):
        with pytest.raises(InputError, match=difference):
            evaluate.main(["--compare", "a.json", f"{other}.json"])
    with pytest.raises(InputError, match=r"n_fake is 80 in a.json and b.json, 50 in fewer.json"):
        evaluate.main(["--compare", "a.json", "b.json", "fewer.json"])
    capsys.readouterr()
    assert evaluate.main(["--compare", "a.json", "fewer.json", "--force"]) == 0
    assert "PROTOCOLS DIFFER" in capsys.readouterr().out


def test_the_report_is_a_page_with_pictures(place, capsys):
    scored("a", "--fake=fake.npz", "--real=real.npz", "--held_out=fake.npz", "--metrics=fd,prdc,nn_ratio", "--draws=3",
           "--report=page")
    page = (place / "page" / "index.html").read_text()
    assert "fd80_pixels" in page
    for name in ("balance", "classes", "distances", "neighbours"):
        assert f'src="{name}.png"' in page
        assert load_png(place / "page" / f"{name}.png").std() > 5
    assert "page/index.html" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "message"), [
    (["--workdir=run", "--fake=fake.npz", "--real=real.npz"], "Give --workdir"),
    (["--fake=none.npz", "--real=real.npz"], "--fake=none.npz: there is no file"),
    (["--fake=fake.npz", "--real=real.npz", "--metrics=fid,prcd"], "--metrics: there is no 'prcd'. Did you mean"),
    (["--fake=fake.npz", "--real=real.npz", "--backbone=incepton"], "--backbone: there is no 'incepton'"),
    (["--fake=fake.npz", "--real=real.npz", "--backbone=pixels,8"], "'8' is no argument; write NAME,key=value"),
    (["--fake=fake.npz", "--real=real.npz", "--draws=0"], "--draws=0"),
    (["--fake=fake.npz", "--real=real.npz", "--report=fake.npz"], "is a file: give a folder"),
    (["--fake=fake.npz", "--real=real.npz", "extra"], "Unrecognized arguments: extra"),
    (["--compare", "a.json", "b.json", "--real=real.npz"], "Give --workdir=DIR"),
    (["--compare", "a.json", "b.json"], "Cannot read a.json"),
])
def test_refusals(place, arguments, message):
    with pytest.raises(InputError, match=message):
        evaluate.main(arguments)


def test_the_commands_of_the_readme_are_understood(root):
    commands = re.findall(r"python -m jaxgan\.evaluate (--.+)", (root / "README.md").read_text(encoding="utf-8"))
    assert len(commands) >= 4
    for text in commands:
        arguments = evaluate.parse(shlex.split(text, comments=True))
        if arguments.backbone:
            assert command_lib.parse_spec(arguments.backbone, "--backbone") == {"name": "inception", "resizer": "clean"}
