"""Averages of the generator's weights over training."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxgan import schedules, trees
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule
from jaxgan.typing import Array, PyTree

AVERAGED = ("batch_stats",)  # variables that are averaged with the params, whose activations they describe


class Average(NamedTuple):
    """init: weights -> average. update: (average, weights, images_seen, images of the last step) -> average.

    std: that of the power-function profile, None for any other.
    """

    init: Callable[[PyTree], PyTree]
    update: Callable[[PyTree, PyTree, Array, int], PyTree]
    std: float | None = None


def exponential(half_life_kimg: float | Schedule, rampup: float = 0.05) -> Average:
    """Exponential moving average that forgets half in `half_life_kimg` thousand images (Karras et al. 2018).

    Early on the half-life is at most `rampup` times the images seen, so that the random start is forgotten at once;
    rampup 0 switches that off.
    """
    def update(average: PyTree, weights: PyTree, images_seen: Array, images: int) -> PyTree:
        half_life = jnp.float32(schedules.at(half_life_kimg, images_seen) * 1000)
        if rampup:
            half_life = jnp.minimum(half_life, images_seen.astype(jnp.float32) * rampup)
        return blend(average, weights, 0.5 ** (images / jnp.maximum(half_life, 1e-8)))

    # A copy, since an average that aliases the weights would donate one buffer twice.
    return Average(init=lambda weights: trees.copy(weights), update=update)


def power(std: float) -> Average:
    """Average with a power-function profile (Karras et al. 2024, "Analyzing and improving the training dynamics of
    diffusion models", eq. 127): weights of image t' count as t'^exponent, at every length of training.

    std: the profile's width as a share of the training so far, 0.05 or 0.1 in the paper; below 0.288.
    """
    exponent = power_exponent(std)

    def update(average: PyTree, weights: PyTree, images_seen: Array, images: int) -> PyTree:
        share = jnp.minimum(images / images_seen.astype(jnp.float32), 1.0)
        return blend(average, weights, jnp.exp((exponent + 1) * jnp.log1p(-share)))

    return Average(init=lambda weights: trees.copy(weights), update=update, std=std)


def blend(average: PyTree, weights: PyTree, keep: Array) -> PyTree:
    """`keep` of the average and the rest of the weights, both {"params", "variables"}.

    Variables outside AVERAGED are those of the weights: the mean of spectral normalization's vectors is no singular
    vector, and normalises by nothing in particular; a running mean needs no second one.
    """
    variables = {name: trees.lerp(average["variables"][name], new, keep) if name in AVERAGED else new
                 for name, new in weights["variables"].items()}
    return {"params": trees.lerp(average["params"], weights["params"], keep), "variables": variables}


def power_exponent(std: float) -> float:
    """The exponent g of a profile with std = sqrt(g + 1) / ((g + 2) sqrt(g + 3)) (eq. 126)."""
    if not 0 < std < 12**-0.5:
        raise InputError(f"The std of a power-function average lies between 0 and 0.288; got {std}.")
    inverse = std**-2
    return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


AVERAGES: dict[str, Callable[..., Average]] = {"exponential": exponential, "power": power}
