"""What a draughtsman leaves of an image: its greys, or its lines."""

import jax.numpy as jnp

from jaxgan.degradation.base import Degradation
from jaxgan.errors import InputError
from jaxgan.images import LUMA
from jaxgan.typing import Array


def grey() -> Degradation:
    """The luma of ITU-R BT.601, one channel: what colours are guessed from."""

    def apply(key: Array, image: Array) -> Array:
        if image.shape[-1] != 3:
            raise InputError(f"config.degradation: grey is for images of 3 channels, not {image.shape[-1]}.")
        return brightness(image)

    return apply


def edges(threshold: float = 0.3) -> Degradation:
    """Black lines on white, one channel: where the slope of the brightness (Sobel) is above this share of the image's
    steepest."""
    if not 0 < threshold < 1:
        raise InputError(f"config.degradation: edges.threshold must be above 0 and below 1; got {threshold}.")

    def apply(key: Array, image: Array) -> Array:
        padded = jnp.pad(brightness(image)[:, :, 0], 1, mode="edge")
        across = 2 * padded[1:-1] + padded[2:] + padded[:-2]
        down = 2 * padded[:, 1:-1] + padded[:, 2:] + padded[:, :-2]
        slope = jnp.hypot(across[:, 2:] - across[:, :-2], down[2:] - down[:-2])
        return jnp.where(slope > threshold * slope.max(), -1.0, 1.0)[:, :, None]

    return apply


def brightness(image: Array) -> Array:
    """[h, w, 1] of an image of any number of channels, of which a fourth, transparency, is left out."""
    return image[:, :, :3] @ jnp.array(LUMA)[:, None] if image.shape[-1] >= 3 else image[:, :, :1]
