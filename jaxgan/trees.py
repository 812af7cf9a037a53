"""Small helpers for pytrees of arrays."""

import jax
import jax.numpy as jnp

from jaxgan.typing import Array, PyTree


def size(tree: PyTree) -> int:
    """Number of array entries."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def mean(metrics: PyTree) -> PyTree:
    """Mean over the leading axis of every leaf."""
    return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), metrics)


def lerp(old: PyTree, new: PyTree, keep: Array) -> PyTree:
    """`keep * old + (1 - keep) * new` for floating leaves; other leaves are taken from `new`."""
    def leaf(a, b):
        return b + (a - b) * keep.astype(b.dtype) if jnp.issubdtype(b.dtype, jnp.floating) else b
    return jax.tree.map(leaf, old, new)


def copy(tree: PyTree) -> PyTree:
    """The same values in buffers of their own."""
    return jax.tree.map(jnp.copy, tree)
