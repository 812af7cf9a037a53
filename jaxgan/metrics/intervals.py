"""How far a score would move with other fakes: from repeated draws, or by leaving groups of a fixed set out."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxgan.metrics.base import Moments, Sample, moments

LEVEL = 0.95  # of every interval
Compute = Callable[[Any], Mapping[str, float]]


class Estimate(NamedTuple):
    """A value, and half the width of its 95 % interval; None where nothing was repeated."""

    value: float
    margin: float | None


def of_draws(values: Sequence[Mapping[str, float]]) -> dict[str, Estimate]:
    """Mean of independent draws with Student's interval for it."""
    return {name: Estimate(float(np.mean(column)), _margin(float(np.std(column, ddof=1)) / len(column) ** 0.5,
                                                           len(column)) if len(column) > 1 else None)
            for name in values[0] for column in [np.array([each[name] for each in values])]}


def of_groups(whole: Mapping[str, float], left_out: Sequence[Mapping[str, float]]) -> dict[str, Estimate]:
    """The delete-a-group jackknife: `left_out[g]` are the values without group g (Kott 2001; Efron & Tibshirani 1993).

    The interval is for the variation of the fakes alone; the real images are taken as they are.
    """
    count = len(left_out)
    if count < 2:
        return {name: Estimate(value, None) for name, value in whole.items()}
    errors = {name: np.sqrt((count - 1) * np.var([each[name] for each in left_out])) for name in whole}
    return {name: Estimate(value, _margin(float(errors[name]), count)) for name, value in whole.items()}


def _margin(error: float, count: int) -> float:
    from scipy.special import stdtrit  # not above: slow to import, and wanted at the very end
    return float(stdtrit(count - 1, 0.5 + LEVEL / 2)) * error


def groups(num: int, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """`count` random groups of equal size, to one; fewer where they would hold less than two examples."""
    count = min(count, num // 2)
    member = rng.permutation(num) % max(count, 1)
    return [np.flatnonzero(member == group) for group in range(count)] if count > 1 else []


class Without:
    """A `Sample` less some of its rows. Its moments follow from those of the whole and of the rows left out."""

    def __init__(self, sample: Sample, rows: np.ndarray):
        self._sample, self._left_out = sample, rows
        self._rows = np.setdiff1d(np.arange(sample.num), rows)

    @property
    def num(self) -> int:
        return len(self._rows)

    @functools.cached_property
    def images(self) -> np.ndarray:
        return self._sample.images[self._rows]

    @property
    def labels(self) -> np.ndarray | None:
        return None if self._sample.labels is None else self._sample.labels[self._rows]

    @functools.cached_property
    def pool(self) -> np.ndarray:
        return self._sample.pool[self._rows]

    @functools.cached_property
    def logits(self) -> np.ndarray:
        return self._sample.logits[self._rows]

    @functools.cached_property
    def spatial(self) -> np.ndarray:
        return self._sample.spatial[self._rows]

    @functools.cached_property
    def moments(self) -> Moments:
        return rest(self._sample.moments, moments(self._sample.pool[self._left_out]))


def rest(whole: Moments, part: Moments) -> Moments:
    """Moments of what is left when the examples behind `part` are taken out of those behind `whole`."""
    num = whole.num - part.num
    mean = (whole.num * whole.mean - part.num * part.mean) / num
    between = np.outer(part.mean - mean, part.mean - mean) * (num * part.num / whole.num)
    scatter = (whole.num - 1) * whole.covariance - (part.num - 1) * part.covariance - between
    return Moments(num, mean, scatter / max(num - 1, 1))
