"""Real batches for the compiled steps: addressed by step, so that a run resumes without any iterator's state."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np

from jaxgan.training.parallel import Parallel
from jaxgan.typing import PyTree


class Batches(Protocol):
    """`address(k)` says what the k-th batch is of: {"index": int32 [B]}, with "present" where places may be empty;
    `stream(k)` gives that batch and those after it, read ahead of need; `resident` says whether all examples, `arrays`
    (images [N, ...], labels [N, ...] or None), may live on the device."""

    resident: bool
    arrays: tuple[np.ndarray, np.ndarray | None]

    def address(self, k: int) -> Mapping[str, np.ndarray]: ...
    def stream(self, start: int) -> Iterator[Mapping[str, np.ndarray]]: ...


class Feed:
    """Gives each step its slots: batch number step * num_slots + slot of the endless stream."""

    def __init__(self, batches: Batches, num_slots: int, parallel: Parallel):
        self.batches, self.num_slots, self.parallel = batches, num_slots, parallel
        self.data: PyTree = {}
        self._stream: Iterator[Mapping[str, np.ndarray]] = iter(())
        self._place = None  # of the next batch in the stream
        if batches.resident:
            held = zip(("image", "label"), batches.arrays, strict=True)
            self.data = parallel.place_data({name: array for name, array in held if array is not None})

    def steps(self, step: int, count: int) -> PyTree:
        """What `count` steps from `step` on read: indices into `data`, or the images and labels themselves."""
        first, num = step * self.num_slots, count * self.num_slots
        if self.batches.resident:
            read = [self.batches.address(slot) for slot in range(first, first + num)]
        else:
            read = self._read(first, num)
        fed = {name: np.stack([batch[name] for batch in read]) for name in read[0]}
        return self.parallel.feed({name: array.reshape(count, self.num_slots, *array.shape[1:])
                                   for name, array in fed.items()})

    def _read(self, first: int, num: int) -> list[Mapping[str, np.ndarray]]:
        """Batches first to first + num - 1, out of one stream as long as they are asked for in order."""
        if self._place != first:
            self._stream = self.batches.stream(first)
        self._place = first + num
        return list(itertools.islice(self._stream, num))
