"""Convolutions whose kernels a style scales, example by example."""

import math

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from jaxgan.layers.convolution import conv, conv_transpose
from jaxgan.layers.equalized import EqualDense
from jaxgan.layers.resample import fir_blur
from jaxgan.typing import Array

EPSILON = 1e-8


class ModulatedConv(nn.Module):
    """Modulated convolution without bias (StyleGAN2, Karras et al. 2020, section 2.2): x [B, H, W, C], w [B, w_dim].

    The style s = affine(w) scales the kernel's inputs, and demodulation its outputs to unit norm. Both are done to the
    feature maps, which is the same function: no example has a kernel of its own.
    demodulate=False, for 1x1 kernels to the image, divides by sqrt(C) instead.
    up: doubles the size, by a transposed convolution (3x3) and then the filter [1, 3, 3, 1]. The kernel is thus turned
    half around against the others', and the filter reaches past the edge, as in the reference code.
    Styles and norms are computed in float32 at least.
    """

    features: int
    size: int = 3
    up: bool = False
    demodulate: bool = True
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, x: Array, w: Array) -> Array:
        wide = jnp.promote_types(self.dtype, jnp.float32)
        style = EqualDense(x.shape[-1], bias_init=nn.initializers.ones, dtype=wide, name="affine")(w)
        kernel = self.param("kernel", nn.initializers.normal(1.0), (self.size, self.size, x.shape[-1], self.features))
        if self.demodulate:
            power = jnp.sum(kernel.astype(wide) ** 2, axis=(0, 1))
            factor = lax.rsqrt(style**2 @ power + EPSILON)
        else:
            style = style / math.sqrt(x.shape[-1])
        kernel = kernel.astype(self.dtype)
        x = x.astype(self.dtype) * style[:, None, None].astype(self.dtype)
        x = 4 * fir_blur(conv_transpose(x, kernel.swapaxes(2, 3), padding=0), (1, 1)) if self.up else conv(x, kernel)
        return x * factor[:, None, None].astype(self.dtype) if self.demodulate else x
