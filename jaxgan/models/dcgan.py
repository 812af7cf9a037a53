"""DCGAN (Radford et al. 2016) for any resolution.

The paper's network is for 64x64. Here both networks halve the image, rounding down, for as long as its shorter side is
8 or more: 64, 32, 16, 8, 4 as in the paper, 28, 14, 7 for MNIST, 65x48 -> 32x24 -> 16x12 -> 8x6. Level i, after i
halvings, has `width` 2^(i-1) channels, up to `max_width`; the image itself is level 0. Every halving is one 4x4
convolution of stride 2, and the generator climbs the same levels with its transpose.

Kernels start at N(0, `init_std`^2), the paper's 0.02. norm: "batch" as in the paper (all layers but the generator's
last and the discriminator's first), or "none": what a gradient penalty on the discriminator asks for. spectral: every
kernel is spectrally normalised (Miyato et al. 2018, who then leave norm at "none" in the discriminator).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxgan import catalogue
from jaxgan.errors import InputError
from jaxgan.layers.embed import Embed
from jaxgan.layers.norm import BatchNorm
from jaxgan.layers.spectral import Layers
from jaxgan.typing import Array, DiscriminatorOutput

SMALLEST = 8  # a side this long is still halved, a shorter one is not
NORMS = ("batch", "none")


class Generator(nn.Module):
    """z, joined by the embedding of the label -> dense to the top level -> transposed convolutions -> tanh.

    embed_dim: entries of the embedding, N(0, 1) each at first, as z's are. Keep it far below z's: with 32
    beside a z of 64 each class of MNIST ended in one image, with 8 none did.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 64
    max_width: int = 512
    norm: str = "batch"
    embed_dim: int = 8
    init_std: float = 0.02
    spectral: bool = False
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        sizes, widths = _levels(self.image_shape, self.width, self.max_width)
        normed = _check_norm(self.norm, "generator")
        layers = Layers(self.spectral, kernel_init=nn.initializers.normal(self.init_std), dtype=self.dtype)

        def finish(x: Array, level: int) -> Array:
            return jax.nn.relu(BatchNorm(name=f"norm{level}")(x, train=train) if normed else x)

        x = z.astype(self.dtype)
        if self.num_classes:
            embedding = Embed(self.num_classes, self.embed_dim, dtype=self.dtype, name="embed")(label)
            x = jnp.concatenate([x, embedding], axis=-1)
        top = len(sizes) - 1
        (height, width), channels = sizes[top], widths[top]
        x = layers.dense(height * width * channels, use_bias=not normed, name="dense")(x, train=train)
        x = finish(x.reshape(-1, height, width, channels), top)
        for level in range(top - 1, -1, -1):
            biased = level == 0 or not normed
            x = layers.conv_transpose(widths[level], sizes[level], use_bias=biased, name=f"up{level}")(x, train=train)
            x = finish(x, level) if level else x
        return jnp.tanh(x.astype(jnp.float32))


class Discriminator(nn.Module):
    """Convolutions of stride 2, leaky ReLU 0.2, then a dense layer on everything the last one leaves.

    A label's embedding is repeated at every position and joined to the channels after the first convolution
    (Reed et al. 2016 join a caption so; Perarnau et al. 2016 found the first layer the best place).
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 64
    max_width: int = 512
    norm: str = "batch"
    embed_dim: int = 32
    init_std: float = 0.02
    spectral: bool = False
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, image: Array, label: Array | None = None, *, train: bool) -> DiscriminatorOutput:
        sizes, widths = _levels(self.image_shape, self.width, self.max_width)
        normed = _check_norm(self.norm, "discriminator")
        kernel_init = nn.initializers.normal(self.init_std)
        layers = Layers(self.spectral, kernel_init=kernel_init, dtype=self.dtype)
        x = image.astype(self.dtype)
        for level in range(1, len(sizes)):
            norm = normed and level > 1
            x = layers.conv(widths[level], 4, 2, use_bias=not norm, name=f"down{level}")(x, train=train)
            x = BatchNorm(name=f"norm{level}")(x, train=train) if norm else x
            x = jax.nn.leaky_relu(x, 0.2)
            if level == 1 and self.num_classes:
                # At the scale of the kernels, as the activations are: unit vectors would drown the image.
                embedding = Embed(self.num_classes, self.embed_dim, embedding_init=kernel_init, dtype=self.dtype,
                                  name="embed")(label)
                maps = jnp.broadcast_to(embedding[:, None, None], (*x.shape[:3], self.embed_dim))
                x = jnp.concatenate([x, maps], axis=-1)
        features = x.reshape(x.shape[0], -1).astype(jnp.float32)
        logit = Layers(self.spectral, kernel_init=kernel_init).dense(1, name="logit")(features, train=train)[:, 0]
        return DiscriminatorOutput(logit=logit, features=features)


def _levels(image_shape: tuple[int, int, int], width: int, max_width: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Size and channels of every level, the image first."""
    *size, channels = image_shape
    if min(size) < SMALLEST:
        raise InputError(f"dcgan needs images of {SMALLEST}x{SMALLEST} or more, not {size[0]}x{size[1]}: "
                         "use the model mlp, or a larger config.data.resolution.")
    sizes, widths = [tuple(size)], [channels]
    while min(size) >= SMALLEST:
        size = [side // 2 for side in size]
        sizes.append(tuple(size))
        widths.append(min(width * 2 ** (len(widths) - 1), max_width))
    return sizes, widths


def _check_norm(norm: str, player: str) -> bool:
    if norm not in NORMS:
        raise InputError(f"config.{player}.norm: there is no {norm!r}. {catalogue.suggest(norm, NORMS)}")
    return norm == "batch"
