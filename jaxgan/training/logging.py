"""What a run tells: metrics as JSON lines for programs, a progress bar for people."""

import errno
import json
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.text import Text

from jaxgan.config import parse_json
from jaxgan.errors import InputError
from jaxgan.images import replacing

SHOWN = {"d/loss": "#.3g", "g/loss": "#.3g", "d/sign_real": "+.2f"}
RATE_WINDOW = 20.0  # seconds over which images/s is averaged
PLAIN_EVERY = 10.0  # seconds between lines where there is no terminal to draw a bar on
BAR_WIDTH = (10, 32)


class MetricsWriter:
    """Appends records to a JSON-lines file, each with a single write, so that a killed run tears the last line at most.

    resume_step: None starts the file afresh; a number keeps the records up to that step and drops later ones and a
    torn last line, so that the file ends up with the lines of a run that was never interrupted. `step` comes first,
    the other keys in alphabetical order. JSON knows no NaN or infinity: both are written as null. Raises InputError
    where the file to resume holds anything else than such records.
    """

    def __init__(self, path: Path | str, resume_step: int | None = None):
        self._path = path
        self._begin(resume_step)

    def _begin(self, resume_step: int | None) -> None:
        path = self._path
        lines = [] if resume_step is None else [line for line, record in _parse(path) if record["step"] <= resume_step]
        with replacing(path) as file:
            file.writelines(line + b"\n" for line in lines)
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by close)

    def rewind(self, step: int) -> None:
        """Drops the records after `step`: the run goes on from there."""
        self.close()
        self._begin(step)

    def write(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Adds one record. Values: numbers, scalar arrays, strings, None."""
        record = {"step": int(step), **{key: _plain(metrics[key]) for key in sorted(metrics) if key != "step"}}
        line, end = json.dumps(record, allow_nan=False).encode() + b"\n", self._file.tell()
        try:
            if self._file.write(line) < len(line):  # the last bytes of a disk
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        except OSError:
            self._file.truncate(end)
            raise

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "MetricsWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_metrics(path: Path | str) -> list[dict[str, Any]]:
    """The records of a metrics file, null as NaN. A torn last line is left out: the file may still be growing.

    Raises InputError where the file is missing or a line is not a record.
    """
    if not Path(path).exists():
        raise InputError(f"{path} does not exist. Has this run logged anything yet?")
    return [{key: math.nan if value is None else value for key, value in record.items()} for _, record in _parse(path)]


class Progress:
    """One line on stderr that says how a run is doing: a bar on a terminal, else a plain line every ten seconds.

        with Progress(total_steps, start_step, images_per_step) as progress:
            progress.update(step, metrics)

    quiet: prints nothing at all, notes included. images/s is averaged over the last 20 seconds of work and counts from
    the first `update`, so the compilation before it does not weigh in; wrap sampling, evaluating and checkpointing in
    `paused()`. `step` must be one whose results have arrived: JAX returns from a step before it has run.
    """

    def __init__(self, total_steps: int, start_step: int, images_per_step: int, quiet: bool = False,
                 clock: Callable[[], float] = time.monotonic):
        self._total, self._step, self._images_per_step, self._clock = total_steps, start_step, images_per_step, clock
        self._quiet = quiet
        self._metrics: dict[str, float] = {}
        self._marks: deque[tuple[float, int]] = deque()  # (seconds of work, step)
        self._idle, self._paused_at = 0.0, None
        self._printed_at = -math.inf
        console = Console(stderr=True)
        drawable = not quiet and sys.stderr.isatty() and console.is_interactive
        # stdout is for results and may be a pipe: rich must not divert it to the bar's console.
        self._live = Live(self, console=console, refresh_per_second=4, redirect_stdout=False) if drawable else None

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def update(self, step: int, metrics: Mapping[str, Any] | None = None) -> None:
        """`step` steps of the run are done. Metrics stay on show until the next ones."""
        if step < self._step:  # the run has gone back: what lies between two such marks is no progress
            self._marks.clear()
        self._step = step
        self._metrics.update({key: float(value) for key, value in (metrics or {}).items() if key in SHOWN})
        now = self._clock()
        self._marks.append((now - self._idle, step))
        while len(self._marks) > 1 and self._marks[-1][0] - self._marks[1][0] >= RATE_WINDOW:
            self._marks.popleft()
        if self._live or self._quiet:
            return
        if now - self._printed_at >= PLAIN_EVERY or step >= self._total:
            self._printed_at = now
            print("  ".join(self._pieces()), file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Prints a line that stays, above the bar."""
        if self._live:
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        elif not self._quiet:
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time spent inside does not count as work. May be nested."""
        if self._paused_at is not None:
            yield
            return
        self._paused_at = self._clock()
        try:
            yield
        finally:
            self._idle += self._clock() - self._paused_at
            self._paused_at = None

    @property
    def images_per_second(self) -> float | None:
        """Training images a second of work; None before the second `update`."""
        if len(self._marks) < 2:
            return None
        (start, first), (end, last) = self._marks[0], self._marks[-1]
        return (last - first) * self._images_per_step / (end - start) if end > start else None

    def _pieces(self) -> list[str]:
        """What there is to say, the most important first."""
        pieces = [f"step {self._step:,}/{self._total:,}"]
        if rate := self.images_per_second:
            left = (self._total - self._step) * self._images_per_step / rate
            pieces += [f"{rate:,.0f} images/s", f"{_duration(left)} left"]
        return pieces + [f"{key} {self._metrics[key]:{style}}" for key, style in SHOWN.items() if key in self._metrics]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        shortest, longest = BAR_WIDTH
        room = options.max_width - 1
        text, *others = self._pieces()
        for piece in others:
            if len(text) + 2 + len(piece) + 2 + shortest > room:
                break
            text += "  " + piece
        width = min(longest, room - len(text) - 2)
        line = Text(no_wrap=True, overflow="crop")
        if width >= shortest:
            done = width * min(self._step, self._total) // max(self._total, 1)
            line.append("━" * done, style="green").append("─" * (width - done), style="bright_black").append("  ")
        yield line.append(text)


def _parse(path: Path | str) -> list[tuple[bytes, dict[str, Any]]]:
    """Each line of a metrics file with the record it holds, but for a torn last one."""
    try:
        *lines, torn = Path(path).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    parsed = [(line, _record(line)) for line in lines]
    for number, (_, record) in enumerate(parsed, start=1):
        if record is None:
            raise InputError(f"{path}, line {number}: this is not a record of metrics. Delete the line, or choose "
                             "another workdir.")
    last = _record(torn)  # a record that lacks nothing but its newline is whole all the same
    return parsed if last is None else [*parsed, (torn, last)]


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = parse_json(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("step"), int) else None


def _plain(value: Any) -> Any:
    """A scalar as JSON can hold it. float32 keeps its own shortest digits: 0.3, not 0.30000001192092896."""
    if value is None or isinstance(value, str):
        return value
    array = np.asarray(value)
    if array.size != 1:
        raise ValueError(f"A metric is one number, not an array of shape {array.shape}.")
    if array.dtype.kind in "biu":
        return array.item()
    number = float(str(array.reshape(())[()])) if array.dtype == np.float32 else float(array.reshape(())[()])
    return number if math.isfinite(number) else None


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
