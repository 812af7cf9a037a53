"""What `jaxgan.main` does in a folder that something has happened to."""

import contextlib
import json
import os
import shutil
import sys

import pytest

from jaxgan import main
from jaxgan.errors import InputError
from jaxgan.training import lock
from jaxgan.training.checkpoints import Checkpoints


@pytest.fixture
def train(small, no_page, capsys):
    """`train(workdir, *options)` -> (exit code, stdout, stderr), in this process."""
    def run(workdir, *options):
        code = main.main([f"--config={small}", f"--workdir={workdir}", "--config.evaluate_every=0",
                          "--config.metrics=()", *options])
        return code, *capsys.readouterr()
    return run


@pytest.fixture(scope="module")
def finished(small, no_page, tmp_path_factory):
    """A run of 40 steps with the checkpoints of 20 and 40."""
    workdir = tmp_path_factory.mktemp("finished") / "run"
    main.main([f"--config={small}", f"--workdir={workdir}", "--config.evaluate_every=0", "--config.metrics=()",
               "--config.total_kimg=0.64", "--quiet"])
    return workdir


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def checksums(workdir, step):
    return json.loads((workdir / "checkpoints" / str(step) / "_CHECKPOINT_METADATA").read_text())["custom_metadata"]


def test_from_a_damaged_checkpoint_training_goes_back_one_and_ends_in_the_same_bits(train, run, finished):
    arrays = max((run / "checkpoints" / "40").rglob("d/*"), key=lambda path: path.stat().st_size)
    data = bytearray(arrays.read_bytes())
    data[len(data) // 2] ^= 1
    arrays.write_bytes(data)
    code, _, err = train(run, "--config.total_kimg=0.64", "--quiet")
    assert code == 0
    assert "warning: The checkpoint of step 40 is damaged (" in err
    assert "Training goes on from step 20." in err
    assert checksums(run, 40) == checksums(finished, 40)
    assert (run / "metrics.jsonl").read_text().count('"step": 40') == 1
    with contextlib.closing(Checkpoints(run / "checkpoints", read_only=True)) as checkpoints:
        assert checkpoints.steps() == [20, 40]


def test_a_second_run_is_refused_and_the_finished_one_leaves_no_lock(train, run):
    assert not (run / lock.NAME).exists()
    with lock.held(run), pytest.raises(InputError, match=f"is being trained by process {os.getpid()} on "):
        train(run, "--config.total_kimg=0.64")
    assert "is finished" in train(run, "--config.total_kimg=0.64")[1]


def test_a_longer_budget_is_a_change_that_can_be_allowed(train, run):
    with pytest.raises(InputError, match=r"total_kimg: 0\.64 -> 0\.96"):
        train(run, "--config.total_kimg=0.96")
    code, out, _ = train(run, "--config.total_kimg=0.96", "--allow_change", "--quiet")
    assert code == 0
    assert "Done" in out
    assert json.loads((run / "config.json").read_text())["total_kimg"] == 0.96
    assert json.loads((run / "config_until_step00000040.json").read_text())["total_kimg"] == 0.64
    assert "is finished" in train(run, "--config.total_kimg=0.96")[1]


def test_other_networks_are_refused_by_their_tensors_and_change_nothing(train, run):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "environment.json"}
    with pytest.raises(InputError, match=r"players/generator/params/.* in the checkpoint, .* by the config"):
        train(run, "--config.total_kimg=0.64", "--config.generator.width=24", "--allow_change")
    assert before == {path: path.read_bytes() for path in run.rglob("*")
                      if path.is_file() and path.name != "environment.json"}


def test_killed_while_drawing_the_end_a_run_draws_it_when_called_again(train, run, finished):
    (run / "samples" / "training.gif").unlink()
    (run / "samples" / ".training.gif.77.tmp").touch()
    code, out, _ = train(run, "--config.total_kimg=0.64")
    assert code == 0
    assert "is finished" in out
    assert (run / "samples" / "training.gif").read_bytes() == (finished / "samples" / "training.gif").read_bytes()
    assert not (run / "samples" / ".training.gif.77.tmp").exists()


def test_a_full_disk_is_one_message(train, run, monkeypatch, capsys):
    """As a person sees it: `command.run`, around the command."""
    from jaxgan import command, images

    def full(*_):
        raise OSError(28, "No space left on device", "step00000060.png")

    monkeypatch.setattr(images, "save_png", full)
    monkeypatch.setattr(sys, "argv", ["main"])
    with pytest.raises(SystemExit) as leaving:
        command.run(lambda _: train(run, "--config.total_kimg=0.96", "--allow_change", "--quiet")[0])
    assert leaving.value.code == 1
    assert capsys.readouterr().err == (
        "error: No space left on device: step00000060.png. Make room, and give the same command again.\n")
    monkeypatch.undo()
    assert train(run, "--config.total_kimg=0.96", "--quiet")[0] == 0
