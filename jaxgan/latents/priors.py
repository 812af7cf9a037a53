"""What the generator's input is drawn from."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgan.errors import InputError
from jaxgan.typing import Prior


def normal(dim: int = 128) -> Prior:
    """Independent standard normal entries."""
    _check(dim)
    return Prior(dim, lambda key, shape: jax.random.normal(key, (*shape, dim), jnp.float32))


def uniform(dim: int = 100) -> Prior:
    """Independent entries uniform on [-1, 1) (Radford et al. 2016 draw 100 of them)."""
    _check(dim)
    return Prior(dim, lambda key, shape: jax.random.uniform(key, (*shape, dim), jnp.float32, minval=-1.0))


def _check(dim: int) -> None:
    if dim < 1:
        raise InputError(f"config.latent.dim is {dim}; give at least 1.")


PRIORS: dict[str, Callable[..., Prior]] = {"normal": normal, "uniform": uniform}
