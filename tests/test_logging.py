import io
import json
import math
import re
import signal

import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.training.logging import MetricsWriter, Progress, read_metrics


def write(path, steps, resume_step=None):
    with MetricsWriter(path, resume_step) as writer:
        for step in steps:
            writer.write(step, {"d/loss": step / 7, "g/loss": 1.0})


def test_records_are_strict_json_in_a_stable_order(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with MetricsWriter(path) as writer:
        writer.write(np.int64(3), {"g/loss": np.float32(0.3), "d/loss": math.inf, "d/r1": np.nan, "kimg": 0.192,
                                   "eval/name": "fid", "eval/ok": True, "none": None, "a/array": np.ones((1,), int)})
        assert path.read_text() == ('{"step": 3, "a/array": 1, "d/loss": null, "d/r1": null, "eval/name": "fid", '
                                    '"eval/ok": true, "g/loss": 0.3, "kimg": 0.192, "none": null}\n')
    record, = read_metrics(path)
    assert math.isnan(record["d/loss"])
    assert np.float32(record["g/loss"]) == np.float32(0.3)


def test_jax_scalars_are_written(tmp_path):
    import jax.numpy as jnp

    with MetricsWriter(tmp_path / "m") as writer:
        writer.write(1, {"a": jnp.float32(0.1), "b": jnp.bfloat16(0.5), "c": jnp.int32(2)})
        with pytest.raises(ValueError, match="one number"):
            writer.write(2, {"a": jnp.ones(3)})
    assert read_metrics(tmp_path / "m") == [{"step": 1, "a": 0.1, "b": 0.5, "c": 2}]


def test_a_resumed_file_has_the_lines_of_an_uninterrupted_run(tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    write(whole, range(0, 100, 10))
    write(resumed, range(0, 80, 10))
    write(resumed, range(50, 100, 10), resume_step=40)
    assert resumed.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("resume_step", [10, 20, 30])
def test_a_line_torn_anywhere_is_dropped(tmp_path, resume_step):
    path = tmp_path / "metrics.jsonl"
    write(path, [10, 20, 30])
    whole = path.read_bytes()
    starts = [0, *(i + 1 for i, byte in enumerate(whole) if byte == ord("\n"))]
    lines = whole.splitlines(keepends=True)
    for cut in range(starts[2], len(whole) + 1):
        path.write_bytes(whole[:cut])
        complete = 3 if cut >= len(whole) - 1 else 2  # lacking the newline alone, the record is whole
        assert [record["step"] for record in read_metrics(path)] == [10, 20, 30][:complete]
        MetricsWriter(path, resume_step).close()
        assert path.read_bytes() == b"".join(lines[:min(complete, resume_step // 10)])


def test_a_line_that_a_full_disk_cuts_is_taken_back(tmp_path):
    """Where bytes for half a line are left, the system writes that half and calls it a success."""
    resource = pytest.importorskip("resource")
    write(tmp_path / "metrics.jsonl", [10])
    whole = (tmp_path / "metrics.jsonl").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with MetricsWriter(tmp_path / "metrics.jsonl", 10) as writer:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 9, limits[1]))
        try:
            with pytest.raises(OSError, match=r"metrics\.jsonl"):
                writer.write(20, {"d/loss": 1.0})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, previous)
        assert (tmp_path / "metrics.jsonl").read_bytes() == whole
        writer.write(30, {"d/loss": 1.0})
    assert [record["step"] for record in read_metrics(tmp_path / "metrics.jsonl")] == [10, 30]


def test_starting_afresh_forgets_the_old_lines(tmp_path):
    write(tmp_path / "m", [0, 10])
    write(tmp_path / "m", [0], resume_step=None)
    assert [record["step"] for record in read_metrics(tmp_path / "m")] == [0]


def test_resuming_without_a_file_starts_one(tmp_path):
    write(tmp_path / "run" / "m", [50], resume_step=40)
    assert len(read_metrics(tmp_path / "run" / "m")) == 1


@pytest.mark.parametrize("line", ["", "not json", "[1, 2]", '{"loss": 1}', '{"step": "3"}'])
def test_foreign_lines_are_refused_by_file_and_number(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    text = json.dumps({"step": 1}) + f"\n{line}\n" + json.dumps({"step": 2}) + "\n"
    path.write_text(text)
    for use in (read_metrics, lambda path: MetricsWriter(path, 5)):
        with pytest.raises(InputError, match=r"metrics\.jsonl, line 2"):
            use(path)
    assert path.read_text() == text


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_metrics(tmp_path / "none.jsonl")


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_rate_leaves_out_compilation_and_pauses():
    clock = Clock()
    progress = Progress(1000, 0, 64, quiet=True, clock=clock)
    clock.now += 60  # compiling
    progress.update(10)
    assert progress.images_per_second is None
    clock.now += 2
    progress.update(20)
    assert progress.images_per_second == pytest.approx(10 * 64 / 2)
    with progress.paused(), progress.paused():
        clock.now += 500
    clock.now += 2
    progress.update(30)
    assert progress.images_per_second == pytest.approx(10 * 64 / 2)


def test_a_pause_ends_when_its_work_fails():
    clock = Clock()
    progress = Progress(1000, 0, 1, quiet=True, clock=clock)
    progress.update(0)

    def fail():
        with progress.paused():
            clock.now += 50
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    clock.now += 1
    progress.update(10)
    assert progress.images_per_second == pytest.approx(10)


def test_rate_follows_the_last_seconds():
    clock = Clock()
    progress = Progress(1000, 0, 1, quiet=True, clock=clock)
    for step in range(100):
        clock.now += 1 if step < 50 else 2
        progress.update(step)
    assert progress.images_per_second == pytest.approx(0.5)
    clock.now += 300  # one very long step
    progress.update(100)
    assert 0 < progress.images_per_second < 0.01


def test_plain_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as CI services set it
    clock = Clock()
    with Progress(4000, 1000, 64, clock=clock) as progress:
        progress.note("Resumed at step 1,000 [bold]")
        for step in range(1100, 4001, 100):
            clock.now += 4
            progress.update(step, {"d/loss": np.float32(1.25), "g/loss": math.nan, "d/sign_real": 0.4, "d/r1": 3.0})
    out, err = capsys.readouterr()
    assert out == ""
    assert "\x1b" not in err
    assert "\r" not in err
    lines = err.splitlines()
    assert lines[0] == "Resumed at step 1,000 [bold]"
    assert lines[1] == "step 1,100/4,000  d/loss 1.25  g/loss nan  d/sign_real +0.40"
    assert lines[2] == "step 1,400/4,000  1,600 images/s  1:44 left  d/loss 1.25  g/loss nan  d/sign_real +0.40"
    assert lines[-1].startswith("step 4,000/4,000  1,600 images/s  0:00 left")
    assert len(lines) == 12  # the note, every third update for its twelve seconds, and the last


def test_quiet_is_silent(capsys):
    with Progress(10, 0, 1, quiet=True) as progress:
        progress.note("hello")
        progress.update(10, {"d/loss": 1.0})
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    def make(columns, term="xterm-256color"):
        for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", term)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr("sys.stderr", Terminal())
        import sys
        return sys.stderr
    return make


def run_on_terminal():
    clock = Clock()
    with Progress(4000, 0, 64, clock=clock) as progress:
        for step in (1000, 2000):
            clock.now += 10
            progress.update(step, {"d/loss": 1.0, "g/loss": 2.0, "d/sign_real": 0.25})
        progress.note("Wrote samples/002000.png [1 file]")
        print("a result")


@pytest.mark.parametrize(("columns", "holds", "lacks"), [
    (150, ["━", "step 2,000/4,000", "6,400 images/s", "0:20 left", "d/loss 1.00", "g/loss 2.00", "real +0.25"], []),
    (70, ["━", "step 2,000/4,000", "6,400 images/s", "0:20 left"], ["g/loss"]),
    (30, ["━", "step 2,000/4,000"], ["images/s"]),
    (20, ["step 2,000/4,000"], ["━", "images/s"]),
    (4, ["ste"], ["2,000/4,000"]),
])
def test_the_bar_says_what_fits(terminal, capsys, columns, holds, lacks):
    stderr = terminal(columns)
    run_on_terminal()
    text = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", stderr.getvalue())
    frames = [frame for frame in re.split(r"[\r\n]+", text) if frame and "Wrote" not in frame]
    for part in holds:
        assert part in frames[-1]
    for part in lacks:
        assert part not in frames[-1]
    assert max(map(len, frames)) <= columns
    assert "Wrote samples/002000.png [1 file]" in text
    assert stderr.getvalue().endswith("\x1b[?25h")  # the cursor is back
    assert capsys.readouterr().out == "a result\n"


def test_a_dumb_terminal_gets_plain_lines(terminal):
    stderr = terminal(80, term="dumb")
    run_on_terminal()
    assert "\x1b" not in stderr.getvalue()
    assert "step 2,000/4,000" in stderr.getvalue()
