"""BigGAN-deep (Brock et al. 2019, appendix B): twice the blocks, each a bottleneck, and fewer parameters than BigGAN.

All of z and the label's shared embedding condition every normalization, and enter the dense layer. A stage is `depth`
blocks: in the generator the last of them doubles, in the discriminator the first halves; attention follows the stage.
The paper has width 128 and a z of 128. Everything else is as in `biggan`, its `standing_statistics` included.
ajbrock's code differs in the last convolution alone, which makes 128 channels and drops all but three.
"""

import functools

import flax.linen as nn
from jax.typing import DTypeLike

from jaxgan.layers.attention import SelfAttention
from jaxgan.layers.conditional_norm import Norm
from jaxgan.layers.heads import AdversarialHead
from jaxgan.layers.recomputed import recomputed
from jaxgan.layers.residual import DeepDiscriminatorBlock, DeepGeneratorBlock, image_head, summed_features
from jaxgan.models._stages import attention_stages, discriminator_stages, generator_stages
from jaxgan.models.biggan import joined, output_norm, shared_embedding
from jaxgan.models.resnet import network_layers
from jaxgan.typing import Array, DiscriminatorOutput


class Generator(nn.Module):
    """Bottleneck blocks with BatchNorm conditioned on [shared embedding of the label, z].

    multipliers may only fall, for the shortcuts drop channels. Other fields: see `biggan.Generator`.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 128
    depth: int = 2
    multipliers: tuple[int, ...] | None = None
    num_up: int | None = None
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
        layers = network_layers(self, "generator")
        condition = joined([z.astype(self.dtype), shared_embedding(self, layers, label)])
        norm = functools.partial(Norm, "conditional_batch", layers, self.norm_eps, self.norm_momentum)
        height, width = stages.bottom
        x = layers.dense(height * width * stages.first_width, name="dense")(condition, train=train)
        x = x.reshape(-1, height, width, stages.first_width)
        for number, features in enumerate(stages.widths, start=1):
            for turn in range(1, self.depth + 1):
                last = turn == self.depth
                block = DeepGeneratorBlock(features if last else x.shape[-1], layers, norm, up=last,
                                           name=f"block{number}_{turn}")
                x = recomputed(self.remat, lambda block, x, condition: block(x, condition, train=train), block, x,
                               condition)
            if number in attention:
                x = SelfAttention(layers, name=f"attention{number}")(x, train=train)
        return image_head(x, None, self.image_shape[2], layers, output_norm(self, layers), train=train)


class Discriminator(nn.Module):
    """A 3x3 convolution "stem", bottleneck blocks, ReLU, the sum over positions, the head.

    multipliers: the stem's width and every stage's, over `width`; they may only rise. Other fields: see
    `resnet.Discriminator`.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 128
    depth: int = 2
    multipliers: tuple[int, ...] | None = None
    num_down: int | None = None
    head: str = "projection"
    attention: int | tuple[int, ...] | None = None
    attention_blocks: tuple[int, ...] = ()
    spectral: bool = True
    spectral_eps: float = 1e-4
    spectral_iterate_in_eval: bool = False
    initializer: str = "orthogonal"
    remat: bool = False
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, image: Array, label: Array | None = None, *, train: bool) -> DiscriminatorOutput:
        stages = discriminator_stages(self.image_shape, self.width, self.multipliers, self.num_down)
        stem, *widths = stages.widths  # the stem takes the first width and the last, flat, place
        attention = attention_stages(self.attention, self.attention_blocks, stages.heights[:-1], self.image_shape[0],
                                     "discriminator")
        layers = network_layers(self, "discriminator")
        x = layers.conv(stem, name="stem")(image.astype(self.dtype), train=train)
        for number, (features, down) in enumerate(zip(widths, stages.downs), start=1):
            for turn in range(1, self.depth + 1):
                block = DeepDiscriminatorBlock(features, layers, down and turn == 1, name=f"block{number}_{turn}")
                x = recomputed(self.remat, lambda block, x: block(x, train=train), block, x)
            if number in attention:
                x = SelfAttention(layers, name=f"attention{number}")(x, train=train)
        head = AdversarialHead(self.head, self.num_classes, self.spectral, self.spectral_eps,
                               self.spectral_iterate_in_eval, layers.kernel_init, name="head")
        return head.output(summed_features(x), label, train=train)
