"""`python -m jaxgan.sample`: the bytes of a seed depend on nothing but the run and the seed."""

import hashlib
import json

import jax
import numpy as np
import pytest
from PIL import Image

from jaxgan import images, sample
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.runs import RunFolder
from jaxgan.training.checkpoints import Checkpoints


def restored(run, experiment):
    checkpoints = Checkpoints(run / "checkpoints", read_only=True)
    state = checkpoints.restore(checkpoints.choose("latest"), experiment.abstract_state())
    checkpoints.close()
    return state


@pytest.fixture(scope="module")
def trained(command_in, small, tmp_path_factory):
    """A run of 80 steps with a small ResNet generator: BatchNorm, convolutions and labels; averages stored."""
    folder = tmp_path_factory.mktemp("trained")
    code, _, err = command_in(folder)("main", f"--config={small}", "--workdir=run", "--config.evaluate_every=0",
                                      "--config.generator={'name': 'resnet', 'width': 2}", "--config.average_every=20",
                                      "--config.average.short={'name': 'power', 'std': 0.05}",
                                      "--config.average.long={'name': 'power', 'std': 0.1}")
    assert code == 0, err
    return folder / "run"


def test_a_seed_is_the_same_bytes_however_it_is_made(command, trained, tmp_path):
    def sample(seeds, output, **how):
        code, out, err = command("sample", f"--workdir={trained}", f"--seeds={seeds}", f"--output={output}", **how)
        assert code == 0, err
        return out
    sample("0-63", "many")
    sample("37", "alone")
    sample("30-40,63", "eight", devices=8)
    sample("0-63", "arrays.npz", devices=8)
    listed = json.loads((tmp_path / "many" / "samples.json").read_text())["samples"]
    assert [entry["seed"] for entry in listed] == list(range(64))
    for entry in listed:
        assert hashlib.sha256((tmp_path / "many" / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]
    alone = (tmp_path / "alone" / "seed000037.png").read_bytes()
    assert alone == (tmp_path / "many" / "seed000037.png").read_bytes()
    assert alone == (tmp_path / "eight" / "seed000037.png").read_bytes()
    arrays = np.load(tmp_path / "arrays.npz")
    assert arrays["images"].shape == (64, 8, 8, 1)
    assert arrays["images"].dtype == np.uint8
    assert [entry["label"] for entry in listed] == arrays["labels"].tolist()
    for seed in (0, 37, 63):
        pixels = images.load_png(tmp_path / "many" / f"seed{seed:06d}.png")
        np.testing.assert_array_equal(arrays["images"][seed], pixels)

    sample("0-63", "grid.png")
    training = images.load_png(trained / "samples" / "step00000080.png")
    grid = images.load_png(tmp_path / "grid.png")
    np.testing.assert_array_equal(training[-grid.shape[0]:], grid)


def test_labels_and_weights_are_chosen(command, trained, tmp_path):
    for name, options in {"zeros": ["--labels=0"], "ones": ["--labels=1"], "all": ["--labels=0-9"],
                          "raw": ["--labels=0", "--raw"]}.items():
        code, _, err = command("sample", f"--workdir={trained}", "--seeds=0-19", f"--output={name}.npz", *options)
        assert code == 0, err
    made = {name: np.load(tmp_path / f"{name}.npz") for name in ("zeros", "ones", "all", "raw")}
    assert made["all"]["labels"].tolist() == list(range(10)) * 2
    assert not np.array_equal(made["zeros"]["images"], made["ones"]["images"])
    assert not np.array_equal(made["zeros"]["images"], made["raw"]["images"])
    np.testing.assert_array_equal(made["zeros"]["images"][10], made["all"]["images"][10])


def test_averages_and_statistics_are_made_afterwards(command, trained, tmp_path, same_bits):
    """The average of a stored width is the stored one; standing statistics change the images, each time alike."""
    config, info = RunFolder(trained).config(), RunFolder(trained).info()
    experiment = Experiment(config, info, jax.devices()[:1])
    state = restored(trained, experiment)
    store = experiment.stored_averages(RunFolder(trained).averages)
    assert store.steps() == [20, 40, 60, 80]
    made = store.reconstruct(0.1, 80)
    for one, other in zip(jax.tree.leaves(made), jax.tree.leaves(state.averages["long"])):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    between = store.reconstruct(0.07, 80)["params"]["dense"]["kernel"]
    assert not np.allclose(between, made["params"]["dense"]["kernel"], atol=1e-6)

    for name, options in {"plain": [], "wide": ["--average_std=0.1"], "fresh": ["--standing=3"],
                          "again": ["--standing=3"]}.items():
        code, _, err = command("sample", f"--workdir={trained}", "--seeds=0-7", f"--output={name}.npz", *options)
        assert code == 0, err
    plain, wide, fresh, again = (np.load(tmp_path / f"{name}.npz")["images"]
                                 for name in ("plain", "wide", "fresh", "again"))
    assert not np.array_equal(plain, wide)
    assert not np.array_equal(plain, fresh)
    same_bits(fresh, again)


def test_paths_directions_and_truncation(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*options):
        assert sample.main([f"--workdir={trained}", *options]) == 0
    run("--seeds=3,1,2", "--interpolate=2", "--output=loop.gif")
    with Image.open(tmp_path / "loop.gif") as gif:
        assert gif.n_frames == 6
    run("--seeds=5", "--directions=sefa", "--num_directions=2", "--output=strip.png")
    assert images.load_png(tmp_path / "strip.png").shape[0] == 36 + 24 + 2 * (64 + 4) + 4
    run("--seeds=0-3", "--truncation=0.5", "--output=near.npz")
    run("--seeds=2,3", "--truncation=0.5", "--output=again.npz")
    run("--seeds=0-3", "--output=plain.npz")
    near, again, plain = (np.load(tmp_path / f"{name}.npz")["images"] for name in ("near", "again", "plain"))
    np.testing.assert_array_equal(near[2:], again)
    assert (near != plain).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize(("arguments", "message"), [
    (["--seeds=9-3"], "runs backwards; write 3-9"),
    (["--seeds=a"], "'a' is no number or range"),
    (["--seeds=4294967296"], "too large"),
    (["--labels=10"], "the largest is 9"),
    (["--checkpoint=7"], "There are: latest, best, 60, 80"),
    (["--checkpoint=best"], "No checkpoint of this run has a score"),
    (["--output=x.jpg"], "write to a .png, a .npz, or a folder"),
    (["--output=no/where/x.png"], "there is no folder no/where"),
    (["--workdir=nowhere"], "nowhere is not a run"),
    (["--average_std=0.1", "--checkpoint=60", "--raw"], "not allowed with argument"),
    (["--average_std=0.4"], "lies between 0 and 0.288"),
    (["--standing=0"], "a number of batches from 1"),
    (["--interpolate=4"], "writes to a .gif, .webp or .mp4"),
    (["--interpolate=0", "--output=x.gif"], "a number of pictures from 1"),
    (["--output=x.gif"], "say --interpolate=N"),
    (["--directions=sefa", "--output=x.npz"], "--directions writes to a .png"),
    (["--directions=sefa", "--interpolate=2"], "not allowed with argument"),
    (["--cutoff=2"], "--cutoff goes with --truncation"),
    (["--truncation=0.5", "--cutoff=2"], "has no w"),
    (["--sedes=3"], "Unrecognized arguments: --sedes=3"),
])
def test_refusals(trained, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        sample.main([f"--workdir={trained}", "--output=x.png", *arguments])
    assert not (tmp_path / "x.png").exists()
