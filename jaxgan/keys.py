"""Random streams by name.

Every consumer folds its own name into the key of the step, so adding a consumer never shifts the numbers
another one draws, and no chain of splits has to be kept between steps.
"""

import zlib

import jax

from jaxgan.typing import Array


def root(seed: int) -> Array:
    """The key of a run. Threefry, pinned: its bits are the same on every backend and device count."""
    return jax.random.key(seed, impl="threefry2x32")


def stream(key: Array, name: str) -> Array:
    """The stream called `name` under `key`."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))
