"""Self-attention over the positions of a feature map."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.layers.resample import max_pool
from jaxgan.layers.spectral import Layers
from jaxgan.typing import Array


class SelfAttention(nn.Module):
    """x + gain * attention(x), [B, H, W, C] with H and W of 2 or more (SAGAN, Zhang et al. 2019).

    Queries and keys have C // 8 channels, values C // 2, all by 1x1 convolutions without bias; keys and values are
    max-pooled by 2 (BigGAN's form: a quarter of the memory, [B, HW, HW / 4]). The softmax is over the keys, in at least
    float32, of products that are not scaled. `gain`, one number, starts at 0: the layer begins as the identity.
    """

    layers: Layers

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        batch, height, width, channels = x.shape

        def project(inputs: Array, features: int, name: str) -> Array:
            return self.layers.conv(max(1, features), kernel_size=1, use_bias=False, name=name)(inputs, train=train)

        def positions(maps: Array) -> Array:
            return maps.reshape(batch, -1, maps.shape[-1])

        query = positions(project(x, channels // 8, "query"))
        key = positions(max_pool(project(x, channels // 8, "key")))
        value = positions(max_pool(project(x, channels // 2, "value")))
        similarity = jnp.einsum("bqc,bkc->bqk", query, key)
        wide = similarity.astype(jnp.promote_types(similarity.dtype, jnp.float32))
        weights = jax.nn.softmax(wide, axis=-1).astype(value.dtype)
        attended = jnp.einsum("bqk,bkc->bqc", weights, value).reshape(batch, height, width, -1)
        gain = self.param("gain", nn.initializers.zeros, ())
        return x + gain.astype(x.dtype) * project(attended, channels, "output")
