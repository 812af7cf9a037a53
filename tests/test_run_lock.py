"""One run a folder, and what a killed one leaves behind."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from jaxgan import config as config_lib
from jaxgan.data import Info
from jaxgan.errors import InputError
from jaxgan.runs import RunFolder
from jaxgan.training import lock

HOLD = "import sys, time; from pathlib import Path; from jaxgan.training import lock\n" \
       "with lock.held(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"


@pytest.fixture
def other(root, tmp_path):
    """Another process that holds tmp_path/run."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True,
                               env=os.environ | {"PYTHONPATH": str(root)})
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_is_refused_by_the_first_ones_name_until_that_is_killed(other, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(InputError) as refusal, lock.held(run):
        pass
    assert f"is being trained by process {other.pid} on {socket.gethostname()} since " in str(refusal.value)
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (run / lock.NAME).exists()
    with lock.held(run) as warning:
        assert warning == ""
        assert json.loads((run / lock.NAME).read_text())["pid"] == os.getpid()
        with pytest.raises(InputError, match=f"process {os.getpid()} "), lock.held(run):
            pass
    assert list(run.iterdir()) == []


def test_what_was_made_for_nothing_is_removed(tmp_path):
    with pytest.raises(KeyError), lock.held(tmp_path / "outputs" / "run"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with lock.held(tmp_path / "outputs" / "run"):
        (tmp_path / "outputs" / "run" / "config.json").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["outputs", "run", "config.json"]


def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with lock.held(tmp_path) as warning:
        assert "file system without locks (No locks available)" in warning
    assert list(tmp_path.iterdir()) == []


def test_a_lock_removed_while_it_was_waited_for_is_taken_anew(tmp_path, monkeypatch):
    """Between the opening of the file and the lock on it, its last holder may have removed it."""
    flock, calls = lock.fcntl.flock, []

    def late(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            (tmp_path / lock.NAME).unlink()
        flock(*arguments)

    monkeypatch.setattr(lock.fcntl, "flock", late)
    with lock.held(tmp_path):
        assert len(calls) == 2
        assert (tmp_path / lock.NAME).exists()


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is a file: choose another --workdir"), lock.held(tmp_path / "file"):
        pass
    with pytest.raises(InputError, match="Cannot write to /proc/run"), lock.held(tmp_path.parents[-1] / "proc" / "run"):
        pass


INFO = Info("digits", (8, 8, 1), 0, (), label_kind="none", hasher=lambda: "abc")


def test_what_a_killed_run_had_not_finished_writing_is_cleared_away(tiny, tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.held():
        folder.prepare(tiny(), INFO)
    left = [folder.path / ".config.json.1.tmp", folder.path / ".metrics.jsonl.1.tmp",
            folder.samples / ".training.gif.1.tmp"]
    for path in left:
        path.touch()
    with folder.held():
        assert not any(path.exists() for path in left)
    assert sorted(path.name for path in folder.path.rglob("*")) == ["config.json", "environment.json", "samples"]


@pytest.mark.parametrize("written", [[], [".running"], ["config.json"], ["config.json", "environment.json"]])
def test_a_folder_is_a_run_wherever_its_first_process_was_killed(tiny, tmp_path, written):
    whole, folder = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "run")
    whole.prepare(tiny(), INFO)
    folder.path.mkdir()
    for name in written:
        (folder.path / name).write_bytes((whole.path / name).read_bytes() if (whole.path / name).exists() else b"{}")
    with folder.held():
        assert folder.check_config(tiny()) is False
        folder.prepare(tiny(), INFO)
    assert folder.config() == whole.config()


def test_a_changed_config_is_recorded_beside_the_one_before(tiny, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.prepare(tiny(), INFO)
    changed = tiny("loss=hinge", "total_kimg=1.28")
    with pytest.raises(InputError) as refusal:
        folder.check_config(changed)
    assert "total_kimg: 0.64 -> 1.28" in str(refusal.value)
    assert "--allow_change" in str(refusal.value)
    assert folder.check_config(changed, allow_change=True)
    folder.prepare(changed, INFO)
    assert folder.config() == config_lib.from_json(config_lib.to_json(tiny()), folder.path)  # until it has been loaded
    folder.change_config(changed, step=20)
    folder.change_config(tiny("loss=hinge"), step=20)  # again, with nothing trained in between
    assert not folder.check_config(tiny("loss=hinge"))
    before = folder.path / "config_until_step00000020.json"
    assert before.read_text() == config_lib.to_json(tiny())


@pytest.mark.parametrize("option", ["seed=1", "batch_size=8", "num_critic=2"])
def test_what_steps_are_counted_by_cannot_be_changed(tiny, tmp_path, option):
    folder = RunFolder(tmp_path / "run")
    folder.prepare(tiny(), INFO)
    with pytest.raises(InputError, match=f"it keeps them:\n  {option.split('=')[0]}: "):
        folder.check_config(tiny(option), allow_change=True)
