"""Averages of the generator's weights over training."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan import schedules, trees
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule
from jaxgan.typing import Array, PyTree


class Average(NamedTuple):
    """init: weights -> average. update: (average, weights, images_seen, images of the last step) -> average."""

    init: Callable[[PyTree], PyTree]
    update: Callable[[PyTree, PyTree, Array, int], PyTree]


def exponential(half_life_kimg: float | Schedule, rampup: float = 0.05) -> Average:
    """Exponential moving average that forgets half in `half_life_kimg` thousand images (Karras et al. 2018).

    Early on the half-life is at most `rampup` times the images seen, so that the random start is forgotten at once;
    rampup 0 switches that off.
    """
    def update(average: PyTree, weights: PyTree, images_seen: Array, images: int) -> PyTree:
        half_life = jnp.float32(schedules.at(half_life_kimg, images_seen) * 1000)
        if rampup:
            half_life = jnp.minimum(half_life, images_seen.astype(jnp.float32) * rampup)
        return trees.lerp(average, weights, 0.5 ** (images / jnp.maximum(half_life, 1e-8)))

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
        return trees.lerp(average, weights, jnp.exp((exponent + 1) * jnp.log1p(-share)))

    return Average(init=lambda weights: trees.copy(weights), update=update)


AVERAGES: dict[str, Callable[..., Average]] = {"exponential": exponential, "power": power}


class Profile(NamedTuple):
    """What a power-function average was taken over: its std, and the images seen when it was stored."""

    std: float
    images: float


def power_exponent(std: float) -> float:
    """The exponent g of a profile with std = sqrt(g + 1) / ((g + 2) sqrt(g + 3)) (eq. 126)."""
    if not 0 < std < 12**-0.5:
        raise InputError(f"The std of a power-function average lies between 0 and 0.288; got {std}.")
    inverse = std**-2
    return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


def reconstruction(stored: Sequence[Profile], target: Profile) -> np.ndarray:
    """Coefficients [n] whose sum over the stored averages comes closest to the target profile in the least-squares
    sense (Karras et al. 2024, algorithm 3). float64.

    Two stds stored every so often reconstruct any between them, and a little beyond; the target's images must not
    exceed the last stored.
    """
    if not stored or target.images > max(profile.images for profile in stored):
        raise InputError("A post-hoc average needs stored ones that reach as far in training as it does.")
    exponents = np.array([power_exponent(profile.std) for profile in stored])
    images = np.array([profile.images for profile in stored], np.float64)
    gram = _overlap(images[:, None], exponents[:, None], images, exponents)
    wanted = _overlap(images, exponents, target.images, power_exponent(target.std))
    scale = np.sqrt(np.diag(gram))
    solution, *_ = np.linalg.lstsq(gram / scale / scale[:, None], wanted / scale)
    return solution / scale


def combine(averages: Sequence[PyTree], coefficients: Sequence[float]) -> PyTree:
    """The sum of coefficient times average over floating leaves, on the host; other leaves are those of the last."""
    def leaf(*values):
        values = [np.asarray(value) for value in values]
        if not np.issubdtype(values[-1].dtype, np.floating):
            return values[-1]
        total = sum(c * value.astype(np.float64) for c, value in zip(coefficients, values, strict=True))
        return np.asarray(total, values[-1].dtype)
    return jax.tree.map(leaf, *averages)


def _overlap(images_a, exponent_a, images_b, exponent_b):
    """Integral of the product of two profiles (g + 1) t^g / T^(g + 1) on [0, T]."""
    first, last = np.minimum(images_a, images_b), np.maximum(images_a, images_b)
    decay = np.where(images_a < images_b, exponent_b, exponent_a)  # of the longer profile, where the shorter one ends
    return (exponent_a + 1) * (exponent_b + 1) / (exponent_a + exponent_b + 1) / last * (first / last) ** decay
