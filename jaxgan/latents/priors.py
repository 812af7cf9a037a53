"""What the generator's input is drawn from."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.typing import Array, Prior


def normal(dim: int = 128) -> Prior:
    """Independent standard normal entries.

    Truncated, no entry exceeds psi (Brock et al. 2019, section 3.1). They draw entries that do again; here each is
    moved to the same quantile of what that leaves, so the distribution is theirs and a seed keeps its image's kind.
    """
    _check(dim)

    def truncated(key: Array, shape: tuple[int, ...], psi: float) -> Array:
        return jax.random.truncated_normal(key, -psi, psi, (*shape, dim), jnp.float32)
    return Prior(dim, lambda key, shape: jax.random.normal(key, (*shape, dim), jnp.float32), truncated=truncated,
                 spherical=True)


def uniform(dim: int = 100) -> Prior:
    """Independent entries uniform on [-1, 1) (Radford et al. 2016 draw 100 of them); truncated, on [-psi, psi)."""
    _check(dim)

    def sample(key: Array, shape: tuple[int, ...]) -> Array:
        return jax.random.uniform(key, (*shape, dim), jnp.float32, minval=-1.0)
    return Prior(dim, sample, truncated=lambda key, shape, psi: min(psi, 1.0) * sample(key, shape))


def info(dim: int = 74, codes: Sequence[int] = (10, 1, 1)) -> Prior:
    """Standard normal noise, then the codes that InfoGAN recovers from the image (Chen et al. 2016).

    dim: all entries of z; the last sum(codes) are the codes, in the order given. A code of k > 1 is one of k classes,
    equally likely, one-hot in k entries; a code of 1 is continuous, one entry uniform on [-1, 1). The default is the
    paper's for MNIST, 62 + 10 + 1 + 1 entries, whose noise, though, was uniform as well.
    The objective `info` of config.conditioning finds the codes by the same list: it reads the end of z.
    """
    _check(dim)
    whole = isinstance(codes, Sequence) and all(type(code) is int and code > 0 for code in codes)
    if not whole or not 0 < sum(codes) <= dim:
        raise InputError("config.latent.codes must be whole numbers from 1 that together fit into "
                         f"config.latent.dim={dim}; got {codes!r}.")

    def code(key: Array, shape: tuple[int, ...], size: int) -> Array:
        if size == 1:
            return jax.random.uniform(key, (*shape, 1), jnp.float32, minval=-1.0)
        return jax.nn.one_hot(jax.random.randint(key, shape, 0, size), size, dtype=jnp.float32)

    def sample(key: Array, shape: tuple[int, ...]) -> Array:
        noise = jax.random.normal(keys.stream(key, "noise"), (*shape, dim - sum(codes)), jnp.float32)
        drawn = [code(keys.stream(key, f"code{i}"), shape, size) for i, size in enumerate(codes)]
        return jnp.concatenate([noise, *drawn], axis=-1)

    return Prior(dim, sample, tuple(codes))


def _check(dim: int) -> None:
    if dim < 1:
        raise InputError(f"config.latent.dim is {dim}; give at least 1.")


PRIORS: dict[str, Callable[..., Prior]] = {"normal": normal, "uniform": uniform, "info": info}
