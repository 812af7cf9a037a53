"""Halving and doubling feature maps [B, H, W, C], in the forms XLA differentiates to slices and sums; on a TPU, which
moves pixels aside only slowly, as convolutions of single channels.

By the TPU's compiler, a block that doubles its map to 128 pixels takes half the time so, forth and back; one with a FIR
filter at 256 three fifths, one that pools from 128 nine tenths.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import lax

from jaxgan.layers.convolution import conv, conv_transpose
from jaxgan.typing import Array


def average_pool(x: Array) -> Array:
    """Mean of every 2x2 patch: [B, H, W, C] -> [B, H // 2, W // 2, C]; an odd last row or column is left out."""
    def pool(x):
        corners = _corners(x)
        return (corners[0] + corners[1] + corners[2] + corners[3]) / 4
    return lax.platform_dependent(x, default=pool, tpu=lambda x: conv(
        x, _taps(x, [[0.25, 0.25]] * 2), stride=2, padding=0, groups=x.shape[3]))


def max_pool(x: Array) -> Array:
    """Largest of every 2x2 patch, shaped as `average_pool`. Where two tie, each gets half the gradient."""
    corners = _corners(x)
    return jnp.maximum(jnp.maximum(corners[0], corners[1]), jnp.maximum(corners[2], corners[3]))


def nearest_upsample(x: Array) -> Array:
    """Every pixel repeated in 2x2: [B, H, W, C] -> [B, 2 H, 2 W, C]."""
    def repeat(x):
        for axis in (2, 1):  # stacked, not broadcast: the derivative is then a sum of slices, which XLA fuses
            shape = [2 * side if number == axis else side for number, side in enumerate(x.shape)]
            x = jnp.stack([x, x], axis=axis + 1).reshape(shape)
        return x
    return lax.platform_dependent(x, default=repeat, tpu=lambda x: conv_transpose(
        x, _taps(x, [[1, 1]] * 2), groups=x.shape[3]))


def fir_blur(x: Array, padding: tuple[int, int]) -> Array:
    """[1, 3, 3, 1] / 8 along both sides at stride 1: n pixels become n + sum(padding) - 3, zeros outside."""
    def blur(x, axis):
        count = x.shape[axis] + sum(padding) - 3
        wide = _padded(x, axis, *padding)
        taps = [lax.slice_in_dim(wide, start, start + count, axis=axis) for start in range(4)]
        return 0.125 * (taps[0] + taps[3]) + 0.375 * (taps[1] + taps[2])
    return _along_sides(x, blur, conv, 8, padding=padding)


def fir_upsample(x: Array) -> Array:
    """[B, H, W, C] -> [B, 2 H, 2 W, C]: zeros between the pixels, then [1, 3, 3, 1] / 4 along each side."""
    def double(x, axis):
        before, after = (0.75 * x + 0.25 * _padded(x, axis, by, -by) for by in (1, -1))
        shape = [2 * side if number == axis else side for number, side in enumerate(x.shape)]
        return jnp.stack([before, after], axis=axis + 1).reshape(shape)
    return _along_sides(x, double, conv_transpose, 4, stride=2, padding=(1, 1))


def fir_downsample(x: Array) -> Array:
    """[B, H, W, C] -> [B, H / 2, W / 2, C], sides even: [1, 3, 3, 1] / 8 along each, zeros outside."""
    def halve(x, axis):
        pairs = x.reshape(*x.shape[:axis], x.shape[axis] // 2, 2, *x.shape[axis + 1:])
        even, odd = (lax.index_in_dim(pairs, number, axis + 1, keepdims=False) for number in (0, 1))
        return 0.375 * (even + odd) + 0.125 * (_padded(odd, axis, 1, -1) + _padded(even, axis, -1, 1))
    return _along_sides(x, halve, conv, 8, stride=2, padding=(1, 1))


def _along_sides(x: Array, usual: Callable[[Array, int], Array], convolve: Callable, divisor: int,
                 padding: tuple[int, int], stride: int = 1) -> Array:
    """One after the other: `usual(x, axis)`, or [1, 3, 3, 1] / divisor by `conv` or `conv_transpose`."""
    def on_tpu(x):
        line = [tap / divisor for tap in (1, 3, 3, 1)]
        x = convolve(x, _taps(x, [[tap] for tap in line]), stride=(stride, 1), padding=(padding, (0, 0)),
                     groups=x.shape[3])
        return convolve(x, _taps(x, [line]), stride=(1, stride), padding=((0, 0), padding), groups=x.shape[3])
    return lax.platform_dependent(x, default=lambda x: usual(usual(x, 1), 2), tpu=on_tpu)


def _taps(x: Array, values: Sequence[Sequence[float]]) -> Array:
    """The same kernel for every channel of x by itself."""
    kernel = jnp.asarray(values, x.dtype)
    return jnp.broadcast_to(kernel[:, :, None, None], (*kernel.shape, 1, x.shape[3]))


def _corners(x: Array) -> list[Array]:
    height, width = (side // 2 * 2 for side in x.shape[1:3])
    return [x[:, row:height:2, column:width:2] for row in (0, 1) for column in (0, 1)]


def _padded(x: Array, axis: int, before: int, after: int) -> Array:
    """x with zeros before and after along an axis; negative numbers crop."""
    return lax.pad(x, jnp.zeros((), x.dtype), [(before, after, 0) if number == axis else (0, 0, 0)
                                               for number in range(x.ndim)])
