"""Residual blocks of the ResNet GANs: pre-activation, two 3x3 convolutions, or BigGAN-deep's bottleneck of four.

A 1x1 convolution commutes with nearest-neighbour up-sampling and with average pooling: in the shortcuts it is done at
the lower resolution, whatever the order in a paper's figure.
`norm` makes a block's normalization layers: norm(name=...)(x, condition, train=...).
"""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.layers.attention import SelfAttention
from jaxgan.layers.conditional_norm import Norm
from jaxgan.layers.recomputed import recomputed
from jaxgan.layers.resample import average_pool, nearest_upsample
from jaxgan.layers.spectral import Layers
from jaxgan.typing import Array

BOTTLENECK = 4  # BigGAN-deep: the inner convolutions have a quarter of the channels


class GeneratorBlock(nn.Module):
    """norm, ReLU, double, convolve, norm, ReLU, convolve, beside double, 1x1: [B, H, W, C] -> [B, 2 H, 2 W, F]."""

    features: int
    layers: Layers
    norm: Callable[..., Norm]

    @nn.compact
    def __call__(self, x: Array, condition: Array | None, *, train: bool) -> Array:
        h = jax.nn.relu(self.norm(name="norm1")(x, condition, train=train))
        h = self.layers.conv(self.features, name="conv1")(nearest_upsample(h), train=train)
        h = jax.nn.relu(self.norm(name="norm2")(h, condition, train=train))
        h = self.layers.conv(self.features, name="conv2")(h, train=train)
        return h + nearest_upsample(self.layers.conv(self.features, 1, name="shortcut")(x, train=train))


class DiscriminatorBlock(nn.Module):
    """ReLU, convolve, ReLU, convolve, halve, beside 1x1, halve; the hidden layer has `features` channels too.

    A block that neither halves nor changes the channels has the identity as its shortcut. first: no ReLU in front,
    for the block that reads the image. relu_shortcut: the shortcut sees relu(x) instead of x, which is what the
    in-place ReLU of PyTorch-StudioGAN amounts to; not in the first block.
    """

    features: int
    layers: Layers
    norm: Callable[..., Norm]
    down: bool = True
    first: bool = False
    relu_shortcut: bool = False

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        h = x if self.first else jax.nn.relu(self.norm(name="norm1")(x, train=train))
        h = self.layers.conv(self.features, name="conv1")(h, train=train)
        h = jax.nn.relu(self.norm(name="norm2")(h, train=train))
        h = self.layers.conv(self.features, name="conv2")(h, train=train)
        shortcut = jax.nn.relu(x) if self.relu_shortcut and not self.first else x
        if self.down:
            h, shortcut = average_pool(h), average_pool(shortcut)
        if self.down or x.shape[-1] != self.features:
            shortcut = self.layers.conv(self.features, 1, name="shortcut")(shortcut, train=train)
        return h + shortcut


class DeepGeneratorBlock(nn.Module):
    """BigGAN-deep (Brock et al. 2019, appendix B): 1x1, two 3x3, 1x1, each after norm and ReLU; `up` doubles.

    The shortcut keeps the first `features` channels; it has no parameters, so `features` may not exceed those of x.
    """

    features: int
    layers: Layers
    norm: Callable[..., Norm]
    up: bool = False

    @nn.compact
    def __call__(self, x: Array, condition: Array | None, *, train: bool) -> Array:
        def activated(h: Array, name: str) -> Array:
            return jax.nn.relu(self.norm(name=name)(h, condition, train=train))

        hidden = max(1, x.shape[-1] // BOTTLENECK)
        h = self.layers.conv(hidden, 1, name="conv1")(activated(x, "norm1"), train=train)
        h = activated(h, "norm2")
        h = nearest_upsample(h) if self.up else h
        h = self.layers.conv(hidden, name="conv2")(h, train=train)
        h = self.layers.conv(hidden, name="conv3")(activated(h, "norm3"), train=train)
        h = self.layers.conv(self.features, 1, name="conv4")(activated(h, "norm4"), train=train)
        shortcut = x[..., : self.features]
        return h + (nearest_upsample(shortcut) if self.up else shortcut)


class DeepDiscriminatorBlock(nn.Module):
    """BigGAN-deep: ReLU and convolution four times, 1x1, 3x3, 3x3, 1x1; `down` halves before the last.

    The shortcut keeps x and, where there are more, gets the missing channels by a 1x1 convolution of it.
    """

    features: int
    layers: Layers
    down: bool = False

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        hidden, channels = max(1, self.features // BOTTLENECK), x.shape[-1]
        h = self.layers.conv(hidden, 1, name="conv1")(jax.nn.relu(x), train=train)
        h = self.layers.conv(hidden, name="conv2")(jax.nn.relu(h), train=train)
        h = jax.nn.relu(self.layers.conv(hidden, name="conv3")(jax.nn.relu(h), train=train))
        h, shortcut = (average_pool(h), average_pool(x)) if self.down else (h, x)
        h = self.layers.conv(self.features, 1, name="conv4")(h, train=train)
        if channels < self.features:
            more = self.layers.conv(self.features - channels, 1, name="shortcut")(shortcut, train=train)
            shortcut = jnp.concatenate([shortcut, more], axis=-1)
        return h + shortcut


def generator_blocks(x: Array, widths: Sequence[int], conditions: Sequence[Array | None], attention: set[int],
                     layers: Layers, norm: Callable[..., Norm], *, train: bool, remat: bool = False) -> Array:
    """One `GeneratorBlock` for each of `widths`, each with its condition; self-attention after those in `attention`.

    Blocks count from 1. remat: see `recomputed`. Call it in a compact method: the blocks are that module's children
    "block1", "attention1" ...
    """
    for number, (features, condition) in enumerate(zip(widths, conditions), start=1):
        block = GeneratorBlock(features, layers, norm, name=f"block{number}")
        x = recomputed(remat, lambda block, x, condition: block(x, condition, train=train), block, x, condition)
        if number in attention:
            x = SelfAttention(layers, name=f"attention{number}")(x, train=train)
    return x


def image_head(x: Array, condition: Array | None, channels: int, layers: Layers, norm: Norm, *, train: bool) -> Array:
    """The end of every generator here: norm, ReLU, 3x3 convolution "output", tanh in float32 at least."""
    x = jax.nn.relu(norm(x, condition, train=train))
    x = layers.conv(channels, name="output")(x, train=train)
    return jnp.tanh(x.astype(jnp.promote_types(x.dtype, jnp.float32)))


def summed_features(x: Array) -> Array:
    """The end of every discriminator here: ReLU and the sum over positions, [B, C] in float32 at least."""
    x = jax.nn.relu(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32)).sum((1, 2))
