"""Pooling from shifted slices, first along rows, then along columns: the same on every backend, and fast on CPU."""

import functools
from collections.abc import Callable

import jax.numpy as jnp
from jax import lax

from jaxgan.typing import Array


def max_pool(x: Array, size: int, *, stride: int = 1, padding: int = 0) -> Array:
    """The largest value of every size × size window of x [B, H, W, C]; padding never wins."""
    return _pool(x, size, stride, padding, jnp.maximum, -jnp.inf)


def average_pool(x: Array, size: int, *, stride: int = 1, padding: int = 0) -> Array:
    """The mean of every size × size window of x [B, H, W, C]; padding is not counted."""
    counts = _pool(jnp.ones((1, *x.shape[1:3], 1), x.dtype), size, stride, padding, jnp.add, 0)
    return _pool(x, size, stride, padding, jnp.add, 0) * (1 / counts)


def _pool(x: Array, size: int, stride: int, padding: int, combine: Callable, empty: float) -> Array:
    for axis in (1, 2):
        config = [(padding, padding, 0) if a == axis else (0, 0, 0) for a in range(4)]
        padded = lax.pad(x, jnp.asarray(empty, x.dtype), config) if padding else x
        count = (padded.shape[axis] - size) // stride + 1
        shifted = [lax.slice_in_dim(padded, i, i + (count - 1) * stride + 1, stride, axis) for i in range(size)]
        x = functools.reduce(combine, shifted)
    return x
