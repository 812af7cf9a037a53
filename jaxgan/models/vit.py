"""A transformer GAN after GAT (Hyun et al. 2025, "Scalable GANs with Transformers"): two plain vision transformers.

An image is cut into square patches, a token each, with a fixed vector of sines for its place. Blocks of attention and a
gated MLP (SwiGLU) follow. Queries and keys are normalised, and turned by the place of their token (RoPE); norms are by
the root mean square. In the generator a mapping network makes a style w of z and label, which scales and gates every
block, and images read off at several depths are added up. In the discriminator scales and gates are learned vectors,
and a token without a patch is what the last layer reads.

w has one row a block, [B, depth, width]; `mapping` and `synthesis` are methods for `apply(..., method=...)`. The
generator's last layer is linear: images may leave [-1, 1].

Published, for 32x32x4 latents of ImageNet at 256 pixels: GAT-S/2 (width=384, depth=12, heads=6, patch=2), B (768, 12,
12), L (1024, 24, 16), XL (1152, 28, 16), and with patches of 4 and 8. Sides need only be divisible by the patch.

Not here: the guidance that shows the discriminator the images of all depths at once under noise (MNG), for which
generators would have to give several images, and the alignment of the discriminator's tokens with DINOv2's. Ours: the
mapping network, and the label's way into the logit, are StyleGAN2's (the authors' have SiLU, and the label's is neither
normalised nor divided by sqrt(width)); without labels the logit is linear in the token; w has one moving average for
all classes; a style of its own for every block is possible.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import DTypeLike

from jaxgan.errors import InputError
from jaxgan.models._styles import StyleGenerator, StyleNetwork
from jaxgan.typing import Array, DiscriminatorOutput

EPSILON = 1e-6
MAPPING_LAYERS = 2


class Attention(nn.Module):
    """Self-attention of the tokens [B, N, C]. angles: of their places, [N, C / heads / 2]."""

    heads: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Array, angles: Array) -> Array:
        dim = x.shape[-1] // self.heads
        query, key, value = jnp.moveaxis(dense(3 * x.shape[-1], self.dtype, "input")(x).reshape(
            *x.shape[:2], 3, self.heads, dim), 2, 0)
        query, key = (self._placed(part, name, angles) for part, name in ((query, "query"), (key, "key")))
        similarity = jnp.einsum("bqhc,bkhc->bhqk", query / math.sqrt(dim), key)
        weights = jax.nn.softmax(widened(similarity), axis=-1).astype(self.dtype)
        attended = jnp.einsum("bhqk,bkhc->bqhc", weights, value)
        return dense(x.shape[-1], self.dtype, "output")(attended.reshape(x.shape))

    def _placed(self, x: Array, name: str, angles: Array) -> Array:
        scale = 1 + self.param(f"{name}_scale", nn.initializers.zeros, x.shape[-1:])
        return turned(scale * normalised(x), angles).astype(self.dtype)


class GatedMLP(nn.Module):
    """output(silu(a) b), a and b from one layer, 8/3 as wide as the tokens (SwiGLU, Shazeer 2020)."""

    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Array) -> Array:
        gate, value = jnp.split(dense(2 * (8 * x.shape[-1] // 3), self.dtype, "input")(x), 2, axis=-1)
        return dense(x.shape[-1], self.dtype, "output")(nn.silu(gate) * value)


class Block(nn.Module):
    """x + gate attention(scale norm(x)), then the same of the gated MLP, as one step of a scan. x is float32 at least.

    scale - 1 and gate are affine in silu(w), w [B, C], and small at first. Without w they are learned vectors; the gate
    starts at 0.1.
    """

    heads: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Array, w: Array | None, angles: Array) -> tuple[Array, None]:
        if w is None:
            scale1, gate1, scale2, gate2 = (self.param(f"{name}{number}", nn.initializers.zeros, (x.shape[-1],)) + start
                                            for number in (1, 2) for name, start in (("scale", 0.0), ("gate", 0.1)))
        else:
            styles = dense(4 * x.shape[-1], self.dtype, "style", gain=0.1)(nn.silu(w))[:, None]
            scale1, gate1, scale2, gate2 = jnp.split(styles, 4, axis=-1)
        x += gate1 * Attention(self.heads, self.dtype, name="attention")((1 + scale1) * normalised(x), angles)
        x += gate2 * GatedMLP(self.dtype, name="mlp")((1 + scale2) * normalised(x))
        return x, None


class Stage(nn.Module):
    """x -> (x after some blocks, the image read off it); ws [number of blocks, B, C]. It is one step of a scan too."""

    image_shape: tuple[int, int, int]
    heads: int
    patch: int
    remat: bool
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Array, ws: Array, angles: Array) -> tuple[Array, Array]:
        x, _ = scanned(Block, len(ws), self.remat)(self.heads, self.dtype, name="blocks")(x, ws, angles)
        return x, Image(self.image_shape, self.patch, self.dtype, name="image")(x, ws[-1])


class Image(nn.Module):
    """The image [B, H, W, C] of tokens, scaled by w: patches of one linear layer."""

    shape: tuple[int, int, int]
    patch: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Array, w: Array) -> Array:
        scale = 1 + dense(x.shape[-1], self.dtype, "style", gain=0.1)(nn.silu(w))
        x = dense(self.patch**2 * self.shape[2], self.dtype, "patches")(scale[:, None] * normalised(x))
        return unpatchify(widened(x), self.shape, self.patch)


class Synthesis(nn.Module):
    """w [B, depth, width] -> image, from the places alone."""

    image_shape: tuple[int, int, int]
    heads: int
    patch: int
    images: int
    remat: bool
    dtype: DTypeLike

    @nn.compact
    def __call__(self, w: Array, *, train: bool) -> Array:
        batch, _, width = w.shape
        rows, columns = (side // self.patch for side in self.image_shape[:2])
        x = jnp.broadcast_to(sines(rows, columns, width).astype(w.dtype), (batch, rows * columns, width))
        stages = scanned(Stage, self.images)(self.image_shape, self.heads, self.patch, self.remat, self.dtype,
                                             name="stages")
        _, images = stages(x, w.swapaxes(0, 1).reshape(self.images, -1, batch, width),
                           angles(rows, columns, width // self.heads))
        return images.sum(axis=0)


class Generator(StyleGenerator):
    """images: so many, read off at equal distances up to the last block, add up to the one that comes out.

    heads: of the attention; four times as many divide the width. remat: what is inside a block is computed again in
    the backward pass rather than kept: a third more time, much less memory.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 384
    depth: int = 12
    heads: int = 6
    patch: int = 2
    images: int = 4
    remat: bool = False
    dtype: DTypeLike = "float32"

    def setup(self):
        check(self, "generator")
        if self.images < 1 or self.depth % self.images:
            raise InputError(f"config.generator.images is {self.images}: give a divisor of the depth, {self.depth}.")
        self.num_ws = self.depth
        wide = jnp.promote_types(self.dtype, jnp.float32)
        self.to_w = StyleNetwork(self.num_classes, self.width, MAPPING_LAYERS, wide)
        self.to_image = Synthesis(self.image_shape, self.heads, self.patch, self.images, self.remat, self.dtype)
        self.w_mean = self.variable("moving", "w_mean", jnp.zeros, (self.width,))


class Discriminator(nn.Module):
    """Fields are the generator's."""

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 384
    depth: int = 12
    heads: int = 6
    patch: int = 2
    remat: bool = False
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, image: Array, label: Array | None = None, *, train: bool) -> DiscriminatorOutput:
        check(self, "discriminator")
        rows, columns = (side // self.patch for side in self.image_shape[:2])
        x = widened(dense(self.width, self.dtype, "patches")(patchify(image, self.patch)))
        x += sines(rows, columns, self.width).astype(x.dtype)
        token = self.param("token", nn.initializers.normal(0.02), (self.width,))
        x = jnp.concatenate([jnp.broadcast_to(token.astype(x.dtype), (len(x), 1, self.width)), x], axis=1)
        turns = np.pad(angles(rows, columns, self.width // self.heads), ((1, 0), (0, 0)))  # none for the first token
        x, _ = scanned(Block, self.depth, self.remat)(self.heads, self.dtype, name="blocks")(x, None, turns)
        features = normalised(x[:, 0]) * self.param("scale", nn.initializers.ones, (self.width,))
        if not self.num_classes:
            return DiscriminatorOutput(dense(1, features.dtype, "logit")(features)[:, 0], features)
        direction = StyleNetwork(self.num_classes, self.width, MAPPING_LAYERS, features.dtype, name="to_w")(None, label)
        answer = dense(self.width, features.dtype, "logit")(features)
        return DiscriminatorOutput(jnp.sum(answer * direction, axis=-1) / math.sqrt(self.width), features)


def check(network: Generator | Discriminator, player: str) -> None:
    """Raises InputError where the fields of a network do not fit each other or the images."""
    height, width, _ = network.image_shape
    if network.patch < 1 or height % network.patch or width % network.patch:
        raise InputError(f"config.{player}.patch is {network.patch}, which does not divide both sides of images of "
                         f"{height}x{width}. Give another, or a config.data.resolution divisible by it.")
    if network.heads < 1 or network.width % (4 * network.heads):
        raise InputError(f"config.{player}.width is {network.width}: give a multiple of {4 * max(network.heads, 1)}, "
                         f"four times config.{player}.heads.")


def scanned(module: type[nn.Module], length: int, remat: bool = False) -> type[nn.Module]:
    """So many of a module one behind the other, compiled once: module(x, one of many, the same for all) -> (x, output).

    Parameters and outputs are stacked along a new first axis.
    """
    module = nn.remat(module, prevent_cse=False) if remat else module
    return nn.scan(module, variable_axes={"params": 0}, split_rngs={"params": True}, in_axes=(0, nn.broadcast),
                   length=length)


def patchify(image: Array, patch: int) -> Array:
    """[B, H, W, C] -> tokens [B, H / patch * W / patch, patch * patch * C], row by row; so are a patch's pixels."""
    batch, height, width, channels = image.shape
    cut = image.reshape(batch, height // patch, patch, width // patch, patch, channels)
    return cut.swapaxes(2, 3).reshape(batch, -1, patch * patch * channels)


def unpatchify(tokens: Array, shape: tuple[int, int, int], patch: int) -> Array:
    """The inverse of `patchify`, for images of `shape`."""
    height, width, channels = shape
    cut = tokens.reshape(tokens.shape[0], height // patch, width // patch, patch, patch, channels)
    return cut.swapaxes(2, 3).reshape(tokens.shape[0], *shape)


def angles(rows: int, columns: int, size: int) -> np.ndarray:
    """Places as angles, float32 [rows * columns, size / 2]: the row in the first half, the column in the second.

    The i-th of a half is the number of the row times 10000^(-i / n), n being how many there are.
    """
    frequencies = 10_000.0 ** (-np.arange(size // 4) / (size // 4))
    places = np.indices((rows, columns)).reshape(2, -1, 1) * frequencies
    return np.concatenate(places, axis=-1).astype(np.float32)


def sines(rows: int, columns: int, width: int) -> Array:
    """A fixed vector a place, [rows * columns, width]."""
    of_places = angles(rows, columns, width)
    return jnp.concatenate([jnp.sin(of_places), jnp.cos(of_places)], axis=-1)


def turned(x: Array, angles: Array) -> Array:
    """x [B, N, heads, C], each pair of channels i and i + C/2 turned by an angle [N, C/2]."""
    cosine, sine = (function(angles).astype(x.dtype)[:, None] for function in (jnp.cos, jnp.sin))
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([first * cosine - second * sine, first * sine + second * cosine], axis=-1)


def dense(features: int, dtype: DTypeLike, name: str, gain: float = 1.0) -> nn.Dense:
    """A layer of the module that is being called, its kernel uniform after Glorot, times `gain`."""
    init = nn.initializers.variance_scaling(gain**2, "fan_avg", "uniform")
    return nn.Dense(features, kernel_init=init, dtype=dtype, name=name)


def normalised(x: Array) -> Array:
    """x with a mean square of 1 along the channels, float32 at least."""
    x = widened(x)
    return x * lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + EPSILON)


def widened(x: Array) -> Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
