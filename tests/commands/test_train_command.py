"""`python -m jaxgan.main`: what a run leaves, how it resumes, and how it stops."""

import gzip
import json
import signal
import time

import numpy as np
import pytest
from PIL import Image

from jaxgan import images, main
from jaxgan.config import from_json
from jaxgan.data import Info
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.runs import RunFolder
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.signals import StopRequest


def final_state(workdir):
    folder = RunFolder(workdir)
    experiment = Experiment(folder.config(), folder.info())
    checkpoints = Checkpoints(folder.checkpoints, read_only=True)
    state = checkpoints.restore(checkpoints.choose("latest"), experiment.abstract_state())
    checkpoints.close()
    return state


def wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def log(workdir):
    records = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in record.items() if not name.startswith(("images_per_second", "time/"))}
            for record in records]


def test_a_run_leaves_what_it_promises_and_a_finished_one_says_so(command, small, tmp_path, monkeypatch, capsys):
    code, out, err = command("main", f"--config={small}")
    assert code == 0, err
    run = tmp_path / "outputs" / "small-digits"
    assert sorted(p.name for p in run.iterdir()) == [
        "checkpoints", "config.json", "environment.json", "metrics.jsonl", "report.html", "samples"]
    samples = sorted(p.name for p in (run / "samples").iterdir())
    assert samples == ["curves.png"] + [f"step{step:08d}.png" for step in range(0, 81, 20)] + ["training.gif"]
    assert [record["step"] for record in log(run)] == [20, 40, 60, 80]
    assert "eval/fd32_pixels8" in log(run)[-1]
    with Image.open(run / "samples" / "training.gif") as animation:
        assert animation.n_frames == 5
    assert str(run.relative_to(tmp_path)) in out
    assert "images/s" in err
    assert "Where the time went: " in err
    shares = {name: value for line in (run / "metrics.jsonl").read_text().splitlines()
              for name, value in json.loads(line).items() if name.startswith("time/")}
    assert shares.keys() == {"time/input", "time/update", "time/sample", "time/checkpoint", "time/evaluate"}
    assert 0 < sum(shares.values()) < 5
    config = from_json((run / "config.json").read_text(), run)
    assert config["generator"]["width"] == 16
    environment = json.loads((run / "environment.json").read_text())
    assert environment["data"]["num_classes"] == 10
    assert Info.from_dict(environment["data"]).label_frequencies == pytest.approx([0.1] * 10, abs=0.01)

    before = {path: path.read_bytes() for path in run.rglob("*.png")}
    monkeypatch.chdir(tmp_path)
    assert main.main([f"--config={small}"]) == 0
    assert "is finished" in capsys.readouterr().out
    assert before == {path: path.read_bytes() for path in run.rglob("*.png")}

    with pytest.raises(InputError) as refusal:
        main.main([f"--config={small}", "--config.batch_size=32", "--config.loss.name=hinge"])
    assert "batch_size: 16 -> 32" in str(refusal.value)
    assert "loss.name: 'non_saturating' -> 'hinge'" in str(refusal.value)


@pytest.mark.slow
def test_a_trace_of_warm_steps(command, small, tmp_path):
    code, _, err = command("main", f"--config={small}", "--workdir=run", "--profile", "--config.evaluate_every=0")
    assert code == 0, err
    (trace,) = (tmp_path / "run" / "profile").rglob("perfetto_trace.json.gz")
    with gzip.open(trace) as file:
        names = {event.get("name", "") for event in json.load(file)["traceEvents"]}
    assert any("train_steps" in name for name in names)


def test_killed_anywhere_a_run_ends_in_the_same_bits(command, run_of, small, tmp_path, same_bits):
    """N steps, kill -9, and the rest: checkpoint, pictures and log equal those of a run that was never stopped."""
    whole, broken = run_of(tmp_path / "whole"), tmp_path / "broken"
    for step in (20, 60):
        process = command("main", f"--config={small}", f"--workdir={broken}", wait=False)
        wait_for(lambda step=step: (broken / "checkpoints" / str(step)).is_dir(), process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    code, _, err = command("main", f"--config={small}", f"--workdir={broken}")
    assert code == 0, err
    assert "Resuming" in err
    same_bits(final_state(whole), final_state(broken))
    pictures = sorted(path.name for path in (whole / "samples").glob("step*.png"))
    assert pictures == sorted(path.name for path in (broken / "samples").glob("step*.png"))
    for name in [*pictures, "training.gif"]:
        assert (whole / "samples" / name).read_bytes() == (broken / "samples" / name).read_bytes(), name
    assert log(whole) == log(broken)
    assert not list((broken / "checkpoints").glob("*tmp*"))


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_for_a_stop_and_a_second_ctrl_c_does_not_wait(which):
    before = signal.getsignal(which)
    with StopRequest(ahead=3) as stop:
        assert signal.getsignal(which) != before  # else it would end the tests
        assert not stop.due(1)
        signal.raise_signal(which)
        assert stop.due(2)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(which) == before


@pytest.mark.parametrize("which", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_asked_to_stop_a_run_checkpoints_and_leaves_with_130(command, small, tmp_path, same_bits, which):
    workdir = tmp_path / "run"
    process = command("main", f"--config={small}", f"--workdir={workdir}", "--config.total_kimg=16000",
                      "--config.checkpoint_every=0", wait=False)
    wait_for(lambda: (workdir / "metrics.jsonl").exists() and (workdir / "metrics.jsonl").stat().st_size, process)
    process.send_signal(which)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the same command continues" in err
    assert "Traceback" not in err
    (step,) = (int(path.name) for path in (workdir / "checkpoints").iterdir())
    assert int(final_state(workdir).step) == step > 0


def test_the_two_last_and_the_best_checkpoints_are_kept(run_of, tmp_path):
    workdir = run_of(tmp_path / "run", "evaluate_every=20", "total_kimg=1.6")
    scores = {record["step"]: record["eval/fd32_pixels8"] for record in log(workdir)}
    best = min(scores, key=scores.get)
    kept = {int(path.name) for path in (workdir / "checkpoints").iterdir()}
    assert kept == {80, 100, best}
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    assert checkpoints.choose("best") == best
    assert checkpoints.choose("latest") == 100
    checkpoints.close()


@pytest.mark.slow
def test_the_ring_is_drawn_as_points(command, root, tmp_path):
    code, _, err = command("main", f"--config={root}/configs/ring.py:grid", "--workdir=ring",
                           "--config.total_kimg=12.8", "--config.generator.width=16",
                           "--config.discriminator.width=16")
    assert code == 0, err
    last = max((tmp_path / "ring" / "samples").glob("step*.png"))
    assert images.load_png(last).shape[2] == 3
    assert {"eval/modes", "eval/high_quality", "eval/reverse_kl"} <= set(log(tmp_path / "ring")[-1])


@pytest.mark.slow
def test_a_run_starts_from_another(command, small, tmp_path):
    """Weights of the first run are where the second begins, on unlabelled data and with a part frozen; a run without
    them, or of another model, is refused and leaves nothing behind."""
    assert command("main", f"--config={small}", "--workdir=first", "--config.total_kimg=0.32")[0] == 0
    onward = ["main", f"--config={small}", "--workdir=second", "--config.init_from=first", "--config.seed=1",
              "--config.total_kimg=0.32", "--config.optimizers.discriminator.freeze=hidden0"]
    code, _, err = command(*onward)
    assert code == 0, err
    assert "Starting from first, step 20:" in err
    assert "generator: 5 of 5 tensors taken" in err
    first, second = (final_state(tmp_path / name) for name in ("first", "second"))
    kernels = [state.players["discriminator"].params["hidden0"]["kernel"] for state in (first, second)]
    np.testing.assert_array_equal(*kernels)
    kernels = [state.players["generator"].params["output"]["kernel"] for state in (first, second)]
    assert not np.array_equal(*kernels)

    for option, message in (("--config.init_from=nowhere", "nowhere is not a run"),
                            ("--config.init_checkpoint=7", "There is no checkpoint '7'"),
                            ("--config.generator={'name': 'resnet', 'width': 2}", "nothing of its generator fits")):
        code, _, err = command(*onward, "--workdir=third", option)
        assert code == 2
        assert message in err
        assert not (tmp_path / "third").exists() or not any((tmp_path / "third").rglob("*.png"))
