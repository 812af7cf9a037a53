"""Where the time of a run goes."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INPUT_BOUND = 0.3  # share of the time from which on reading is worth a word


class Shares:
    """Seconds by what they were spent on: "input", "update", "sample", "evaluate", "checkpoint", "average".

    The device runs beside the host, so "update" is what the host waited for it and "input" what it could not read in
    the meantime; what is neither is left out.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._started = self._marked = clock()
        self._all: Counter[str] = Counter()
        self._since: Counter[str] = Counter()

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Counts the time spent inside."""
        begun = self._clock()
        try:
            yield
        finally:
            spent = self._clock() - begun
            self._all[name] += spent
            self._since[name] += spent

    def mark(self) -> dict[str, float]:
        """The shares since the last mark, from 0 to 1, as metrics."""
        now = self._clock()
        elapsed, self._marked = max(now - self._marked, 1e-9), now
        shares = {f"time/{name}": seconds / elapsed for name, seconds in self._since.items()}
        self._since.clear()
        return shares

    def total(self) -> str:
        """All of it in a sentence, the largest first; with advice where reading took long."""
        elapsed = max(self._clock() - self._started, 1e-9)
        shares = [(name, seconds / elapsed) for name, seconds in self._all.most_common() if seconds / elapsed >= 0.005]
        text = "Where the time went: " + ", ".join(f"{name} {share:.0%}" for name, share in shares) + "."
        if self._all["input"] / elapsed >= INPUT_BOUND:
            text += (" The devices waited for data: smaller files, a faster disk or more cores would help, most of all "
                     "a set that fits into memory.")
        return text
