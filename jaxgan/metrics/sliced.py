"""Sliced Wasserstein distance: MIND."""

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Sides
from jaxgan.metrics.checks import check_pair


def mind(num_directions: int = 1000, num_samples: int = 10_000) -> Metric:
    """Monge Inception distance (Berthet et al. 2026, arXiv 2605.06797): 3D times the sliced squared 2-Wasserstein
    distance of `pool` over random directions. The larger side is cut to the size of the other by a random draw."""
    if num_directions < 1:
        raise InputError(f"mind: num_directions must be at least 1; got {num_directions}.")

    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        real, fake = sides.real.pool, sides.fake.pool
        check_pair(real, fake)
        num, dim = min(len(real), len(fake)), real.shape[1]
        real, fake = (side if len(side) == num else side[np.sort(rng.choice(len(side), num, replace=False))]
                      for side in (real, fake))
        directions = rng.standard_normal((num_directions, dim))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        return {"mind": 3 * dim * sliced_wasserstein2(real, fake, directions)}
    return Metric(compute, lambda values: values["mind"], ("pool",), num_samples)


def sliced_wasserstein2(real: np.ndarray, fake: np.ndarray, directions: np.ndarray, at_once: int = 128) -> float:
    """Mean over unit directions [K, D] of the squared 2-Wasserstein distance of the two sets' projections, each set
    [N, D]; `at_once` directions at a time."""
    total = 0.0
    for start in range(0, len(directions), at_once):
        some = np.asarray(directions[start:start + at_once], np.float64)
        total += float(np.sum((_sorted_projections(real, some) - _sorted_projections(fake, some)) ** 2))
    return total / (len(directions) * len(real))


def _sorted_projections(features: np.ndarray, directions: np.ndarray, rows: int = 4096) -> np.ndarray:
    pieces = [directions @ np.asarray(features[start:start + rows], np.float64).T
              for start in range(0, len(features), rows)]
    return np.sort(np.concatenate(pieces, 1), axis=1)
