"""The contract of a degradation, and what several of them share."""

from collections.abc import Callable, Sequence

import jax

from jaxgan.errors import InputError
from jaxgan.typing import Array

Degradation = Callable[[Array, Array], Array]
"""(key, image float32 [H, W, C] in [-1, 1]) -> what is left of it, [h, w, c]: one example, traced, no gradient."""


def check_range(values: Sequence[float], least: float, most: float, what: str) -> tuple[float, float]:
    """Two numbers, the smaller first, between `least` and `most`."""
    numbers = isinstance(values, Sequence) and all(isinstance(value, int | float) for value in values)
    if not numbers or len(values) != 2 or not least <= values[0] <= values[1] <= most:
        raise InputError(f"config.degradation: {what} must be two numbers from {least:g} to {most:g}, the smaller "
                         f"first; got {values!r}.")
    return float(values[0]), float(values[1])


def between(key: Array, limits: tuple[float, float]) -> Array:
    """A number drawn uniformly."""
    return jax.random.uniform(key, minval=limits[0], maxval=limits[1])
