"""What the StyleGANs share: the network from a latent to a style w, and a generator in two halves around it."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from jaxgan.layers.embed import Embed
from jaxgan.layers.equalized import EqualDense, leaky
from jaxgan.layers.modulation import EPSILON
from jaxgan.typing import Array


class StyleNetwork(nn.Module):
    """z [B, any] and label -> w [B, features]: dense layers, a hundredth of the learning rate. z or label may be None.

    Both are brought to a mean square of 1 first.
    """

    num_classes: int
    features: int
    layers: int
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, z: Array | None, label: Array | None) -> Array:
        parts = [] if z is None else [_normalised(z.astype(self.dtype))]
        if self.num_classes:
            embedding = Embed(self.num_classes, self.features, dtype=self.dtype, name="embed")(label)
            bias = self.param("embed_bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
            parts.append(_normalised(embedding / math.sqrt(self.num_classes) + bias))
        x = jnp.concatenate(parts, axis=-1)
        for number in range(self.layers):
            x = leaky(EqualDense(self.features, rate=0.01, dtype=self.dtype, name=f"dense{number}")(x))
        return x


class StyleGenerator(nn.Module):
    """z -> w -> image. The subclass's `setup` makes `num_ws`, `to_w` (a StyleNetwork), `to_image` (w -> image) and
    `w_mean` (a variable of "moving"); it may set `w_mean_decay` and `style_mixing`, which `mapping` reads.
    """

    w_mean_decay = 0.995  # neither is a field here: the subclass says which of them a config may choose
    style_mixing = 0.0

    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        return self.synthesis(self.mapping(z, label, train=train), train=train)

    def mapping(self, z: Array, label: Array | None = None, *, train: bool = False, psi: float | Array = 1.0,
                cutoff: int | None = None) -> Array:
        """w [B, num_ws, w_dim]. In training, its moving average "w_mean" takes the batch in, and styles are mixed.

        psi: truncation, w_mean + psi (w - w_mean), of the first `cutoff` rows, None for all.
        """
        w = self.to_w(z, label)
        if train and self.is_mutable_collection("moving") and not self.is_initializing():
            mean = lax.stop_gradient(w.mean(axis=0))
            self.w_mean.value = mean + self.w_mean_decay * (self.w_mean.value - mean)
        number = jnp.arange(self.num_ws)[:, None]
        w = self.rows(w)
        if train and self.style_mixing and self.has_rng("noise"):
            # Of the batch's own latents every one serves twice: each image sees an independent pair.
            other = self.to_w(jnp.roll(z, 1, axis=0), label)[:, None]
            whether, where = jax.random.split(self.make_rng("noise"))
            first = jax.random.randint(where, (len(w), 1, 1), 1, self.num_ws)
            mixed = jax.random.bernoulli(whether, self.style_mixing, first.shape) & (number >= first)
            w = jnp.where(mixed, other, w)
        if isinstance(psi, float | int) and psi == 1:
            return w
        truncated = self.w_mean.value + psi * (w - self.w_mean.value)
        return truncated if cutoff is None else jnp.where(number < cutoff, truncated, w)

    def synthesis(self, w: Array, *, train: bool = False) -> Array:
        """The image of w [B, num_ws, w_dim], or of w [B, w_dim] for all layers alike."""
        return self.to_image(self.rows(w), train=train)

    def rows(self, w: Array) -> Array:
        """w [B, w_dim] for every row, as [B, num_ws, w_dim]; or w as it is, where it has rows."""
        return jnp.broadcast_to(w[:, None], (w.shape[0], self.num_ws, w.shape[-1])) if w.ndim == 2 else w


def _normalised(x: Array) -> Array:
    return x * lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + EPSILON)
