"""Standing statistics: BatchNorm's running ones replaced by those that sampling itself gives."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.typing import Array, PyTree


def standing_statistics(generator: nn.Module, weights: PyTree, z: Array, label: Array | None = None) -> PyTree:
    """`weights` with the BatchNorm statistics that latents give: means over N batches (Brock et al. 2019).

    weights: {"params", "batch_stats", ...} of any generator that has the field `norm_momentum`. z: [N, B, z_dim],
    drawn as for sampling, truncated or not; label: [N, B, ...]. Nothing else in `weights` changes. Variances are
    averaged as they are, within batches; B should be that of training or larger.
    """
    fresh = generator.clone(norm_momentum=0.0)  # the new running value is then the batch's own

    def add(total: PyTree, batch: tuple[Array, Array | None]) -> tuple[PyTree, None]:
        _, changed = fresh.apply(weights, *batch, train=True, mutable=["batch_stats"])
        return jax.tree.map(jnp.add, total, changed["batch_stats"]), None

    zeros = jax.tree.map(jnp.zeros_like, weights["batch_stats"])
    total, _ = jax.lax.scan(add, zeros, (z, label))
    return {**weights, "batch_stats": jax.tree.map(lambda leaf: leaf / z.shape[0], total)}
