"""What is lost in a JPEG file."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from jaxgan.degradation.base import Degradation, between, check_range
from jaxgan.errors import InputError
from jaxgan.typing import Array

SIDE = 8
# Tables K.1 and K.2 of ITU-T T.81, row by row.
LUMINANCE = np.array([
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99], np.float32).reshape(SIDE, SIDE)
CHROMINANCE = np.full((SIDE, SIDE), 99, np.float32)
CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)
COSINES = np.cos(np.pi / SIDE * np.outer(np.arange(SIDE), np.arange(SIDE) + 0.5)) * np.sqrt(2 / SIDE)
COSINES[0] /= np.sqrt(2)
DCT = COSINES.astype(np.float32)


def jpeg(quality: Sequence[float] = (60, 95)) -> Degradation:
    """Written as JPEG and read again, with a quality drawn between these two, of 1 to 100 as libjpeg counts them.

    Grey or RGB, colours at full resolution. All that loses anything is computed; the entropy coding, which does not,
    is left out.
    """
    limits = check_range(quality, 1, 100, "jpeg.quality")

    def apply(key: Array, image: Array) -> Array:
        channels = image.shape[2]
        if channels not in (1, 3):
            raise InputError(f"config.degradation: jpeg knows images of 1 or 3 channels, not {channels}: set "
                             "config.data.channels.")
        scale = _scale(jnp.round(between(key, limits)))
        tables = jnp.stack([jnp.clip(jnp.floor((table * scale + 50) / 100), 1, 255)
                            for table in (LUMINANCE, CHROMINANCE, CHROMINANCE)[:channels]])
        planes = jnp.round(127.5 * image + 127.5)
        planes = planes @ TO_YCC.T if channels == 3 else planes - 128
        planes = planes - jnp.array([128.0, 0, 0]) if channels == 3 else planes
        planes = _quantised(jnp.round(planes), tables) + (jnp.array([128.0, 0, 0]) if channels == 3 else 128)
        planes = planes @ np.linalg.inv(TO_YCC).T if channels == 3 else planes
        return jnp.clip(planes, 0, 255) / 127.5 - 1

    return apply


def _scale(quality: Array) -> Array:
    """Percent by which the tables are multiplied."""
    return jnp.floor(jnp.where(quality < 50, 5000 / quality, 200 - 2 * quality))


def _quantised(planes: Array, tables: Array) -> Array:
    """[H, W, C] with the cosine coefficients of every 8×8 block rounded to multiples of its channel's table [C, 8, 8].
    What a block lacks at the right and bottom is filled up by the last pixels."""
    height, width, channels = planes.shape
    padded = jnp.pad(planes, ((0, -height % SIDE), (0, -width % SIDE), (0, 0)), mode="edge")
    rows, columns = padded.shape[0] // SIDE, padded.shape[1] // SIDE
    blocks = padded.reshape(rows, SIDE, columns, SIDE, channels)
    found = jnp.einsum("ui,risjc,vj->rscuv", DCT, blocks, DCT)
    found = jnp.round(found / tables) * tables
    blocks = jnp.einsum("ui,rscuv,vj->risjc", DCT, found, DCT)
    return blocks.reshape(padded.shape)[:height, :width]
