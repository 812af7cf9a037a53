"""Images made better: residual generators that begin as bicubic interpolation, and a discriminator of patches.

SRGAN (Ledig et al. 2017) and ESRGAN (Wang et al. 2018), without normalization, as EDSR (Lim et al. 2017) has it. The
label is the image to start from, z is not read. What a pixel becomes depends on those around it alone, so an image of
any size can be given, or a large one in tiles.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxgan import catalogue
from jaxgan.errors import InputError
from jaxgan.layers.convolution import Conv
from jaxgan.layers.spectral import Layers
from jaxgan.typing import Array, DiscriminatorOutput

BLOCKS = {"residual": 2, "rrdb": 15}  # convolutions in a row
GROWTH = 5  # convolutions of a dense block
RESIDUAL_SCALE = 0.2
CUBIC_REACH = 2  # pixels on each side that bicubic interpolation reads


class Block(nn.Module):
    """Two convolutions with a leaky ReLU between, added to what came in; or three dense blocks, likewise."""

    kind: str
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Array) -> Array:
        width = x.shape[-1]
        small = nn.initializers.variance_scaling(0.1, "fan_in", "truncated_normal")
        if self.kind == "residual":
            y = nn.relu(Conv(width, dtype=self.dtype, name="conv0")(x))
            return x + Conv(width, kernel_init=small, dtype=self.dtype, name="conv1")(y)
        y = x
        for dense in range(3):
            kept = [y]
            for number in range(GROWTH):
                last = number == GROWTH - 1
                conv = Conv(width if last else width // 2, kernel_init=small, dtype=self.dtype,
                            name=f"dense{dense}_{number}")
                made = conv(jnp.concatenate(kept, axis=-1))
                kept.append(made if last else nn.leaky_relu(made, 0.2))
            y = y + RESIDUAL_SCALE * kept[-1]
        return x + RESIDUAL_SCALE * y


class Generator(nn.Module):
    """Bicubic interpolation of the label, and what a residual network adds to it: [B, h, w, c] -> [B, H, W, C].

    block: "residual" (SRResNet) or "rrdb" (ESRGAN). The features are made H / h times larger at the end, a factor of 2
    after another, each by a convolution whose channels are shuffled into pixels (Shi et al. 2016). The label's further
    channels, such as where holes are, are read but not interpolated.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    label_shape: tuple[int, int, int] = ()
    width: int = 64
    blocks: int = 16
    block: str = "residual"
    dtype: DTypeLike = "float32"

    @property
    def scale(self) -> int:
        """How many times larger the image is than the label."""
        return scale_of("generator", self.image_shape, self.label_shape)

    @property
    def reach(self) -> int:
        """Pixels of the label on each side of a pixel that its image may depend on."""
        # Each convolution looks one pixel far, and after a shuffle pixels are half as large.
        fine = sum(1 / 2**step for step in range(int(math.log2(self.scale)))) + 1 / self.scale
        return max(2 + BLOCKS[self.block] * self.blocks + math.ceil(fine), CUBIC_REACH)

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        if self.block not in BLOCKS:
            raise InputError(f"config.generator.block: there is no {self.block!r}. "
                             f"{catalogue.suggest(self.block, BLOCKS)}")
        scale = self.scale  # refuses what does not fit
        if label is None:
            raise InputError("This generator makes images from images: give it one as its label.")
        x = first = Conv(self.width, dtype=self.dtype, name="first")(label)
        for number in range(self.blocks):
            x = Block(self.block, self.dtype, name=f"block{number}")(x)
        x = first + Conv(self.width, dtype=self.dtype, name="middle")(x)
        for step in range(int(math.log2(scale))):
            x = shuffled(Conv(4 * self.width, dtype=self.dtype, name=f"up{step}")(x))
            x = nn.leaky_relu(x, 0.2)
        channels = self.image_shape[2]
        small = nn.initializers.variance_scaling(0.01, "fan_in", "truncated_normal")
        detail = Conv(channels, kernel_init=small, dtype=self.dtype, name="last")(x)
        return enlarged(label[..., :channels], scale) + detail.astype(jnp.float32)


class Discriminator(nn.Module):
    """Says of every patch whether it is real, given the label (Isola et al. 2017): a logit for each, [B, P].

    `levels` convolutions of stride 2 and one of stride 1 read the image beside the interpolated label.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    label_shape: tuple[int, int, int] = ()
    width: int = 64
    levels: int = 3
    spectral: bool = True
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, image: Array, label: Array | None = None, *, train: bool) -> DiscriminatorOutput:
        scale = scale_of("discriminator", self.image_shape, self.label_shape)
        if label is None:
            raise InputError("This discriminator judges images beside those they were made from: give it a label.")
        if min(self.image_shape[:2]) < 2**self.levels:
            raise InputError(f"config.discriminator.levels is {self.levels}, more halvings than images of "
                             f"{self.image_shape[0]}×{self.image_shape[1]} allow: choose fewer.")
        layers = Layers(self.spectral, dtype=self.dtype)
        x = jnp.concatenate([image, enlarged(label, scale)], axis=-1).astype(self.dtype)
        for level in range(self.levels):
            width = min(self.width * 2**level, 8 * self.width)
            x = nn.leaky_relu(layers.conv(width, 4, 2, name=f"down{level}")(x, train=train), 0.2)
        x = nn.leaky_relu(layers.conv(2 * self.width, name="patches")(x, train=train), 0.2).astype(jnp.float32)
        logit = Layers(self.spectral).conv(1, name="logit")(x, train=train)
        return DiscriminatorOutput(logit=logit.reshape(len(logit), -1), features=x.mean(axis=(1, 2)))


def scale_of(player: str, image_shape: tuple[int, int, int], label_shape: tuple[int, ...]) -> int:
    """How many times larger images are than labels. Raises InputError where that is no power of two."""
    if len(label_shape) != 3:
        raise InputError(f"config.{player}: srgan makes images from images: say from which, by config.degradation, "
                         "such as --config.degradation.small=downsample.")
    scale = image_shape[0] // label_shape[0]
    if scale & (scale - 1) or tuple(image_shape[:2]) != tuple(side * scale for side in label_shape[:2]):
        raise InputError(f"config.{player}: srgan enlarges by powers of two, not {label_shape[:2]} to "
                         f"{image_shape[:2]}: change config.degradation.")
    return scale


def enlarged(image: Array, scale: int) -> Array:
    """Bicubic interpolation to `scale` times the size."""
    if scale == 1:
        return image
    batch, height, width, channels = image.shape
    return jax.image.resize(image, (batch, height * scale, width * scale, channels), "cubic")


def shuffled(x: Array) -> Array:
    """Four channels made into 2×2 pixels: [B, H, W, 4 C] -> [B, 2 H, 2 W, C]."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height, width, 2, 2, channels // 4).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, 2 * height, 2 * width, channels // 4)
