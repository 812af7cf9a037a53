"""Real batches for the compiled steps: addressed by step, so that a run resumes without any iterator's state."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from jaxgan.training.parallel import Parallel
from jaxgan.typing import PyTree


class Batches(Protocol):
    """`indices(k)` are the examples of the k-th batch, int [B]; `gather` reads them; `resident` says whether all of
    them, `arrays` (images [N, ...], labels [N, ...] or None), may live on the device."""

    resident: bool
    arrays: tuple[np.ndarray, np.ndarray | None]

    def indices(self, k: int) -> np.ndarray: ...
    def gather(self, indices: np.ndarray) -> Mapping[str, np.ndarray]: ...


class Feed:
    """Gives each step its slots: batch number step * num_slots + slot of the endless stream."""

    def __init__(self, batches: Batches, num_slots: int, parallel: Parallel):
        self.batches, self.num_slots, self.parallel = batches, num_slots, parallel
        self.data: PyTree = {}
        if batches.resident:
            held = zip(("image", "label"), batches.arrays, strict=True)
            self.data = parallel.place_data({name: array for name, array in held if array is not None})

    def steps(self, step: int, count: int) -> PyTree:
        """What `count` steps from `step` on read: indices into `data`, or the images and labels themselves."""
        slots = range(step * self.num_slots, (step + count) * self.num_slots)
        indices = np.stack([self.batches.indices(slot) for slot in slots])
        if self.batches.resident:
            fed = {"index": indices.astype(np.int32)}
        else:
            fed = {name: array.reshape(*indices.shape, *array.shape[1:])
                   for name, array in self.batches.gather(indices.reshape(-1)).items()}
        return self.parallel.feed({name: array.reshape(count, self.num_slots, *array.shape[1:])
                                   for name, array in fed.items()})
