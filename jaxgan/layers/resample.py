"""Halving and doubling feature maps [B, H, W, C], in the forms XLA differentiates to slices and sums."""

import jax.numpy as jnp

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
    batch, height, width, channels = x.shape
    x = jnp.broadcast_to(x[:, :, None, :, None], (batch, height, 2, width, 2, channels))
    return x.reshape(batch, 2 * height, 2 * width, channels)


def _corners(x: Array) -> list[Array]:
    height, width = (side // 2 * 2 for side in x.shape[1:3])
    return [x[:, row:height:2, column:width:2] for row in (0, 1) for column in (0, 1)]
