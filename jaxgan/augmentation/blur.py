"""A blur that fades out (StyleGAN3, Karras et al. 2021): at first the discriminator sees no detail."""

import math

import jax.numpy as jnp
import numpy as np

from jaxgan import schedules
from jaxgan.augmentation import probability
from jaxgan.augmentation.base import Augmentation
from jaxgan.errors import InputError
from jaxgan.layers.alias_free import resample
from jaxgan.typing import Array, PyTree


def blur(sigma: float = 10.0, kimg: float = 200.0) -> Augmentation:
    """Weights 2^-(distance / s)^2 out to 3 s pixels, black outside; s goes from `sigma` down to 0 in a straight line
    over `kimg` thousand images. Below a third of a pixel nothing is blurred.

    -R learns fine detail late; a discriminator that saw its lack from the start would look at nothing else, and
    training collapse.
    """
    if sigma <= 0:
        raise InputError(f"blur: sigma must be above 0; got {sigma}.")
    width = probability.scheduled(schedules.linear(sigma, 0.0, kimg))
    distances = np.arange(-math.floor(3 * sigma), math.floor(3 * sigma) + 1)

    def apply(state: PyTree, image: Array, key: Array) -> Array:
        now = width.value(state)
        weights = jnp.exp2(-(distances / jnp.maximum(now, 0.1)) ** 2)  # below a tenth only the middle is left anyway
        weights = jnp.where(jnp.abs(distances) <= jnp.floor(3 * now), weights, 0)
        for axis in (1, 2):
            image = resample(image, weights / weights.sum(), axis, image.shape[axis], offset=len(distances) // 2)
        return image

    return Augmentation(init=width.init, apply=apply, control=width.control)
