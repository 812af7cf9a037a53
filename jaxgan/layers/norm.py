"""Normalization layers."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxgan.typing import Array


def instance_norm(x: Array, epsilon: float = 1e-5) -> Array:
    """Each channel of each example [H, W] at mean 0 and variance 1 (Ulyanov et al. 2016), no weights; in float32."""
    wide = x.astype(jnp.float32)
    centred = wide - wide.mean(axis=(1, 2), keepdims=True)
    variance = jnp.mean(centred**2, axis=(1, 2), keepdims=True)
    return (centred * jax.lax.rsqrt(variance + epsilon)).astype(x.dtype)


class BatchNorm(nn.Module):
    """Batch normalization over every axis but the last (Ioffe & Szegedy 2015), with the arithmetic of PyTorch.

    train=True normalises by the biased variance of the batch and moves the running statistics, collection
    "batch_stats", towards it: new = momentum * old + (1 - momentum) * batch, the variance there being the unbiased one.
    (PyTorch's momentum is one minus this.) Where "batch_stats" is not mutable they stay as they are.
    train=False normalises by the running statistics. They begin as those of the batch that `init` is given with
    train=True, so that an untrained network already works at the scale it trains at; with train=False at 0 and 1.

    Statistics are at least float32 and come from one pass, var = E[x^2] - E[x]^2: if |mean| is 1,000 times the standard
    deviation or more, that variance is rounding noise. axis_name: a mapped axis (pmap, vmap, shard_map) to take them
    over too; under jit over a mesh they are global as it is. dtype: of the result; None is that of x.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    use_scale: bool = True
    use_bias: bool = True
    axis_name: str | None = None
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        channels = (x.shape[-1],)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, channels, jnp.float32)
        running_var = self.variable("batch_stats", "var", jnp.ones, channels, jnp.float32)
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        if train:
            mean, var, count = self._batch_statistics(wide)
            if self.is_mutable_collection("batch_stats"):
                momentum = 0.0 if self.is_initializing() else self.momentum
                unbiased = var * (count / max(count - 1, 1))
                running_mean.value = momentum * running_mean.value + (1 - momentum) * mean
                running_var.value = momentum * running_var.value + (1 - momentum) * unbiased
        else:
            mean, var = running_mean.value, running_var.value
        factor = jax.lax.rsqrt(var + self.epsilon)
        if self.use_scale:
            factor = factor * self.param("scale", nn.initializers.ones, channels, jnp.float32)
        y = (wide - mean) * factor
        if self.use_bias:
            y = y + self.param("bias", nn.initializers.zeros, channels, jnp.float32)
        return y.astype(self.dtype or x.dtype)

    def _batch_statistics(self, x: Array) -> tuple[Array, Array, int]:
        axes = tuple(range(x.ndim - 1))
        count = x.size // x.shape[-1]
        mean, square = x.mean(axes), (x**2).mean(axes)
        if self.axis_name is not None and not self.is_initializing():
            mean, square = jax.lax.pmean((mean, square), self.axis_name)
            count *= jax.lax.axis_size(self.axis_name)
        return mean, jnp.maximum(square - mean**2, 0), count
