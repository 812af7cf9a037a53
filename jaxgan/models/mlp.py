"""Fully connected networks: for points in the plane, and the simplest thing that works on small images."""

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxgan import catalogue
from jaxgan.layers.embed import Embed
from jaxgan.layers.spectral import INITIALIZERS, Layers
from jaxgan.typing import Array, DiscriminatorOutput

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "leaky_relu": lambda x: jax.nn.leaky_relu(x, 0.2),
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
}
OUTPUTS: dict[str, Callable[[Array], Array]] = {"tanh": jnp.tanh, "linear": lambda x: x}


class Generator(nn.Module):
    """`depth` hidden layers of `width`, then one value a pixel.

    output: "tanh" for images; "linear" for points, whose density should not pile up at the edges: it leaves [-1, 1]
    where training lets it. A label is embedded and joined to z; `embed_dim` as in `dcgan.Generator`.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 128
    depth: int = 3
    activation: str = "relu"
    output: str = "tanh"
    embed_dim: int = 8
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        output = catalogue.find(OUTPUTS, self.output, "generator.output")
        activation = catalogue.find(ACTIVATIONS, self.activation, "generator.activation")
        height, width, channels = self.image_shape
        x = z.astype(self.dtype)
        if self.num_classes:
            embedding = Embed(self.num_classes, self.embed_dim, dtype=self.dtype, name="embed")(label)
            x = jnp.concatenate([x, embedding], axis=-1)
        layers = Layers(kernel_init=INITIALIZERS["he"], dtype=self.dtype)
        x = _hidden(x, self.width, self.depth, activation, layers, train)
        x = nn.Dense(height * width * channels, dtype=self.dtype, name="output")(x)
        return output(x.reshape(-1, height, width, channels).astype(jnp.float32))


class Discriminator(nn.Module):
    """`depth` hidden layers of `width` over the flattened image, joined by the embedding of the label.

    spectral: every layer is spectrally normalised (the embedding is not): no slope of the logit exceeds 1, or with silu
    1.1 for every hidden layer.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 128
    depth: int = 3
    activation: str = "leaky_relu"
    spectral: bool = False
    embed_dim: int = 32
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, image: Array, label: Array | None = None, *, train: bool) -> DiscriminatorOutput:
        activation = catalogue.find(ACTIVATIONS, self.activation, "discriminator.activation")
        x = image.reshape(image.shape[0], -1).astype(self.dtype)
        if self.num_classes:
            embedding = Embed(self.num_classes, self.embed_dim, dtype=self.dtype, name="embed")(label)
            x = jnp.concatenate([x, embedding], axis=-1)
        layers = Layers(self.spectral, kernel_init=INITIALIZERS["he"], dtype=self.dtype)
        features = _hidden(x, self.width, self.depth, activation, layers, train).astype(jnp.float32)
        last = dataclasses.replace(layers, kernel_init=nn.initializers.lecun_normal(), dtype="float32")
        logit = last.dense(1, name="logit")(features, train=train)[:, 0]
        return DiscriminatorOutput(logit=logit, features=features)


def _hidden(x: Array, width: int, depth: int, activation: Callable[[Array], Array], layers: Layers,
            train: bool) -> Array:
    for i in range(depth):
        x = activation(layers.dense(width, name=f"hidden{i}")(x, train=train))
    return x
