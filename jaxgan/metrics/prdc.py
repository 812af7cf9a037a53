"""Improved precision and recall, density and coverage. In float64, a tile of distances at a time."""

from collections.abc import Iterator

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Sides
from jaxgan.metrics.checks import check_pair

# Two images whose features differ by less than a millionth of their length are one: nearer, d² is rounding.
SAME = 1e-12
# What differs from a radius by less has its length: it must not be chance on which side a copy of a neighbour falls.
TIE = 1e-9


def prdc(k: int = 5, closed: bool = False, num_samples: int = 10_000) -> Metric:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020) of `pool`.

    A set's manifold is the union of balls about its images, each as wide as the distance to the k-th nearest other
    image. precision: share of FAKES inside the real manifold; recall: share of real images inside the fakes';
    density: real balls a fake lies in, divided by k; coverage: share of real balls with a fake in them. Balls are open,
    as in the prdc package; `closed` gives them their edge, as in torch-fidelity. Ranked by coverage, which sees both
    bad and missing images.
    """
    if k < 1:
        raise InputError(f"prdc: k must be at least 1; got {k}.")

    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        check_pair(sides.real.pool, sides.fake.pool, least=k + 1)
        return precision_recall_density_coverage(sides.real.pool, sides.fake.pool, k, closed)
    return Metric(compute, lambda values: -values["coverage"], ("pool",), num_samples)


def precision_recall_density_coverage(real: np.ndarray, fake: np.ndarray, k: int, closed: bool = False,
                                      rows: int = 2048) -> dict[str, float]:
    """The four values. Both sides are held once in float64, and a few tiles of `rows` × `rows`."""
    origin = np.asarray(real[0], np.float64)  # of the data: a far-off origin costs digits, any other changes nothing
    real, fake = (np.subtract(side, origin, dtype=np.float64) for side in (real, fake))
    real_reach, fake_reach = (_reach(squared_radii(side, k, rows), closed) for side in (real, fake))
    num_balls = np.zeros(len(fake))
    covered, recalled = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for at, ours in _blocks(fake, rows):
        for to, theirs in _blocks(real, rows):
            square = squared_distances(ours, theirs)
            inside = square < real_reach[to]
            num_balls[at] += inside.sum(1)
            covered[to] |= inside.any(0)
            recalled[to] |= (square < fake_reach[at, None]).any(0)
    return {"precision": float(np.mean(num_balls > 0)), "recall": float(recalled.mean()),
            "density": float(num_balls.sum() / (k * len(fake))), "coverage": float(covered.mean())}


def squared_radii(features: np.ndarray, k: int, rows: int = 2048) -> np.ndarray:
    """Squared distance of each of the features [N, D] to the k-th nearest other one, [N]."""
    nearest = np.full((len(features), k + 1), np.inf)  # itself among them
    for at, ours in _blocks(features, rows):
        for to, theirs in _blocks(features, rows):
            if to.start < at.start:
                continue
            square = squared_distances(ours, theirs)
            nearest[at] = _smallest(nearest[at], square, k)
            if to.start > at.start:
                nearest[to] = _smallest(nearest[to], square.T, k)
    return nearest.max(1)


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """‖x − y‖² of float64 [N, D] and [M, D], [N, M]; exactly 0 where they are the same up to rounding."""
    lengths = np.sum(x**2, 1)[:, None] + np.sum(y**2, 1)
    square = x @ y.T
    square *= -2
    square += lengths
    lengths *= SAME
    square[square <= lengths] = 0
    return square


def _reach(squared_radius: np.ndarray, closed: bool) -> np.ndarray:
    """A squared distance below this is inside."""
    return squared_radius * (1 + TIE) + np.finfo(np.float64).tiny if closed else squared_radius * (1 - TIE)


def _smallest(kept: np.ndarray, square: np.ndarray, k: int) -> np.ndarray:
    return np.partition(np.concatenate([kept, square], 1), k, axis=1)[:, :k + 1]


def _blocks(features: np.ndarray, rows: int) -> Iterator[tuple[slice, np.ndarray]]:
    for start in range(0, len(features), rows):
        at = slice(start, start + rows)
        yield at, features[at]
