"""Halving and doubling feature maps [B, H, W, C], in the forms XLA differentiates to slices and sums."""

import jax.numpy as jnp
from jax import lax

from jaxgan.typing import Array


def average_pool(x: Array) -> Array:
    """Mean of every 2x2 patch: [B, H, W, C] -> [B, H // 2, W // 2, C]; an odd last row or column is left out."""
    corners = _corners(x)
    return (corners[0] + corners[1] + corners[2] + corners[3]) / 4


def max_pool(x: Array) -> Array:
    """Largest of every 2x2 patch, shaped as `average_pool`. Where two tie, each gets half the gradient."""
    corners = _corners(x)
    return jnp.maximum(jnp.maximum(corners[0], corners[1]), jnp.maximum(corners[2], corners[3]))


def nearest_upsample(x: Array) -> Array:
    """Every pixel repeated in 2x2: [B, H, W, C] -> [B, 2 H, 2 W, C]."""
    for axis in (2, 1):  # stacked, not broadcast: the derivative is then a sum of slices, which XLA fuses
        shape = [2 * side if number == axis else side for number, side in enumerate(x.shape)]
        x = jnp.stack([x, x], axis=axis + 1).reshape(shape)
    return x


def fir_blur(x: Array, padding: tuple[int, int]) -> Array:
    """[1, 3, 3, 1] / 8 along both sides at stride 1: n pixels become n + sum(padding) - 3, zeros outside."""
    for axis in (1, 2):
        count = x.shape[axis] + sum(padding) - 3
        wide = _padded(x, axis, *padding)
        taps = [lax.slice_in_dim(wide, start, start + count, axis=axis) for start in range(4)]
        x = 0.125 * (taps[0] + taps[3]) + 0.375 * (taps[1] + taps[2])
    return x


def fir_upsample(x: Array) -> Array:
    """[B, H, W, C] -> [B, 2 H, 2 W, C]: zeros between the pixels, then [1, 3, 3, 1] / 4 along each side."""
    for axis in (1, 2):
        before, after = (0.75 * x + 0.25 * _padded(x, axis, by, -by) for by in (1, -1))
        shape = [2 * side if number == axis else side for number, side in enumerate(x.shape)]
        x = jnp.stack([before, after], axis=axis + 1).reshape(shape)
    return x


def fir_downsample(x: Array) -> Array:
    """[B, H, W, C] -> [B, H / 2, W / 2, C], sides even: [1, 3, 3, 1] / 8 along each, zeros outside."""
    for axis in (1, 2):
        pairs = x.reshape(*x.shape[:axis], x.shape[axis] // 2, 2, *x.shape[axis + 1:])
        even, odd = (lax.index_in_dim(pairs, number, axis + 1, keepdims=False) for number in (0, 1))
        x = 0.375 * (even + odd) + 0.125 * (_padded(odd, axis, 1, -1) + _padded(even, axis, -1, 1))
    return x


def _corners(x: Array) -> list[Array]:
    height, width = (side // 2 * 2 for side in x.shape[1:3])
    return [x[:, row:height:2, column:width:2] for row in (0, 1) for column in (0, 1)]


def _padded(x: Array, axis: int, before: int, after: int) -> Array:
    """x with zeros before and after along an axis; negative numbers crop."""
    return lax.pad(x, jnp.zeros((), x.dtype), [(before, after, 0) if number == axis else (0, 0, 0)
                                               for number in range(x.ndim)])
