"""How far a long computation is, on stderr: bars on a terminal, elsewhere a plain line every ten seconds."""

import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_EVERY = 10.0  # seconds between lines where there is no terminal to draw a bar on


class Bars:
    """Use it in a `with` block. `say(what)` gives a function to be told (done, total); its bar appears with the first
    call and goes with the last, and all of them with the block."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock, self._printed_at = clock, clock()
        console = Console(stderr=True)
        columns = TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeRemainingColumn()
        drawable = sys.stderr.isatty() and console.is_interactive
        # stdout is for results and may be a pipe: rich must not divert it to the bars' console.
        self._live = Progress(*columns, console=console, transient=True, redirect_stdout=False) if drawable else None

    def __enter__(self) -> "Bars":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def say(self, what: str) -> Callable[[int, int], None]:
        """Whom to tell how far `what` is."""
        task = None

        def report(done: int, total: int) -> None:
            nonlocal task
            if self._live:
                task = self._live.add_task(what, total=total) if task is None else task
                self._live.update(task, completed=done, total=total, visible=done < total)
            elif self._clock() - self._printed_at >= PLAIN_EVERY:
                self._printed_at = self._clock()
                print(f"{what}: {done:,}/{total:,}", file=sys.stderr, flush=True)
        return report
