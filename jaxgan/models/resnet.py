"""The ResNets of WGAN-GP (Gulrajani et al. 2017), SNGAN (Miyato et al. 2018) and SAGAN (Zhang et al. 2019).

Images need sides that can be halved at least once, to 4 pixels or more (28x28, 32x32, 48x32, 96x96 ...); others are
refused. The generator doubles from the smallest map that halving reaches, the discriminator halves; `_stages` says how
often and how wide. With width=64 on 32x32 that is SNGAN's CIFAR-10 pair: 256 channels in G, 128 in D.

The recipes: SNGAN is the defaults; WGAN-GP sets discriminator.spectral=False (its norm is "none" already, as a
gradient penalty asks); SAGAN adds attention=32 and generator.spectral=True; self-modulation and AdaIN are
generator.conditioning.
initializer: "orthogonal", "glorot", "he" or "normal" (0.02); biases start at 0.

Against the reference code: PyTorch-StudioGAN has norm_eps=1e-4, spectral_eps=1e-6 and, by an in-place ReLU, what
relu_shortcut=True does. Biases in front of a normalization have no effect and no gradient; they are kept so that
published weights fit.
"""

import functools
from collections.abc import Mapping

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxgan.errors import InputError
from jaxgan.layers.attention import SelfAttention
from jaxgan.layers.conditional_norm import CONDITIONAL, PLAIN, Norm, label_vector
from jaxgan.layers.heads import AdversarialHead
from jaxgan.layers.recomputed import recomputed
from jaxgan.layers.residual import DiscriminatorBlock, generator_blocks, image_head, summed_features
from jaxgan.layers.spectral import INITIALIZERS, Layers
from jaxgan.models import _published
from jaxgan.models._stages import attention_stages, choose, discriminator_stages, generator_stages
from jaxgan.typing import Array, DiscriminatorOutput


class Generator(nn.Module):
    """z -> dense -> residual blocks, each doubling the size -> norm, ReLU, 3x3 convolution, tanh.

    conditioning, how a label comes in: "concat", its embedding of `embed_dim` joined to z; "conditional_batch", a scale
    and shift a class in every block; "self_modulation" or "adain", scales and shifts in every block and before the
    output that depend on z and, through z + E(y) + z * E'(y), on the label (Chen et al. 2019). The last two do
    so without labels too, the others are then plain. norm: "batch", "layer" or "none", where no conditioning sets it.
    attention: the height, or heights, of the feature maps that self-attention follows; attention_blocks: the same by
    block, from 1. multipliers: widths over `width`, of the first map and of each block; num_up: number of blocks.
    remat: blocks keep their inputs alone for the backward pass, see `recomputed`.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 64
    multipliers: tuple[int, ...] | None = None
    num_up: int | None = None
    conditioning: str = "conditional_batch"
    norm: str = "batch"
    norm_eps: float = 1e-5
    norm_momentum: float = 0.9
    embed_dim: int = 32
    hidden: int = 32
    attention: int | tuple[int, ...] | None = ()
    attention_blocks: tuple[int, ...] = ()
    spectral: bool = False
    spectral_eps: float = 1e-12
    spectral_iterate_in_eval: bool = False
    initializer: str = "orthogonal"
    remat: bool = False
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        stages = generator_stages(self.image_shape, self.width, self.multipliers, self.num_up)
        attention = attention_stages(self.attention, self.attention_blocks, stages.heights, self.image_shape[0],
                                     "generator")
        layers = network_layers(self, "generator")
        norm = functools.partial(Norm, layers=layers, epsilon=self.norm_eps, momentum=self.norm_momentum,
                                 hidden=self.hidden)
        z, condition = self._condition(layers, z.astype(self.dtype), label, train)
        inner = functools.partial(norm, kind=self._kind(condition))
        height, width = stages.bottom
        x = layers.dense(height * width * stages.first_width, name="dense")(z, train=train)
        x = x.reshape(-1, height, width, stages.first_width)
        x = generator_blocks(x, stages.widths, [condition] * len(stages.widths), attention, layers, inner, train=train,
                             remat=self.remat)
        # Class-conditional generators end in a plain normalization, modulated ones in one more of theirs.
        last = norm(kind="batch", name="norm") if self.conditioning == "conditional_batch" else inner(name="norm")
        return image_head(x, condition, self.image_shape[2], layers, last, train=train)

    def _condition(self, layers: Layers, z: Array, label: Array | None, train: bool) -> tuple[Array, Array | None]:
        """What enters the dense layer, and what the blocks are conditioned on."""
        choose(("concat", *CONDITIONAL), self.conditioning, "generator.conditioning")

        def embed(features: int, name: str = "embed") -> Array:
            return layers.embed(self.num_classes, features, name=name)(label, train=train)

        if self.conditioning in ("self_modulation", "adain"):
            modulation = z
            if self.num_classes:
                modulation = z + embed(z.shape[-1]) + z * embed(z.shape[-1], "embed_scale")
            return z, modulation
        if not self.num_classes:
            return z, None
        if self.conditioning == "concat":
            return jnp.concatenate([z, embed(self.embed_dim)], axis=-1), None
        return z, label_vector(label, self.num_classes).astype(self.dtype)

    def _kind(self, condition: Array | None) -> str:
        if condition is None:
            return choose(PLAIN, self.norm, "generator.norm")
        if self.norm != "batch":
            raise InputError(f"config.generator.norm={self.norm!r} does not go with conditioning="
                             f"{self.conditioning!r}, which is itself a normalization: leave it out.")
        return self.conditioning


class Discriminator(nn.Module):
    """Residual blocks, the first ones halving the size -> ReLU -> sum over positions -> head.

    head: "projection", which reads the label where there are classes and is else "linear"; "linear" never reads it,
    for the discriminators whose label side is an objective of its own; "san", see `AdversarialHead`. norm: "none",
    "batch" or "layer" (the main path alone has it). multipliers: widths over `width` of every block; num_down: how many
    of them halve, the first ones. relu_shortcut: see `DiscriminatorBlock`. attention, attention_blocks: as in the
    generator; with several blocks of one size, it follows the first.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 64
    multipliers: tuple[int, ...] | None = None
    num_down: int | None = None
    head: str = "projection"
    norm: str = "none"
    norm_eps: float = 1e-5
    norm_momentum: float = 0.9
    attention: int | tuple[int, ...] | None = ()
    attention_blocks: tuple[int, ...] = ()
    spectral: bool = True
    spectral_eps: float = 1e-12
    spectral_iterate_in_eval: bool = False
    relu_shortcut: bool = False
    initializer: str = "orthogonal"
    remat: bool = False
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, image: Array, label: Array | None = None, *, train: bool) -> DiscriminatorOutput:
        stages = discriminator_stages(self.image_shape, self.width, self.multipliers, self.num_down)
        attention = attention_stages(self.attention, self.attention_blocks, stages.heights, self.image_shape[0],
                                     "discriminator")
        layers = network_layers(self, "discriminator")
        norm = functools.partial(Norm, choose(PLAIN, self.norm, "discriminator.norm"), layers, self.norm_eps,
                                 self.norm_momentum)
        x = image.astype(self.dtype)
        for number, (features, down) in enumerate(zip(stages.widths, stages.downs), start=1):
            block = DiscriminatorBlock(features, layers, norm, down, first=number == 1,
                                       relu_shortcut=self.relu_shortcut, name=f"block{number}")
            x = recomputed(self.remat, lambda block, x: block(x, train=train), block, x)
            if number in attention:
                x = SelfAttention(layers, name=f"attention{number}")(x, train=train)
        head = AdversarialHead(self.head, self.num_classes, self.spectral, self.spectral_eps,
                               self.spectral_iterate_in_eval, layers.kernel_init, name="head")
        return head.output(summed_features(x), label, train=train)


def network_layers(network: Generator | Discriminator, player: str) -> Layers:
    init = choose(INITIALIZERS, network.initializer, f"{player}.initializer")
    return Layers(network.spectral, network.spectral_eps, network.spectral_iterate_in_eval, init, network.dtype)


def convert(tensors: Mapping[str, np.ndarray], where: str) -> tuple[Generator | Discriminator, tuple[int, ...], dict]:
    """A published state_dict -> its network, the shape of one latent or image that it takes, and its variables under
    our names, flat and with their collections. where: the file. See `describe`.

    Raises InputError where tensors are missing, unknown or of another shape.
    """
    network, taken = describe(tensors, where)
    return network, taken, _published.variables(_published.look(tensors), network, taken, where)


def describe(tensors: Mapping[str, np.ndarray], where: str) -> tuple[Generator | Discriminator, tuple[int, ...]]:
    """The network that published tensors belong to, and the shape of one latent or image that it takes: a generator of
    PyTorch-StudioGAN, or a discriminator of that or of BigGAN-PyTorch, whose BigGANs have the same ones."""
    found = _published.look(tensors)
    if found and found.weight("output") and found.source is _published.STUDIOGAN and not found.weight("embed"):
        gain = found.weight("block1/norm1/gain")
        network = Generator(num_classes=gain[1] if gain else 0, **_published.generator_fields(found))
        if len(dense := found.weight("dense")) == 2:
            return network, (dense[1],)
    if found and found.weight("head/linear") and not found.weight("output"):
        network = Discriminator(**_published.discriminator_fields(found))
        return network, network.image_shape
    raise InputError(f"{where} does not hold the weights of a ResNet GAN: residual blocks, and the linear layer before "
                     "or after them, are looked for.")
