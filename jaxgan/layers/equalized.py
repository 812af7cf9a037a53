"""Layers with an equalised learning rate, and the activation that goes with them (Karras et al. 2018, section 4.1)."""

import math

import flax.linen as nn
import jax.numpy as jnp
from jax.nn.initializers import Initializer
from jax.typing import DTypeLike

from jaxgan.layers.convolution import conv
from jaxgan.layers.resample import fir_blur, fir_downsample, fir_upsample
from jaxgan.typing import Array


class EqualDense(nn.Module):
    """x @ kernel / sqrt(inputs) + bias, the kernel N(0, 1): all layers learn at one rate under Adam.

    rate: what their learning rate is multiplied with, the initial function being the same.
    """

    features: int
    rate: float = 1.0
    bias_init: Initializer = nn.initializers.zeros
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel = self.param("kernel", nn.initializers.normal(1 / self.rate), (x.shape[-1], self.features))
        bias = self.param("bias", self.bias_init, (self.features,))
        kernel = kernel.astype(self.dtype) * (self.rate / math.sqrt(x.shape[-1]))
        return x.astype(self.dtype) @ kernel + bias.astype(self.dtype) * self.rate


class EqualConv(nn.Module):
    """Convolution by kernel / sqrt(size^2 inputs), the kernel N(0, 1); `change` halves or doubles the map as well.

    "down" filters with [1, 3, 3, 1] and then convolves with stride 2; a 1x1 kernel comes after "down" and before "up",
    the only size that "up" takes.
    """

    features: int
    size: int = 3
    change: str = ""
    use_bias: bool = True
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.normal(1.0), shape)
        kernel = kernel.astype(self.dtype) / math.sqrt(math.prod(shape[:3]))
        x = x.astype(self.dtype)
        if self.change == "down" and self.size > 1:
            x = conv(fir_blur(x, (self.size - 1,) * 2), kernel, stride=2, padding=0)
        else:
            x = conv(fir_downsample(x) if self.change == "down" else x, kernel)
        if self.change == "up":
            x = fir_upsample(x)
        return x + self.param("bias", nn.initializers.zeros, (self.features,)).astype(x.dtype) if self.use_bias else x


def leaky(x: Array, gain: float = 1.0, clamp: float | None = None) -> Array:
    """gain sqrt(2) times the leaky ReLU of slope 0.2, which keeps the variance; then at most gain clamp either way."""
    return clamped(nn.leaky_relu(x, 0.2) * (gain * math.sqrt(2)), clamp and clamp * gain)


def clamped(x: Array, limit: float | None) -> Array:
    """x, at most `limit` either way; None is no limit."""
    return x if limit is None else jnp.clip(x, -limit, limit)
