"""What a discriminator can see of a batch as a whole."""

import jax.numpy as jnp
from jax import lax

from jaxgan.typing import Array


def minibatch_stddev(x: Array, group: int) -> Array:
    """x [B, H, W, C] with one channel more: the standard deviation over a group of examples, averaged over the map
    and its channels (Karras et al. 2018, section 3, as StyleGAN2 has it).

    group: the size of a group, or the largest below it that divides B. With g groups, example i is in group i mod g, so
    that a group reaches over devices; under jit nothing depends on their number. Statistics are float32 at least.
    """
    count = next(size for size in range(min(group, len(x)), 0, -1) if len(x) % size == 0)
    grouped = x.astype(jnp.promote_types(x.dtype, jnp.float32)).reshape(count, -1, *x.shape[1:])
    deviation = jnp.sqrt(jnp.mean((grouped - grouped.mean(axis=0)) ** 2, axis=0) + 1e-8).mean(axis=(1, 2, 3))
    channel = lax.broadcast_in_dim(jnp.tile(deviation, count), (*x.shape[:3], 1), (0,))
    return jnp.concatenate([x, channel.astype(x.dtype)], axis=-1)
