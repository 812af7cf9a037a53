"""The contract of a metric: what it is given, and what it answers."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from jaxgan.errors import InputError


class Moments(NamedTuple):
    """Size, mean [D] and unbiased covariance [D, D] of features, float64."""

    num: int
    mean: np.ndarray
    covariance: np.ndarray


class Sample(Protocol):
    """One side of a comparison: N images and what a backbone says of them, each computed when first read.

    images: uint8 [N, H, W, C], or float32 points; an array or a memory map. labels: int [N], float [N, L] or None.
    pool: float32 [N, D], the features. logits: float32 [N, K]; spatial: float32 [N, S]; both raise InputError where the
    backbone has none. moments: those of `pool`.
    """

    num: int
    images: np.ndarray
    labels: np.ndarray | None
    pool: np.ndarray
    logits: np.ndarray
    spatial: np.ndarray
    moments: Moments


class Space(NamedTuple):
    """A latent space that can be walked: codes drawn by seed, and images made of them.

    labels(seeds) -> one a seed, or None. codes(seeds, labels) -> [N, ...]; a w has its label in it.
    synthesize(codes, labels) -> float32 images [N, H, W, C] in [-1, 1], of which nothing else is random.
    spherical: whether the space is walked along great circles (a Gaussian z) or straight lines (w).
    features(images) -> [N, D]: distances between images are taken on these.
    """

    labels: Callable[[np.ndarray], np.ndarray | None]
    codes: Callable[[np.ndarray, np.ndarray | None], np.ndarray]
    synthesize: Callable[[np.ndarray, np.ndarray | None], np.ndarray]
    spherical: bool
    features: Callable[[np.ndarray], np.ndarray]


class Sides(NamedTuple):
    """What is compared: fakes with the real images they were learned from, and where there are any, with held-out real
    ones; `spaces` ("z", "w") only where the fakes come from a generator at hand."""

    real: Sample
    fake: Sample
    held_out: Sample | None = None
    spaces: Mapping[str, Space] = {}


class Metric(NamedTuple):
    """compute(sides, rng) -> values under short names; the names people see also say backbone and sample size.

    reads: the attributes of a `Sample` it looks at, of which the protocol follows. score: those values -> one number,
    lower is better, by which checkpoints are ranked. num_samples: fakes it wants, where the caller does not say.
    """

    compute: Callable[[Sides, np.random.Generator], dict[str, float]]
    score: Callable[[Mapping[str, float]], float]
    reads: tuple[str, ...]
    num_samples: int = 10_000


@dataclass(frozen=True)
class ArraySample:
    """A `Sample` that is all in memory. `outputs`: what a backbone said: "pool", "logits", "spatial"."""

    images: np.ndarray
    labels: np.ndarray | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def num(self) -> int:
        return len(next(iter(self.outputs.values()))) if self.outputs else len(self.images)

    @property
    def pool(self) -> np.ndarray:
        return self._output("pool")

    @property
    def logits(self) -> np.ndarray:
        return self._output("logits")

    @property
    def spatial(self) -> np.ndarray:
        return self._output("spatial")

    @functools.cached_property
    def moments(self) -> Moments:
        return moments(self.pool)

    def _output(self, name: str) -> np.ndarray:
        if name not in self.outputs:
            raise InputError(f"This backbone gives no {name}: choose another --backbone.")
        return self.outputs[name]


def moments(features: np.ndarray, rows: int = 8192) -> Moments:
    """Mean and covariance of features [N, D], read `rows` at a time and summed in float64 about the first block's mean,
    which keeps the digits that a large common offset would cost."""
    offset = np.asarray(features[:rows], np.float64).mean(0)
    total, square = np.zeros_like(offset), np.zeros((len(offset), len(offset)))
    for start in range(0, len(features), rows):
        block = np.subtract(features[start:start + rows], offset, dtype=np.float64)
        total += block.sum(0)
        square += block.T @ block
    num = len(features)
    shift = total / num
    covariance = (square - num * np.outer(shift, shift)) / max(num - 1, 1)
    return Moments(num, offset + shift, covariance)
