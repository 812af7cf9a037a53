"""pix2pix (Isola et al. 2017): a U-Net that makes an image from another of its size, and a judge of patches.

The label is the image to start from, z is not read. Normalization is that of the paper's batches of one: each image by
itself, in training and afterwards.
"""

import math

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxgan.errors import InputError
from jaxgan.layers.convolution import Conv, ConvTranspose
from jaxgan.layers.norm import instance_norm
from jaxgan.models._translation import INITIAL, SMALLEST, WIDEST, Patches, continued
from jaxgan.typing import Array, DiscriminatorOutput


class Generator(nn.Module):
    """Halved `levels` times, as often as it can be where that is less, and enlarged again beside what it was.

    dropout: the rate, in training alone, of what is 1/32 of the image's size or less. Images of other sizes than those
    trained on are continued by their reflection to the next that can be halved so often.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    label_shape: tuple[int, int, int] = ()
    width: int = 64
    levels: int = 8
    dropout: float = 0.5
    dtype: DTypeLike = "float32"

    scale = 1

    @property
    def reach(self) -> int:
        """Pixels of the label on each side that a pixel may depend on: normalization looks at all of them."""
        return max(self.image_shape[:2])

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        check("generator", self.image_shape, self.label_shape, label)
        levels = min(self.levels, int(math.log2(min(self.image_shape[:2]))))
        widths = [self.width * min(2**level, WIDEST) for level in range(levels)]
        x, kept = continued(label, 2**levels).astype(self.dtype), []
        for level in range(levels):
            x = Conv(widths[level], 4, 2, kernel_init=INITIAL, dtype=self.dtype, name=f"down{level}")(
                nn.leaky_relu(x, 0.2) if level else x)
            x = instance_norm(x) if 0 < level < levels - 1 else x  # of the last, one pixel may be all there is
            kept.append(x)
        for level in range(levels - 2, -1, -1):
            x = ConvTranspose(widths[level], 4, kernel_init=INITIAL, dtype=self.dtype, name=f"up{level}")(nn.relu(x))
            x = instance_norm(x)
            if level >= 4:
                x = nn.Dropout(self.dropout, deterministic=not train)(x)
            x = jnp.concatenate([x, kept[level]], axis=-1)
        x = ConvTranspose(self.image_shape[2], 4, kernel_init=INITIAL, dtype=self.dtype, name="image")(nn.relu(x))
        return jnp.tanh(x.astype(jnp.float32))[:, :label.shape[1], :label.shape[2]]


class Discriminator(nn.Module):
    """Says of every patch whether it is real, given the label beside it: a logit for each, [B, P]."""

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    label_shape: tuple[int, int, int] = ()
    width: int = 64
    levels: int = 3
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, image: Array, label: Array | None = None, *, train: bool) -> DiscriminatorOutput:
        check("discriminator", self.image_shape, self.label_shape, label)
        patches = Patches(self.width, self.levels, self.dtype, name="patches")
        return DiscriminatorOutput(*patches(jnp.concatenate([image, label], axis=-1)))


def check(player: str, image_shape: tuple[int, int, int], label_shape: tuple[int, ...], label: Array | None) -> None:
    """Raises InputError where images are not made from images of their size."""
    if len(label_shape) != 3 or label is None:
        raise InputError(f"config.{player}: pix2pix makes images from images: say from which, by data of pairs, or by "
                         "config.degradation, such as --config.degradation.lines=edges.")
    if image_shape[:2] != label_shape[:2] or min(image_shape[:2]) < SMALLEST:
        raise InputError(f"config.{player}: pix2pix makes images of the size of those it is given, "
                         f"{SMALLEST}×{SMALLEST} or more, not {image_shape[:2]} from {label_shape[:2]}: choose srgan, "
                         "or other data.")
