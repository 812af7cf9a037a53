"""Averages of the generator's weights over training."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from jaxgan import trees
from jaxgan.typing import Array, PyTree


class Average(NamedTuple):
    """init: weights -> average. update: (average, weights, images_seen, images of the last step) -> average."""

    init: Callable[[PyTree], PyTree]
    update: Callable[[PyTree, PyTree, Array, int], PyTree]


def exponential(half_life_kimg: float, rampup: float = 0.05) -> Average:
    """Exponential moving average that forgets half in `half_life_kimg` thousand images (Karras et al. 2018).

    Early on the half-life is at most `rampup` times the images seen, so that the random start is forgotten at once;
    rampup 0 switches that off.
    """
    def update(average: PyTree, weights: PyTree, images_seen: Array, images: int) -> PyTree:
        half_life = jnp.float32(half_life_kimg * 1000)
        if rampup:
            half_life = jnp.minimum(half_life, images_seen.astype(jnp.float32) * rampup)
        return trees.lerp(average, weights, 0.5 ** (images / jnp.maximum(half_life, 1e-8)))

    # A copy, since an average that aliases the weights would donate one buffer twice.
    return Average(init=lambda weights: trees.copy(weights), update=update)
