"""From a source to batches. Batch k is a function of (seed, k) alone, so nothing about data has to be checkpointed."""

import functools
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from jaxgan.data.source import MEMORY_LIMIT, Arrays, Source, materialise, nbytes, num_threads, read
from jaxgan.errors import InputError

__all__ = ["Batches", "Poisson", "batch_indices", "capacity", "materialise", "poisson_indices"]

DEVICE_MEMORY_LIMIT = 2 << 30


def batch_indices(num_examples: int, batch_size: int, seed: int, index: int) -> np.ndarray:
    """Batch `index` of an endless stream of shuffled epochs, int64 [batch_size].

    Each epoch holds every example once; a batch may end one epoch and begin the next, or span several.
    """
    if num_examples < 1 or batch_size < 1 or index < 0 or seed < 0:
        raise InputError(f"A batch needs num_examples and batch_size from 1, seed and index from 0; got "
                         f"num_examples={num_examples}, batch_size={batch_size}, seed={seed}, index={index}.")
    epoch, offset = divmod(index * batch_size, num_examples)
    parts = []
    missing = batch_size
    while missing:
        part = _permutation(num_examples, seed, epoch)[offset:offset + missing]
        parts.append(part)
        missing -= len(part)
        epoch, offset = epoch + 1, 0
    return np.concatenate(parts)


class Batches:
    """Batches of a source, by number.

    `batches[k]` is {"image": [B, H, W, C], "label": [B, ...] where there are labels}, this process's contiguous slice
    of batch k (B = batch_size / process_count). Sets of at most `memory_limit` bytes are decoded once and kept in
    `arrays` (else None); `resident` says that they are also small enough to live on a device, where a trainer puts
    them once and then passes `indices(k)` only.
    """

    def __init__(self, source: Source | Arrays, batch_size: int, seed: int, process_index: int = 0,
                 process_count: int = 1, memory_limit: int = MEMORY_LIMIT,
                 device_memory_limit: int = DEVICE_MEMORY_LIMIT):
        if batch_size < 1 or batch_size % process_count:
            raise InputError(f"config.batch_size must be a positive multiple of the {process_count} processes; "
                             f"got {batch_size}.")
        self._source = source
        self._seed = seed
        self._batch_size = batch_size
        self._process = process_index, process_count
        if isinstance(source, Arrays):
            self.arrays, self.num_examples = source, len(source.images)
        else:
            self.arrays = materialise(source) if nbytes(source) <= memory_limit else None
            self.num_examples = len(source)
        self.resident = self.arrays is not None and self.arrays.nbytes <= device_memory_limit

    def indices(self, index: int) -> np.ndarray:
        """The examples of this process's part of batch `index`, int64."""
        return batch_indices(self.num_examples, self._batch_size, self._seed, index)[self.part(self._batch_size)]

    def address(self, index: int) -> dict[str, np.ndarray]:
        """`indices` as a trainer takes them."""
        return {"index": self.indices(index).astype(np.int32)}

    def part(self, size: int) -> slice:
        """This process's part of so many places."""
        index, count = self._process
        return slice(index * size // count, (index + 1) * size // count)

    def gather(self, indices: np.ndarray | Sequence[int]) -> dict[str, np.ndarray]:
        """Those examples; `indices` may have any shape, which leads the result's."""
        indices = np.asarray(indices)
        if self.arrays is not None:
            images, labels = self.arrays
            images, labels = images[indices], None if labels is None else labels[indices]
        else:
            images, labels = (None if a is None else a.reshape(*indices.shape, *a.shape[1:])
                              for a in read(self._source, indices.ravel()))
        return {"image": images} if labels is None else {"image": images, "label": labels}

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return self.gather(self.indices(index))

    def stream(self, start: int) -> Iterator[dict[str, np.ndarray]]:
        """Batches start, start + 1, … without end, read ahead of need on as many threads as there are cores."""
        return _stream(self, start)


def poisson_indices(num_examples: int, rate: float, places: int, seed: int, index: int) -> np.ndarray:
    """Poisson sample `index` of the examples, each in it with probability `rate` whatever else is: int64 [places], -1
    from where there are no more. With the places that `capacity` says, none is ever left out."""
    bits = np.random.Philox(np.random.SeedSequence([seed, index, 1])).random_raw(num_examples)
    drawn = np.flatnonzero(bits < np.uint64(min(int(rate * 2.0**64), 2**64 - 1)))[:places]
    return np.concatenate([drawn, np.full(places - len(drawn), -1)])


def capacity(num_examples: int, rate: float, multiple: int) -> int:
    """Places enough for a Poisson sample, a multiple of `multiple`: that it has more is less likely than 1e-18, which
    over a million samples is far below any delta that one would ask for."""
    from scipy.special import bdtrc

    found = multiple
    while found < num_examples and bdtrc(found, num_examples, rate) > 1e-18:
        found += multiple
    return found


class Poisson:
    """Other batches of the same examples: sample k is `poisson_indices`, a function of (seed, k), in `places` places.

    Beside image and label there is "present", bool [places]; what stands where it is False means nothing.
    """

    def __init__(self, batches: Batches, rate: float, places: int, seed: int):
        self._batches, self._rate, self._places, self._seed = batches, rate, places, seed
        self.arrays, self.resident = batches.arrays, batches.resident

    def address(self, index: int) -> dict[str, np.ndarray]:
        drawn = poisson_indices(self._batches.num_examples, self._rate, self._places, self._seed, index)
        drawn = drawn[self._batches.part(self._places)]
        return {"index": np.maximum(drawn, 0).astype(np.int32), "present": drawn >= 0}

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        address = self.address(index)
        return self._batches.gather(address["index"]) | {"present": address["present"]}

    def stream(self, start: int) -> Iterator[dict[str, np.ndarray]]:
        return _stream(self, start)


def _stream(batches: Batches | Poisson, start: int) -> Iterator[dict[str, np.ndarray]]:
    if batches.arrays is not None:
        return map(batches.__getitem__, iter(range(start, sys.maxsize)))
    import grain  # two seconds to import, and only sets too large for memory need it

    found = grain.MapDataset.range(start, sys.maxsize).map(batches.__getitem__)
    options = grain.ReadOptions(num_threads=num_threads(), prefetch_buffer_size=2 * num_threads())
    return iter(found.to_iter_dataset(options))


@functools.lru_cache(maxsize=8)
def _permutation(num_examples: int, seed: int, epoch: int) -> np.ndarray:
    # Raw Philox bits, sorted: unlike Generator.permutation they are promised to be the same in every numpy.
    bits = np.random.Philox(np.random.SeedSequence([seed, epoch])).random_raw(num_examples)
    order = np.argsort(bits, kind="stable")
    order.setflags(write=False)
    return order
