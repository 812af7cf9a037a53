"""Discriminator rejection sampling (Azadi et al. 2019): of many seeds, those whose images pass for real."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.latents.sampling import seed_key
from jaxgan.typing import Array

EPSILON = 1e-6  # keeps the likeliest image's F finite
BLOCK = 64  # seeds judged at a time
MOST_TRIES = 1000  # seeds for each image wanted

LogRatio = Callable[[np.ndarray, np.ndarray | None], np.ndarray]  # (seeds [N], labels) -> log p(real)/p(fake), [N]


class Rule(NamedTuple):
    """A seed is kept with probability σ(F − gamma), F = d − maximum − log(1 − e^(d − maximum − ε)) (the paper's eq. 8).

    d: its image's calibrated logit. With gamma 0 that is e^(d − maximum), and what is kept is distributed as real
    images are, if the logit is right. maximum: the largest d of the images the rule was made on; one that comes later
    with a larger one is as good as kept, and the maximum stays, so that whether a seed is kept depends on it alone.
    """

    maximum: float
    gamma: float

    def probability(self, ratios: np.ndarray) -> np.ndarray:
        """Of keeping images with these d."""
        exponent = np.clip(self.gamma - _f(ratios, self.maximum), None, 700)
        return 1 / (1 + np.exp(exponent))


def make_rule(ratios: np.ndarray, percentile: float | None) -> Rule:
    """The rule for images with d like `ratios`. percentile: of F, that is gamma, as in the paper; None for gamma 0."""
    maximum = float(np.max(ratios))
    return Rule(maximum, 0.0 if percentile is None else float(np.percentile(_f(ratios, maximum), percentile)))


class Kept(NamedTuple):
    """seeds: [N] in the order of the places they take. labels: [N, ...] or None. rate: of keeping, among the `tried`
    seeds."""

    seeds: list[int]
    labels: np.ndarray | None
    tried: int
    rate: float


def search(rule: Rule, log_ratio: LogRatio, first: int, count: int,
           labels_of: Callable[[np.ndarray], np.ndarray] | None, wanted: np.ndarray | None = None) -> Kept:
    """The first `count` seeds from `first` on that the rule keeps.

    labels_of: a label for each seed; None for an unlabelled generator. wanted: the class of each place, int [count]: a
    seed that is kept takes the first place of its class that is left, or none, so that the discriminator's liking for
    one class does not change how often there is each. Raises InputError where too few are kept.
    """
    places: dict[int, int] = {}  # place -> seed
    drawn: dict[int, np.ndarray] = {}
    open_places = list(range(count))
    tried = kept = 0
    while open_places:
        if tried >= MOST_TRIES * count or first + tried + BLOCK > 2**32:
            raise InputError(f"Of {tried:,} seeds from {first} on, {len(places)} of {count} places were filled: ask "
                             "for fewer images, or reject less.")
        seeds = np.arange(first + tried, first + tried + BLOCK, dtype=np.uint32)
        labels = labels_of(seeds) if labels_of else None
        keep = uniforms(seeds) < rule.probability(log_ratio(seeds, labels))
        tried, kept = tried + BLOCK, kept + int(keep.sum())
        for row in np.flatnonzero(keep):
            place = next((place for place in open_places if wanted is None or wanted[place] == labels[row]), None)
            if place is None:
                continue
            open_places.remove(place)
            places[place] = int(seeds[row])
            drawn[place] = None if labels is None else labels[row]
    order = sorted(places)
    labels = None if drawn[0] is None else np.stack([drawn[place] for place in order])
    return Kept([places[place] for place in order], labels, tried, kept / tried)


def uniforms(seeds: np.ndarray) -> np.ndarray:
    """For each seed one number in [0, 1), which decides whether it is kept; float32 [N]."""
    return np.asarray(_uniforms(np.asarray(seeds, np.uint32)))


@jax.jit
def _uniforms(seeds: Array) -> Array:
    return jax.vmap(lambda seed: jax.random.uniform(keys.stream(seed_key(seed), "rejection")))(seeds)


def _f(ratios: np.ndarray, maximum: float) -> np.ndarray:
    gap = np.minimum(np.asarray(ratios, np.float64) - maximum, 0)
    return gap - np.log1p(-np.exp(gap - EPSILON))
