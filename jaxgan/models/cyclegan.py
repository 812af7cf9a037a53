"""CycleGAN (Zhu et al. 2017): two networks that translate images of two kinds into each other, and two judges.

An example is an image of the first kind above one of the second, and the label that images are made from likewise; z is
not read. Of the images that are made, too, the upper one is of the first kind: it is made from the lower one given, and
the lower from the upper.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxgan.errors import InputError
from jaxgan.layers.convolution import Conv, ConvTranspose
from jaxgan.layers.norm import instance_norm
from jaxgan.models._translation import INITIAL, SMALLEST, Patches, continued
from jaxgan.typing import Array, DiscriminatorOutput


class Translator(nn.Module):
    """Halved twice, residual blocks, enlarged twice (Johnson et al. 2016); borders are reflected."""

    channels: int
    width: int
    blocks: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, image: Array) -> Array:
        def conv(x: Array, features: int, size: int, name: str) -> Array:
            margin = size // 2
            x = jnp.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")
            return Conv(features, size, padding=0, kernel_init=INITIAL, dtype=self.dtype, name=name)(x)

        def finish(x: Array) -> Array:
            return nn.relu(instance_norm(x))

        x = finish(conv(continued(image, 4).astype(self.dtype), self.width, 7, "first"))
        for step, factor in enumerate((2, 4)):
            x = finish(Conv(factor * self.width, 3, 2, kernel_init=INITIAL, dtype=self.dtype, name=f"down{step}")(x))
        for block in range(self.blocks):
            y = finish(conv(x, 4 * self.width, 3, f"block{block}_0"))
            x = x + instance_norm(conv(y, 4 * self.width, 3, f"block{block}_1"))
        for step, factor in enumerate((2, 1)):
            x = finish(ConvTranspose(factor * self.width, 3, kernel_init=INITIAL, dtype=self.dtype,
                                     name=f"up{step}")(x))
        x = jnp.tanh(conv(x, self.channels, 7, "last").astype(jnp.float32))
        return x[:, :image.shape[1], :image.shape[2]]


class Generator(nn.Module):
    """[B, 2 H, W, C] -> [B, 2 H, W, C], each half translated into the other's kind and laid where that was.

    blocks: 9 for images of 256×256, 6 for 128×128. The halves may be of other sizes than those trained on.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    label_shape: tuple[int, int, int] = ()
    width: int = 64
    blocks: int = 9
    dtype: DTypeLike = "float32"

    scale = 1
    two_way = True

    @property
    def reach(self) -> int:
        """Pixels of the label on each side that a pixel may depend on: normalization looks at all of them."""
        return max(self.image_shape[:2])

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        check("generator", self.image_shape, self.label_shape, label)
        upper, lower = jnp.split(label, 2, axis=1)
        to_first, to_second = (Translator(self.image_shape[2], self.width, self.blocks, self.dtype, name=name)
                               for name in ("to_first", "to_second"))
        return jnp.concatenate([to_first(lower), to_second(upper)], axis=1)


class Discriminator(nn.Module):
    """Says of every patch of both halves whether it is real, without a look at the label: [B, 2 P]."""

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    label_shape: tuple[int, int, int] = ()
    width: int = 64
    levels: int = 3
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, image: Array, label: Array | None = None, *, train: bool) -> DiscriminatorOutput:
        check("discriminator", self.image_shape, self.label_shape, label)
        judged = [Patches(self.width, self.levels, self.dtype, name=name)(half)
                  for name, half in zip(("first", "second"), jnp.split(image, 2, axis=1))]
        logits, features = zip(*judged)
        return DiscriminatorOutput(jnp.concatenate(logits, axis=1), jnp.concatenate(features, axis=1))


def check(player: str, image_shape: tuple[int, int, int], label_shape: tuple[int, ...], label: Array | None) -> None:
    """Raises InputError where examples are not two images each."""
    if label is None or tuple(image_shape) != tuple(label_shape) or image_shape[0] % 2:
        raise InputError(f"config.{player}: cyclegan translates between two kinds of images, one above the other: take "
                         "data of config.data.name=unpaired, and no config.degradation.")
    if min(image_shape[0] // 2, image_shape[1]) < SMALLEST:
        raise InputError(f"config.{player}: cyclegan needs images of {SMALLEST}×{SMALLEST} or more: raise "
                         "config.data.of.resolution.")
