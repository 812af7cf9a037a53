"""What is missing from an image."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxgan.degradation.base import Degradation, between, check_range
from jaxgan.errors import InputError
from jaxgan.typing import Array


def holes(count: int = 2, size: Sequence[float] = (0.2, 0.5)) -> Degradation:
    """Grey rectangles anywhere, each side between these two shares of the image's, and one more channel that tells
    where: 1 in a hole, -1 elsewhere."""
    if count < 1:
        raise InputError(f"config.degradation: holes.count must be 1 or more; got {count}.")
    limits = check_range(size, 0, 1, "holes.size")

    def apply(key: Array, image: Array) -> Array:
        def inside(key: Array, side: int) -> Array:
            """Which of `side` places are within a span of random length and place."""
            extent, place = jax.random.split(key)
            length = jnp.round(between(extent, limits) * side)
            start = jnp.floor(jax.random.uniform(place) * (side - length + 1))
            places = jnp.arange(side)
            return (places >= start) & (places < start + length)

        def hole(key: Array) -> Array:
            rows, columns = jax.random.split(key)
            return inside(rows, image.shape[0])[:, None] & inside(columns, image.shape[1])
        missing = jax.vmap(hole)(jax.random.split(key, count)).any(axis=0)[:, :, None]
        return jnp.concatenate([jnp.where(missing, 0.0, image), jnp.where(missing, 1.0, -1.0)], axis=2)

    return apply
