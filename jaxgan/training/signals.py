"""Leaving in good order: SIGTERM and Ctrl-C ask for a checkpoint, then for the exit."""

import signal
import threading
from types import FrameType

from jaxgan import processes

STOP = "jaxgan/stop"  # under what name processes say when to stop


class Interrupted(Exception):  # noqa: N818 - not an error: the run was asked to stop, and did
    """The run stopped at `step` because it was asked to; its checkpoint is written."""

    def __init__(self, step: int):
        super().__init__(f"Stopped at step {step:,}; the same command continues from there.")
        self.step = step


class StopRequest:
    """While this context is entered, SIGTERM and SIGINT ask for a stop; a second SIGINT interrupts at once.

    ahead: how many calls one of several processes may have begun that another has not.
    """

    def __init__(self, ahead: int):
        self.received = False
        self._ahead, self._said = ahead, False
        self._previous = {}

    def due(self, call: int) -> bool:
        """Whether to stop after this call of the compiled steps; asked after each, with its number.

        Several processes have to stop after the same one, whichever of them was asked to: that one names a call that
        none can have begun.
        """
        if not processes.several():
            return self.received
        if self.received and not self._said:
            processes.tell(STOP, str(call + self._ahead + 1))
            self._said = True
        last = processes.told(STOP)
        return last is not None and call >= int(last)

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            self._previous = {which: signal.signal(which, self._handle) for which in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_) -> None:
        for which, handler in self._previous.items():
            signal.signal(which, signal.SIG_DFL if handler is None else handler)  # None: not Python's, so not ours

    def _handle(self, which: int, frame: FrameType | None) -> None:
        if self.received and which == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = True
