"""What the networks that translate images have in common."""

import math

import flax.linen as nn
import jax.numpy as jnp
from jax.nn.initializers import normal
from jax.typing import DTypeLike

from jaxgan.layers.convolution import Conv
from jaxgan.layers.norm import instance_norm
from jaxgan.typing import Array

INITIAL = normal(0.02)  # where all kernels start
SMALLEST = 8  # pixels a side
WIDEST = 8  # times the first layer's channels


class Patches(nn.Module):
    """PatchGAN (Isola et al. 2017): image [B, H, W, C] -> (a logit for each patch [B, P], features [B, F]).

    `levels` 4×4 convolutions of stride 2, one of stride 1 and the logits': three levels see patches of 70×70. Of small
    images fewer are taken, so that a patch is left.
    """

    width: int
    levels: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, image: Array) -> tuple[Array, Array]:
        levels = min(self.levels, int(math.log2(min(image.shape[1:3]))) - 2)
        x = image.astype(self.dtype)
        for level in range(levels + 1):
            width, stride = self.width * min(2**level, WIDEST), 2 if level < levels else 1
            x = Conv(width, 4, stride, padding=1, kernel_init=INITIAL, dtype=self.dtype, name=f"layer{level}")(x)
            x = nn.leaky_relu(instance_norm(x) if level else x, 0.2)
        logit = Conv(1, 4, padding=1, kernel_init=INITIAL, name="logit")(x)
        return logit.reshape(len(logit), -1), x.astype(jnp.float32).mean(axis=(1, 2))


def continued(image: Array, multiple: int) -> Array:
    """The image with its own reflection below and to the right of it, up to sides that are multiples."""
    below, right = (-side % multiple for side in image.shape[1:3])
    return jnp.pad(image, ((0, 0), (0, below), (0, right), (0, 0)), mode="symmetric") if below or right else image
