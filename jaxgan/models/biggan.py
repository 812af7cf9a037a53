"""BigGAN (Brock et al. 2019), with the sizes `resnet` takes.

One embedding of the label is shared by all layers; z is cut into one chunk for the dense layer and one for each block,
whose normalization is conditioned on the embedding and its chunk together. Attention at half the image's height (at
most 64), orthogonal initialisation, spectral normalization on both sides, a projection head, epsilons of 1e-4. In the
paper z is 120-dimensional at 128 pixels, 140 at 256 and 160 at 512, 20 a chunk, and the discriminator takes two steps
for one of the generator.

BatchNorm statistics are over the whole global batch wherever the step is one jitted program (the paper's cross-replica
statistics); `jaxgan.sample --standing=N` replaces the running ones by fresh ones.

Against the reference code: ajbrock's has norm_eps 1e-5 in the output norm whatever it is elsewhere (output_norm_eps),
iterates spectral normalization in evaluation too (spectral_iterate_in_eval), and for 32 pixels puts attention after
every block of the discriminator (attention_blocks=(1, 2, 3, 4)) with four times `width` in both. PyTorch-StudioGAN has
spectral_eps=1e-6 and, by an in-place ReLU, what relu_shortcut=True does in the discriminator.
"""

import functools
from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxgan.errors import InputError
from jaxgan.layers.conditional_norm import Norm
from jaxgan.layers.residual import generator_blocks, image_head
from jaxgan.layers.spectral import Layers
from jaxgan.models import _published, resnet
from jaxgan.models._stages import attention_stages, generator_stages
from jaxgan.typing import Array


class Generator(nn.Module):
    """Residual blocks with BatchNorm conditioned on [shared embedding of the label, chunk of z].

    hierarchical=False gives all of z to the dense layer and only the embedding to the blocks. Where z does not divide
    evenly, the first chunks are one longer. Without classes the condition is the chunk alone; without
    both it is plain BatchNorm. The embedding is not spectrally normalised. Other fields: see `resnet.Generator`.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 96
    multipliers: tuple[int, ...] | None = None
    num_up: int | None = None
    hierarchical: bool = True
    embed_dim: int = 128
    norm_eps: float = 1e-4
    output_norm_eps: float | None = None
    norm_momentum: float = 0.9
    attention: int | tuple[int, ...] | None = None
    attention_blocks: tuple[int, ...] = ()
    spectral: bool = True
    spectral_eps: float = 1e-4
    spectral_iterate_in_eval: bool = False
    initializer: str = "orthogonal"
    remat: bool = False
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        stages = generator_stages(self.image_shape, self.width, self.multipliers, self.num_up)
        attention = attention_stages(self.attention, self.attention_blocks, stages.heights, self.image_shape[0],
                                     "generator")
        layers = resnet.network_layers(self, "generator")
        embedding = shared_embedding(self, layers, label)
        chunks = self._chunks(z.astype(self.dtype), len(stages.widths))
        conditions = [joined([embedding, chunk]) for chunk in chunks[1:]]
        height, width = stages.bottom
        x = layers.dense(height * width * stages.first_width, name="dense")(chunks[0], train=train)
        x = x.reshape(-1, height, width, stages.first_width)
        norm = functools.partial(Norm, "conditional_batch", layers, self.norm_eps, self.norm_momentum)
        x = generator_blocks(x, stages.widths, conditions, attention, layers, norm, train=train,
                             remat=self.remat)
        return image_head(x, None, self.image_shape[2], layers, output_norm(self, layers), train=train)

    def _chunks(self, z: Array, num_blocks: int) -> list[Array | None]:
        """The dense layer's part of z, and each block's."""
        if not self.hierarchical:
            return [z] + [None] * num_blocks
        if z.shape[-1] <= num_blocks:
            raise InputError(f"config.latent.dim={z.shape[-1]} is too small to cut: {num_blocks + 1} or more are "
                             f"needed, for the dense layer and {num_blocks} blocks.")
        return jnp.array_split(z, num_blocks + 1, axis=-1)


class Discriminator(resnet.Discriminator):
    """`resnet.Discriminator` with BigGAN's width, attention and epsilons."""

    width: int = 96
    attention: int | tuple[int, ...] | None = None
    norm_eps: float = 1e-4
    spectral_eps: float = 1e-4


def shared_embedding(network: nn.Module, layers: Layers, label: Array | None) -> Array | None:
    """The embedding that all layers of `network` read, its child "embed"; None without classes."""
    if not network.num_classes:
        return None
    embed = layers.plain().embed(network.num_classes, network.embed_dim, name="embed")
    return embed(label, train=False)


def joined(parts: Sequence[Array | None]) -> Array | None:
    """Those that are there, side by side; None if none is."""
    there = [part for part in parts if part is not None]
    return jnp.concatenate(there, axis=-1) if there else None


def output_norm(network: nn.Module, layers: Layers) -> Norm:
    """The BatchNorm in front of the output convolution, child "norm"."""
    epsilon = network.norm_eps if network.output_norm_eps is None else network.output_norm_eps
    return Norm("batch", layers, epsilon, network.norm_momentum, name="norm")


def convert(tensors: Mapping[str, np.ndarray], where: str) -> tuple[Generator, tuple[int, ...], dict]:
    """A generator's state_dict, of PyTorch-StudioGAN or BigGAN-PyTorch -> its network, the shape of one latent that it
    takes, and its variables under our names, flat and with their collections. where: the file. See `describe`.

    Raises InputError where tensors are missing, unknown or of another shape.
    """
    network, taken = describe(tensors, where)
    return network, taken, _published.variables(_published.look(tensors), network, taken, where)


def describe(tensors: Mapping[str, np.ndarray], where: str) -> tuple[Generator, tuple[int, ...]]:
    """The generator that published tensors belong to, and the shape of one latent. `resnet` has the discriminators."""
    found = _published.look(tensors)
    needed = ("dense", "embed", "output", "block1/norm1/gain")
    if found is None or not all(map(found.weight, needed)):
        raise InputError(f"{where} does not hold the weights of a BigGAN generator: residual blocks, the layers before "
                         "and after them, and a shared embedding of the label are looked for.")
    num_classes, embed_dim = found.weight("embed")
    hierarchical = found.weight("block1/norm1/gain")[1] > embed_dim
    z_dim = found.weight("dense")[1] * (len(found.widths) + 1 if hierarchical else 1)
    return Generator(num_classes=num_classes, hierarchical=hierarchical, embed_dim=embed_dim,
                     **_published.generator_fields(found)), (z_dim,)
