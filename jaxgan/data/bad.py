"""What happens to a file that cannot be used: refused with one message, or left out and listed."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxgan.data.source import MEMORY_LIMIT, check_choice, in_chunks
from jaxgan.data.transforms import BadImageError
from jaxgan.errors import InputError

ON_BAD = ("error", "skip")


class BadFiles:
    """Collects what is bad about the files under `where`, or refuses the first, as `config.data.on_bad` says."""

    def __init__(self, on_bad: str, where: str | os.PathLike):
        check_choice(on_bad, ON_BAD, "on_bad")
        self.where = os.fspath(where)
        self.skip = on_bad == "skip"
        self.skipped: list[str] = []

    def report(self, name: str, reason: str) -> None:
        if not self.skip:
            raise self.refusal(name, reason)
        self.skipped.append(f"{name}: {reason}")

    def refusal(self, name: str, reason: str) -> InputError:
        return InputError(f"{os.path.join(self.where, name)} {reason}. Repair or remove it, or pass "
                          "--config.data.on_bad=skip to go on without what is bad.")

    def keep(self, names: Sequence[str], read: Callable[[int], object], threaded: bool) -> tuple[list[int], list]:
        """`read` of every index of `names`; (indices it succeeded for, what it returned)."""
        def attempt(indices):
            return [_attempt(read, i) for i in indices]

        results = [r for part in in_chunks(attempt, range(len(names)), 64, threaded) for r in part]
        kept = []
        for index, result in enumerate(results):
            if isinstance(result, BadImageError):
                self.report(names[index], str(result))
            else:
                kept.append(index)
        return kept, [results[i] for i in kept]

    def keep_decodable(self, names: Sequence[str], decode: Callable[[int], np.ndarray], nbytes: int,
                       threaded: bool) -> tuple[list[int], np.ndarray | None]:
        """Decodes everything once to find what is bad; the images come back too where `nbytes` fit in memory.

        decode: the images of a name, uint8 [N, H, W, C]."""
        fits = nbytes <= MEMORY_LIMIT
        kept, images = self.keep(names, decode if fits else lambda i: decode(i).size, threaded)
        self.some(kept)
        return kept, np.concatenate(images) if fits else None

    def strict(self, name: str, read: Callable[[], Any]) -> Any:
        """`read()`, refusing the file where it cannot be used, whatever `on_bad` says: the set is settled by now."""
        try:
            return read()
        except BadImageError as error:
            raise self.refusal(name, str(error)) from error

    def some(self, kept: Sequence) -> None:
        """Refuses a set of which nothing is left."""
        if not kept:
            detail = f" {len(self.skipped)} skipped, the first: {self.skipped[0]}." if self.skipped else ""
            raise InputError(f"There is no usable image in {self.where}.{detail} Choose other data in config.data.")


def _attempt(read: Callable[[int], object], index: int) -> object:
    try:
        return read(index)
    except BadImageError as error:
        return error
