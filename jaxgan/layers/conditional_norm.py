"""Normalization whose scale and shift may depend on the label, the latent, or both."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.errors import InputError
from jaxgan.layers.norm import BatchNorm
from jaxgan.layers.spectral import Layers
from jaxgan.typing import Array

PLAIN = ("none", "batch", "layer")
CONDITIONAL = ("conditional_batch", "self_modulation", "adain")


class Norm(nn.Module):
    """One normalization layer, chosen by `kind`: x [B, H, W, C], condition [B, K] or None -> [B, H, W, C].

    "none". "batch": see `BatchNorm`. "layer": each example over H, W and C, then a scale and shift a channel, what
    WGAN-GP puts where a gradient penalty forbids batch statistics. The others normalise without a scale of their own,
    then compute normalised * (1 + gain(condition)) + bias(condition):
    "conditional_batch": batch statistics, both maps linear without bias; with a one-hot condition it has one scale and
    shift a class (Dumoulin et al. 2017), with a vector it is BigGAN's. "self_modulation": batch statistics, both maps
    through one shared hidden layer of `hidden` units and ReLU (Chen et al. 2019). "adain": the same maps
    over the statistics of each example and channel (Huang & Belongie 2017).
    Conditional kinds with condition=None are "batch".
    """

    kind: str
    layers: Layers
    epsilon: float = 1e-5
    momentum: float = 0.9
    hidden: int = 32

    @nn.compact
    def __call__(self, x: Array, condition: Array | None = None, *, train: bool) -> Array:
        if self.kind == "none":
            return x
        if self.kind == "layer":
            norm = nn.LayerNorm(self.epsilon, reduction_axes=(1, 2, 3), feature_axes=-1, dtype=x.dtype, name="layer")
            return norm(x)
        affine = self.kind == "batch" or condition is None
        if self.kind == "adain" and not affine:
            normalized = _instance_normalized(x, self.epsilon)
        else:
            norm = BatchNorm(self.momentum, self.epsilon, use_scale=affine, use_bias=affine, name="batch")
            normalized = norm(x, train=train)
        if affine:
            return normalized
        gain, bias = self._modulation(condition, x.shape[-1], train)
        return normalized * (1 + gain) + bias

    def _modulation(self, condition: Array, channels: int, train: bool) -> list[Array]:
        linear = self.kind == "conditional_batch"
        if not linear:
            condition = jax.nn.relu(self.layers.dense(self.hidden, name="hidden")(condition, train=train))
        maps = [self.layers.dense(channels, use_bias=not linear, name=name) for name in ("gain", "bias")]
        return [layer(condition, train=train)[:, None, None] for layer in maps]


def label_vector(label: Array | None, num_classes: int) -> Array:
    """A label as float32 [B, num_classes]: one-hot, or the vector it already is.

    An integer outside the classes becomes a row of NaN, so that it cannot pass for a label.
    """
    if label is None:
        raise InputError(f"This network is conditional on {num_classes} classes: give it a label.")
    label = jnp.asarray(label)
    if jnp.issubdtype(label.dtype, jnp.integer):
        known = (label >= 0) & (label < num_classes)
        return jnp.where(known[:, None], jax.nn.one_hot(label, num_classes), jnp.nan)
    if label.ndim != 2 or label.shape[1] != num_classes:
        raise InputError(f"A label vector of shape {label.shape} does not fit {num_classes} classes: "
                         "give integers [B] or weights [B, num_classes].")
    return label


def _instance_normalized(x: Array, epsilon: float) -> Array:
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    mean = wide.mean((1, 2), keepdims=True)
    var = ((wide - mean) ** 2).mean((1, 2), keepdims=True)
    return ((wide - mean) * jax.lax.rsqrt(var + epsilon)).astype(x.dtype)
