"""JAX functions as files of StableHLO, which a process that has jax and nothing else loads and runs."""

from collections.abc import Callable, Mapping

import jax
from jax import export

PLATFORMS = ("cpu", "cuda", "tpu")  # one file is for all of them


def convert(function: Callable[..., jax.Array], inputs: Mapping[str, jax.ShapeDtypeStruct]) -> bytes:
    """The bytes that `jax.export.deserialize` reads; arguments are `inputs` in order, whose shapes may have symbols."""
    return export.export(jax.jit(function), platforms=PLATFORMS)(*inputs.values()).serialize()
