"""Affine warps without aliasing, as ADA makes them: up by two, bilinear look-up, down by two (sym6 wavelet filters).

Filters are banded matrices and the look-up four gathers, over static shapes. With shifted adds for the filters the
gradient takes about ten times as long on a CPU. The reflection around the image is as wide as it may ever have to be,
and what lies beyond the margin that a warp asks for is left out of the matrices.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.typing import Array

# The low-pass filter of the sym6 wavelet (Daubechies 1992), scaled to sum 1.
SYM6 = np.array([
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148], np.float64) / np.sqrt(2)


class Affine(NamedTuple):
    """x -> linear x + offset, one for each image: where in the input an output position looks.

    Positions are (x, y) in pixels from the image's centre. linear: [B, 2, 2]. offset: [B, 2].
    """

    linear: Array
    offset: Array

    def scale(self, x: Array, y: Array) -> "Affine":
        """This map after positions are scaled by x and y, [B] each."""
        return Affine(self.linear * jnp.stack([x, y], -1)[:, None, :], self.offset)

    def rotate(self, cos: Array, sin: Array) -> "Affine":
        """This map after positions are turned by the angle with this cosine and sine, [B] each."""
        x, y = self.linear[..., 0], self.linear[..., 1]
        cos, sin = cos[:, None], sin[:, None]
        return Affine(jnp.stack([x * cos + y * sin, y * cos - x * sin], -1), self.offset)

    def translate(self, x: Array, y: Array) -> "Affine":
        """This map after positions are moved by x and y pixels, [B] each."""
        return Affine(self.linear, self(x[:, None], y[:, None])[:, 0])

    def __call__(self, x: Array, y: Array) -> Array:
        """Images [B, ..., 2] of positions that broadcast to [B, ...]."""
        def at(parameter):
            return jnp.expand_dims(parameter, range(1, max(x.ndim, y.ndim)))
        rows = [at(self.linear[:, i, 0]) * x + at(self.linear[:, i, 1]) * y + at(self.offset[:, i]) for i in (0, 1)]
        return jnp.stack(rows, -1)


def identity(batch: int) -> Affine:
    """Every position to itself."""
    return Affine(jnp.tile(jnp.eye(2), (batch, 1, 1)), jnp.zeros((batch, 2)))


def warp(image: Array, affine: Affine) -> Array:
    """Images [B, H, W, C] seen through `affine`; outside the image its reflection, beyond that 0.

    The arithmetic of StyleGAN2-ADA's augmentation, but for the margin of reflection: its own for each image rather than
    the largest in the batch, so that what happens to an image does not depend on its neighbours.
    """
    height, width = image.shape[1:3]
    margin_x, margin_y = _margins(affine, width, height)
    fine = _resample(image, _up_matrices(height, margin_y), _up_matrices(width, margin_x))
    # Half a pixel apart, from 2.5 pixels before the first to 2.5 after the last: all that the last filter reads.
    x, y = (jnp.arange(2 * size + 10) / 2 - 2.5 - (size - 1) / 2 for size in (width, height))
    source = affine(x[None, :, None], y[None, None, :])
    sampled = _look_up(fine, source + jnp.array([width - 1, height - 1]) / 2, margin_x, margin_y)
    return _resample(sampled, jnp.asarray(_down_matrix(width))[None], jnp.asarray(_down_matrix(height))[None])


def _margins(affine: Affine, width: int, height: int) -> tuple[Array, Array]:
    """Pixels of reflection each image needs: ([B, 2] left and right, [B, 2] above and below)."""
    reach = jnp.array([width - 1, height - 1]) / 2
    corners = affine(reach[0] * jnp.array([[-1, 1, 1, -1]]), reach[1] * jnp.array([[-1, -1, 1, 1]]))
    needed = jnp.stack([-corners.min(1), corners.max(1)], -1) + len(SYM6) // 2 - reach[:, None]
    margins = jnp.ceil(jnp.clip(needed, 0, 2 * reach[:, None]))
    return margins[:, 0], margins[:, 1]


def _resample(image: Array, first: Array, second: Array) -> Array:
    """[B, M, N, C] -> [B, n, m, C] by matrices [B or 1, m, M] and [B or 1, n, N].

    That the axes trade places saves transposing what is between two resamplings, which is large.
    """
    exact = {"precision": jax.lax.Precision.HIGHEST}
    first, second = (jnp.broadcast_to(m, (image.shape[0], *m.shape[1:])).astype(image.dtype) for m in (first, second))
    image = jnp.einsum("bmi,binc->bmnc", first, image, **exact)
    return jnp.einsum("bnj,bmjc->bnmc", second, image, **exact)


def _up_matrices(size: int, margin: Array) -> Array:
    """Twice the samples along an axis that is continued by reflection as far as `margin` [B, 2], then by zeros.

    [B, 2 (3 size - 2), size]: outputs cover the widest margins, size - 1 on either side.
    """
    pixel = jnp.arange(size)
    left, right = pixel <= margin[:, :1], size - 1 - pixel <= margin[:, 1:]
    copies = jnp.asarray(_up_copies(size))
    # Not a sum over the copies: XLA on CPU would fuse it into the matrix product and halve its speed.
    return jnp.where(left[:, None], copies[0], 0) + copies[1] + jnp.where(right[:, None], copies[2], 0)


@functools.lru_cache(maxsize=8)
def _up_copies(size: int) -> np.ndarray:
    """[3, 2 (3 size - 2), size]: what each pixel's mirror copy on the left, itself and its copy on the right add."""
    length = 3 * size - 2
    matrix = np.zeros((2 * length + 10, length))  # zeros between samples, convolved with the filter
    for position in range(length):
        matrix[2 * position:2 * position + 12, position] = 2 * SYM6
    matrix = matrix[5:2 * length + 5]
    copies = np.zeros((3, 2 * length, size), np.float32)
    copies[0, :, 1:] = matrix[:, :size - 1][:, ::-1]
    copies[1] = matrix[:, size - 1:2 * size - 1]
    copies[2, :, :size - 1] = matrix[:, 2 * size - 1:][:, ::-1]
    return copies


@functools.lru_cache(maxsize=8)
def _down_matrix(size: int) -> np.ndarray:
    """[size, 2 size + 10]: correlation with the filter, every second sample kept."""
    matrix = np.zeros((size, 2 * size + 10), np.float32)
    for position in range(size):
        matrix[position, 2 * position:2 * position + 12] = SYM6
    return matrix


def _look_up(fine: Array, position: Array, margin_x: Array, margin_y: Array) -> Array:
    """Bilinear values [B, M, N, C] of `fine` [B, columns, rows, C] at pixels [B, M, N, 2 (x, y)]; 0 outside."""
    batch, columns, rows, channels = fine.shape
    flat = fine.reshape(batch, columns * rows, channels)
    total = 0.0
    for column, weight_x in _taps(position[..., 0], margin_x, columns):
        for row, weight_y in _taps(position[..., 1], margin_y, rows):
            index = (column * rows + row).reshape(batch, -1)
            value = jax.vmap(lambda pixels, at: pixels.at[at].get(mode="promise_in_bounds"))(flat, index)
            total += value.reshape(*position.shape[:3], channels) * (weight_x * weight_y)[..., None]
    return total


def _taps(position: Array, margin: Array, length: int) -> list[tuple[Array, Array]]:
    """The two fine samples beside each pixel position along one axis: (index, weight)."""
    size = (length // 2 + 2) // 3
    fine = 2 * position
    low = jnp.floor(fine)
    first, last = (jnp.expand_dims(margin[:, i], range(1, position.ndim)) for i in (0, 1))
    taps = []
    for tap, weight in ((low, 1 - (fine - low)), (low + 1, fine - low)):
        valid = (tap >= -2 * first) & (tap <= 2 * (size + last) - 1)
        index = jnp.clip(tap + 2 * (size - 1), 0, length - 1).astype(jnp.int32)
        taps.append((index, jnp.where(valid, weight, 0)))
    return taps
