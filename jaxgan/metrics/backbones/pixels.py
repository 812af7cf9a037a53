"""The pixels themselves as features."""

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.backbones.base import Backbone
from jaxgan.metrics.pixels import shrink


def pixels(size: int = 8) -> Backbone:
    """Images box-averaged to at most `size` pixels a side, in [0, 1]: brightness and layout, no texture."""
    if size < 1:
        raise InputError(f"The backbone pixels needs a size of at least 1; got {size}.")

    def prepare(images_u8: np.ndarray) -> np.ndarray:
        height, width, channels = images_u8.shape[1:]
        return shrink(images_u8, size).astype(np.float32).reshape(-1, min(height, size), min(width, size), channels)

    return Backbone("pixels", f"box{size}", "", {}, prepare, lambda _, image: {"pool": image.reshape(len(image), -1)})
