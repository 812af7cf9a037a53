"""Leaving in good order: SIGTERM and Ctrl-C ask for a checkpoint, then for the exit."""

import signal
import threading
from types import FrameType


class Interrupted(Exception):  # noqa: N818 - not an error: the run was asked to stop, and did
    """The run stopped at `step` because it was asked to; its checkpoint is written."""

    def __init__(self, step: int):
        super().__init__(f"Stopped at step {step:,}; the same command continues from there.")
        self.step = step


class StopRequest:
    """While this context is entered, SIGTERM and SIGINT set `received`; a second SIGINT interrupts at once."""

    def __init__(self):
        self.received = False
        self._previous = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            self._previous = {which: signal.signal(which, self._handle) for which in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_) -> None:
        for which, handler in self._previous.items():
            signal.signal(which, handler)

    def _handle(self, which: int, frame: FrameType | None) -> None:
        if self.received and which == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = True
