"""Heads on the features of a discriminator: head(features [B, F], label) -> what DiscriminatorOutput.extra holds.

spectral: spectral normalization of the head's kernels, for a discriminator that has it in its own. A head is asked in
training alone, so it always takes the training forward of that normalization.
"""

import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from jaxgan.conditioning.base import wide
from jaxgan.layers.spectral import Layers
from jaxgan.typing import Array


class Classifier(nn.Module):
    """`num_outputs` linear scores, [B, num_outputs] float32. The label is not read."""

    num_outputs: int
    spectral: bool = False

    @nn.compact
    def __call__(self, features: Array, label: Array | None = None) -> Array:
        return Layers(self.spectral).dense(self.num_outputs, name="score")(wide(features), train=True)


class Embedding(nn.Module):
    """A point on the unit sphere of `dim` dimensions for each image, and the one of its class.

    Returns {"image": [B, dim], "proxy": [B, dim]}, float32. Both tables start orthogonal: entries of size 1/sqrt(dim),
    whose direction an optimizer of fixed step can still turn.
    """

    num_classes: int
    dim: int
    spectral: bool = False

    @nn.compact
    def __call__(self, features: Array, label: Array) -> dict[str, Array]:
        layers = Layers(self.spectral)
        image = layers.dense(self.dim, name="image")(wide(features), train=True)
        proxy = layers.embed(self.num_classes, self.dim, name="proxy")(label, train=True)
        return {"image": unit(image), "proxy": unit(proxy)}


def unit(x: Array) -> Array:
    """x / ||x|| along the last axis; near 0, x / 1e-8, so that the gradient stays finite there."""
    squared = jnp.sum(x**2, axis=-1, keepdims=True)
    return x * lax.rsqrt(jnp.maximum(squared, 1e-16))


def similarities(image: Array) -> Array:
    """The inner product of every pair, [B, B], in full precision on accelerators too."""
    return jnp.matmul(image, image.T, precision=lax.Precision.HIGHEST)
