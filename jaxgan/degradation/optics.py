"""What lens and sensor do: blur, fewer pixels, noise."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxgan.degradation.base import Degradation, between, check_range
from jaxgan.errors import InputError
from jaxgan.typing import Array

FILTERS = {"bicubic": "cubic", "bilinear": "linear", "lanczos": "lanczos3", "area": ""}
STRONGEST_BLUR = 50.0  # pixels
STRONGEST_NOISE = 255.0  # levels


def blur(sigma: Sequence[float] = (0.2, 1.5)) -> Degradation:
    """A Gaussian of a standard deviation drawn between these two, in pixels. What lies outside is not counted in."""
    limits = check_range(sigma, 0, STRONGEST_BLUR, "blur.sigma")

    def apply(key: Array, image: Array) -> Array:
        width = jnp.maximum(between(key, limits), 1e-3)

        def weights(size: int) -> Array:
            places = jnp.arange(size, dtype=jnp.float32)
            matrix = jnp.exp(-0.5 * ((places[:, None] - places) / width) ** 2)
            return matrix / matrix.sum(axis=1, keepdims=True)
        return jnp.einsum("ih,hwc,jw->ijc", weights(image.shape[0]), image, weights(image.shape[1]))

    return apply


def downsample(factor: int = 2, filter: str = "bicubic") -> Degradation:
    """1 / factor of the pixels along each side. filter: bicubic, bilinear and lanczos are antialiased, as Pillow has
    them; area is the mean of each patch."""
    if factor < 2:
        raise InputError(f"config.degradation: downsample.factor must be 2 or more; got {factor}.")
    if filter not in FILTERS:
        raise InputError(f"config.degradation: downsample.filter must be one of {', '.join(FILTERS)}; got {filter!r}.")

    def apply(key: Array, image: Array) -> Array:
        height, width, channels = image.shape
        if height % factor or width % factor:
            raise InputError(f"config.degradation: images of {height}×{width} cannot be made {factor} times smaller: "
                             f"set config.data.resolution to a multiple of {factor}.")
        if filter == "area":
            return image.reshape(height // factor, factor, width // factor, factor, channels).mean(axis=(1, 3))
        return jax.image.resize(image, (height // factor, width // factor, channels), FILTERS[filter], antialias=True)

    return apply


def noise(levels: Sequence[float] = (0.0, 10.0)) -> Degradation:
    """Gaussian noise, in each channel by itself, of a standard deviation drawn between these two, in levels of 255."""
    limits = check_range(levels, 0, STRONGEST_NOISE, "noise.levels")

    def apply(key: Array, image: Array) -> Array:
        strength, values = jax.random.split(key)
        return image + between(strength, limits) / 127.5 * jax.random.normal(values, image.shape)

    return apply
