"""Spectral normalization (Miyato et al. 2018), and the layers that can have it.

The state of the power iteration is the collection "spectral", apart from "batch_stats": averaging weights or taking
standing statistics leaves it alone.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.nn.initializers import Initializer
from jax.typing import DTypeLike

from jaxgan.layers.convolution import conv, conv_transpose
from jaxgan.layers.embed import Embed as PlainEmbed
from jaxgan.typing import Array

# Where the kernels and tables of a network start.
INITIALIZERS: dict[str, Initializer] = {
    "orthogonal": nn.initializers.orthogonal(),
    "glorot": nn.initializers.glorot_uniform(),
    "he": nn.initializers.he_normal(),
    "normal": nn.initializers.normal(0.02),
}


class SpectralNorm(nn.Module):
    """A kernel divided by an estimate of its largest singular value.

    The kernel is seen as a matrix of outputs (`out_axis`) by everything else. "u" and "v", its left and right singular
    vectors, are improved by one power iteration a training forward, and stored where "spectral" is mutable; gradients
    flow through the singular value u^T W v with u and v held fixed. Evaluation uses the stored pair, as PyTorch does;
    iterate_in_eval=True iterates there too, without storing, as ajbrock's BigGAN does.
    eps: the least norm divided by. Computed in at least float32, whatever the network computes in.
    """

    out_axis: int = -1
    eps: float = 1e-12
    iterate_in_eval: bool = False

    @nn.compact
    def __call__(self, kernel: Array, *, train: bool) -> Array:
        matrix = jnp.moveaxis(kernel, self.out_axis, -1)
        matrix = matrix.reshape(-1, matrix.shape[-1])
        fixed = jax.lax.stop_gradient(matrix)
        left = self.variable("spectral", "u", lambda: self._unit(_start(matrix.shape[1])))
        right = self.variable("spectral", "v", lambda: self._unit(_product(fixed, left.value)))
        u, v = left.value, right.value
        if train or self.iterate_in_eval:
            v = self._unit(_product(fixed, u))
            u = self._unit(_product(v, fixed))
        sigma = _product(v, _product(matrix, u))
        if train and self.is_mutable_collection("spectral"):
            # A kernel that is still all zeros must not leave vectors that no later one can move.
            left.value = jnp.where(sigma > 0, u, left.value)
            right.value = jnp.where(sigma > 0, v, right.value)
        return kernel / jnp.maximum(sigma, self.eps)

    def _unit(self, vector: Array) -> Array:
        return vector / jnp.maximum(jnp.linalg.norm(vector), self.eps)


def _start(size: int) -> Array:
    # Any vector will do that the kernel does not happen to annihilate; drawing one with JAX costs seconds of compiling.
    return jnp.asarray(np.random.default_rng(0).standard_normal(size), jnp.float32)


def _product(a: Array, b: Array) -> Array:
    # An accelerator's fast matrix products would leave the singular value three digits.
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


class _Layer(nn.Module):
    """What the layers below share: kernel (float32, spectrally normalised if asked), bias, and computing in `dtype`.

    Every layer is called as layer(x, train=train); `train` matters to spectral normalization alone.
    """

    features: int
    use_bias: bool = True
    spectral: bool = False
    spectral_eps: float = 1e-12
    iterate_in_eval: bool = False
    kernel_init: Initializer = INITIALIZERS["orthogonal"]
    dtype: DTypeLike = "float32"

    def kernel(self, shape: tuple[int, ...], train: bool, *, name: str = "kernel", out_axis: int = -1) -> Array:
        kernel = self.param(name, self.kernel_init, shape)
        if self.spectral:
            norm = SpectralNorm(out_axis, self.spectral_eps, self.iterate_in_eval, name="spectral")
            kernel = norm(kernel, train=train)
        return kernel.astype(self.dtype)

    def biased(self, y: Array) -> Array:
        if self.use_bias:
            y = y + self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        return y


class Dense(_Layer):
    """x [..., C] -> [..., features]."""

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        kernel = self.kernel((x.shape[-1], self.features), train)
        return self.biased(x.astype(self.dtype) @ kernel)


class Conv(_Layer):
    """A square convolution that keeps the size at stride 1, when `kernel_size` is odd: [B, H, W, C] -> [B, h, w, F]."""

    kernel_size: int = 3
    stride: int = 1

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        kernel = self.kernel((self.kernel_size, self.kernel_size, x.shape[-1], self.features), train)
        return self.biased(conv(x.astype(self.dtype), kernel, stride=self.stride))


class ConvTranspose(_Layer):
    """A square transposed convolution to `stride` times the size: [B, H, W, C] -> [B, stride H, stride W, features].

    output_shape: another (height, width), as `conv_transpose` has it; an odd size is reached so.
    The kernel [k, k, features, C] is that of the convolution this is the adjoint of; `features` are its outputs to
    spectral normalization, as they are to PyTorch. An initialiser that counts fan-in takes them for inputs.
    """

    kernel_size: int = 4
    stride: int = 2
    output_shape: tuple[int, int] | None = None

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        shape = (self.kernel_size, self.kernel_size, self.features, x.shape[-1])
        kernel = self.kernel(shape, train, out_axis=2)
        y = conv_transpose(x.astype(self.dtype), kernel, stride=self.stride, output_shape=self.output_shape)
        return self.biased(y)


class Embed(_Layer):
    """One learned vector a class, as `jaxgan.layers.embed.Embed`: label -> [B, features].

    To spectral normalization the classes are the outputs (they are the rows of PyTorch's matrix). No bias.
    """

    num_classes: int = 0

    @nn.compact
    def __call__(self, label: Array | None, *, train: bool) -> Array:
        table = self.kernel((self.num_classes, self.features), train, name="embedding", out_axis=0)
        lookup = PlainEmbed(self.num_classes, self.features, dtype=self.dtype, parent=None)
        return lookup.apply({"params": {"embedding": table}}, label)


@dataclasses.dataclass(frozen=True)
class Layers:
    """How the layers of one network are made: alike but for their sizes."""

    spectral: bool = False
    spectral_eps: float = 1e-12
    iterate_in_eval: bool = False
    kernel_init: Initializer = INITIALIZERS["orthogonal"]
    dtype: DTypeLike = "float32"

    def plain(self) -> "Layers":
        """The same without spectral normalization."""
        return dataclasses.replace(self, spectral=False)

    def dense(self, features: int, *, name: str, use_bias: bool = True) -> Dense:
        return Dense(features, use_bias, name=name, **dataclasses.asdict(self))

    def conv(self, features: int, kernel_size: int = 3, stride: int = 1, *, name: str, use_bias: bool = True) -> Conv:
        return Conv(features, use_bias, kernel_size=kernel_size, stride=stride, name=name, **dataclasses.asdict(self))

    def conv_transpose(self, features: int, output_shape: tuple[int, int], *, name: str,
                       use_bias: bool = True) -> ConvTranspose:
        return ConvTranspose(features, use_bias, output_shape=output_shape, name=name, **dataclasses.asdict(self))

    def embed(self, num_classes: int, features: int, *, name: str) -> Embed:
        return Embed(features, num_classes=num_classes, name=name, **dataclasses.asdict(self))
