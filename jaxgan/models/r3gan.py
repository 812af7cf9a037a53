"""R3GAN (Huang et al. 2024, "The GAN is dead; long live the GAN!"): residual bottlenecks and nothing to normalise them.

Both networks are stages, one for each size from the image's down by halves. A stage is residual blocks of a 1x1, a
grouped 3x3 and a 1x1 convolution, `expansion` times as wide inside, with leaky ReLU 0.2 between them. Between stages
maps are resampled with [1, 2, 1] kernels, the generator's after the 1x1 convolution that changes the width, the
discriminator's before it. At the smallest size a learned basis of images, weighted by z, begins the generator, and the
discriminator ends in the products with one; a label is embedded and joined to z, or multiplied with what is left.

Initialisation is fix-up's: the last convolution of each block starts at zero, the other two are smaller the more blocks
there are. The gain of the leaky ReLU is in it alone, not in the forward pass. The generator's last layer is linear, so
its images may leave [-1, 1].

Published: width=768 with multipliers (1, 1, 1, 1) for CIFAR-10, width=384 with (2, 2, 2, 2, 1) for FFHQ at 64 pixels
(the discriminator's reversed). Sizes need not be square nor powers of two. `convert` takes published weights.
"""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict
from jax.nn.initializers import Initializer
from jax.typing import DTypeLike

from jaxgan.errors import InputError
from jaxgan.interop import names
from jaxgan.layers.convolution import Conv
from jaxgan.layers.embed import Embed
from jaxgan.layers.recomputed import recomputed
from jaxgan.layers.resample import fir_downsample, fir_upsample
from jaxgan.typing import Array, DiscriminatorOutput

SMALLEST = 4  # sides of the first map, where nobody says otherwise
SLOPE = 0.2


class Stage(NamedTuple):
    """One size of feature map, and what is computed on it. number: 0 is the network's first."""

    number: int
    size: tuple[int, int]
    width: int
    blocks: int
    dtype: DTypeLike


class Block(nn.Module):
    """x + 1x1(leaky(grouped 3x3(leaky(1x1(x))))), the inner maps `hidden` wide."""

    hidden: int
    groups: int
    kernel_init: Initializer
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        y = Conv(self.hidden, 1, kernel_init=self.kernel_init, dtype=self.dtype, name="conv1")(x)
        y = Conv(self.hidden, 3, groups=self.groups, kernel_init=self.kernel_init, dtype=self.dtype,
                 name="conv2")(nn.leaky_relu(y, SLOPE))
        y = Conv(x.shape[-1], 1, use_bias=False, kernel_init=nn.initializers.zeros, dtype=self.dtype,
                 name="conv3")(nn.leaky_relu(y, SLOPE))
        return x + y


class Generator(nn.Module):
    """[z, embedding of the label] -> weights of the basis -> stages from the smallest -> 1x1 convolution.

    multipliers: widths over `width`, one a stage, the smallest first; None is 1 for each halving that leaves both
    sides whole and at least 4. blocks: residual blocks a stage, one number or one for each. group_width: channels of a
    group of the 3x3 convolutions (16 published, 32 for ImageNet). embed_dim: of the label.
    float32_stages: so many stages, the smallest ones, are computed in float32 whatever `dtype`. remat: blocks keep
    their inputs alone for the backward pass, see `recomputed`.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 768
    multipliers: tuple[int, ...] | None = None
    blocks: int | tuple[int, ...] = 2
    expansion: int = 2
    group_width: int = 16
    embed_dim: int = 64
    float32_stages: int = 0
    remat: bool = False
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        first, *others = stages = _stages(self)
        z = z.astype(first.dtype)
        if self.num_classes:
            embed = Embed(self.num_classes, self.embed_dim, nn.initializers.normal(self.num_classes**-0.5),
                          dtype=first.dtype, name="embed")
            z = jnp.concatenate([z, embed(label)], axis=-1)
        basis = self.param("basis", nn.initializers.normal(1.0), (*first.size, first.width))
        weights = nn.Dense(first.width, use_bias=False, dtype=first.dtype, kernel_init=_normal(), name="dense")(z)
        x = _blocks(self, weights[:, None, None] * basis.astype(first.dtype), first, stages)
        for stage in others:
            x = fir_upsample(_widened(x.astype(stage.dtype), stage, stage.width))
            x = _blocks(self, x, stage, stages)
        x = Conv(self.image_shape[2], 1, use_bias=False, kernel_init=_normal(), dtype=self.dtype, name="output")(x)
        return _wide(x)


class Discriminator(nn.Module):
    """1x1 convolution -> stages from the largest -> products with the basis -> linear.

    Fields are the generator's, but multipliers are of the largest stage first. embed_dim: of the label, whose embedding
    the linear layer's output is multiplied with; None is the width of the last stage.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 768
    multipliers: tuple[int, ...] | None = None
    blocks: int | tuple[int, ...] = 2
    expansion: int = 2
    group_width: int = 16
    embed_dim: int | None = None
    float32_stages: int = 0
    remat: bool = False
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, image: Array, label: Array | None = None, *, train: bool) -> DiscriminatorOutput:
        stages = _stages(self)
        first, last = stages[0], stages[-1]
        x = Conv(first.width, 1, use_bias=False, kernel_init=_normal(), dtype=first.dtype, name="input")(image)
        for stage, following in zip(stages, [*stages[1:], None]):
            x = _blocks(self, x.astype(stage.dtype), stage, stages)
            if following:
                x = _widened(fir_downsample(x), stage, following.width)
        basis = self.param("basis", nn.initializers.normal(math.prod(last.size) ** -0.5), (*last.size, last.width))
        features = jnp.sum(_wide(x) * basis, axis=(1, 2))
        embed_dim = (self.embed_dim or last.width) if self.num_classes else 1
        linear = nn.Dense(embed_dim, use_bias=False, dtype=features.dtype, kernel_init=_normal(), name="logit")
        answer = linear(features)
        if self.num_classes:
            init = nn.initializers.normal((embed_dim * self.num_classes) ** -0.5)
            answer *= Embed(self.num_classes, embed_dim, init, dtype=features.dtype, name="embed")(label)
        return DiscriminatorOutput(logit=jnp.sum(answer, axis=-1), features=features)


def _stages(network: Generator | Discriminator) -> list[Stage]:
    """The network's stages in the order of its computation."""
    height, width, _ = network.image_shape
    multipliers = network.multipliers or (1,) * _count_stages(height, width)
    count, player = len(multipliers), "generator" if isinstance(network, Generator) else "discriminator"
    if height % 2 ** (count - 1) or width % 2 ** (count - 1):
        raise InputError(f"config.{player}.multipliers has {count} numbers, but {height}x{width} images cannot be "
                         f"halved {count - 1} times: give fewer, or a config.data.resolution divisible by "
                         f"{2 ** (count - 1)}.")
    blocks = (network.blocks,) * count if isinstance(network.blocks, int) else network.blocks
    if len(blocks) != count:
        raise InputError(f"config.{player}.blocks must be one number, or {count}, one a stage; got {len(blocks)}.")
    halvings = list(range(count))[::-1 if player == "generator" else 1]
    return [Stage(number, (height >> times, width >> times), network.width * multipliers[number], blocks[number],
                  "float32" if times >= count - network.float32_stages else network.dtype)
            for number, times in enumerate(halvings)]


def _count_stages(height: int, width: int) -> int:
    count = 1
    while all(side % 2**count == 0 and side >> count >= SMALLEST for side in (height, width)):
        count += 1
    return count


def _blocks(network: Generator | Discriminator, x: Array, stage: Stage, stages: list[Stage]) -> Array:
    """The residual blocks of one stage. Called inside `network`, whose children they become."""
    gain = math.sqrt(2 / (1 + SLOPE**2)) * sum(stage.blocks for stage in stages) ** -0.25
    hidden = stage.width * network.expansion
    group_width = min(network.group_width, hidden)
    if hidden % group_width:
        raise InputError(f"r3gan: the {hidden} channels inside a block cannot be cut into groups of {group_width}. "
                         "Change width or group_width.")
    for number in range(stage.blocks):
        block = Block(hidden, hidden // group_width, _normal(gain), stage.dtype,
                      name=f"stage{stage.number}_block{number}")
        x = recomputed(network.remat, lambda block, x: block(x), block, x)
    return x


def _widened(x: Array, stage: Stage, width: int) -> Array:
    """x with `width` channels, by a 1x1 convolution where it has others."""
    if x.shape[-1] == width:
        return x
    return Conv(width, 1, use_bias=False, kernel_init=_normal(), dtype=stage.dtype,
                name=f"stage{stage.number}_resize")(x)


def _normal(gain: float = 1.0) -> Initializer:
    return nn.initializers.variance_scaling(gain**2, "fan_in", "normal")


def _wide(x: Array) -> Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


# Published weights: the state_dicts of the authors' PyTorch networks.

FIRST, LAST = "Model.ExtractionLayer.Layer.weight", "Model.AggregationLayer.Layer.weight"
EMBEDDING = "Model.EmbeddingLayer.weight"
LAYER = "Model.MainLayers.{}.Layers.{}"
IGNORED = r".*\.Resampler\.Kernel"  # the fixed kernels of `fir_upsample` and `fir_downsample`


def published_names(network: Generator | Discriminator) -> dict[str, str]:
    """Our name of every parameter the network may have, flat -> the published one.

    A published stage is a list of layers, the change of size and the blocks in the order of the computation.
    """
    stages, generator = _stages(network), isinstance(network, Generator)
    table = {"embed/embedding": EMBEDDING}
    for stage in stages:
        ours = f"stage{stage.number}"
        for block in range(stage.blocks):
            theirs = LAYER.format(stage.number, block + generator)
            table |= {f"{ours}_block{block}/conv{i}/kernel": f"{theirs}.LinearLayer{i}.Layer.weight" for i in (1, 2, 3)}
            table |= {f"{ours}_block{block}/conv{i}/bias": f"{theirs}.NonLinearity{i}.Bias" for i in (1, 2)}
        change = LAYER.format(stage.number, 0 if generator else stage.blocks)
        table[f"{ours}_resize/kernel"] = f"{change}.LinearLayer.Layer.weight"
    if generator:
        change = LAYER.format(0, 0)
        return table | {"basis": f"{change}.Basis", "dense/kernel": f"{change}.LinearLayer.weight",
                        "output/kernel": LAST}
    return table | {"basis": f"{change}.Basis.weight", "logit/kernel": f"{change}.LinearLayer.weight",
                    "input/kernel": FIRST}


def convert(tensors: Mapping[str, np.ndarray], where: str) -> tuple[Generator | Discriminator, tuple[int, ...], dict]:
    """A published state_dict -> its network, the shape of one latent or image that it takes, and its parameters under
    our names, flat and with their collection ("params/..."). where: the file, for messages.

    Raises InputError where tensors are missing, unknown or of another shape.
    """
    network, taken = describe(tensors, where)
    table, label = published_names(network), jnp.zeros(1, jnp.int32)
    params = jax.eval_shape(lambda given: network.init(jax.random.key(0), given, label, train=False)["params"],
                            jax.ShapeDtypeStruct((1, *taken), jnp.float32))
    shapes = {name: leaf.shape for name, leaf in flatten_dict(params, sep="/").items()}
    wanted = {table[name]: _published_shape(table[name], shape) for name, shape in shapes.items()}
    names.check(tensors, wanted, where, IGNORED)
    return network, taken, {f"params/{name}": _ours(name, tensors[table[name]]) for name in shapes}


def describe(tensors: Mapping[str, np.ndarray], where: str) -> tuple[Generator | Discriminator, tuple[int, ...]]:
    """The network that published tensors belong to, and the shape of one latent or image that it takes."""
    try:
        return _described({name: tensor.shape for name, tensor in tensors.items()})
    except (LookupError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{where} does not hold the weights of an R3GAN generator or discriminator: a Basis, blocks "
                         f"in every stage, and {LAST} or {FIRST} are looked for.") from error


def _described(shapes: Mapping[str, tuple[int, ...]]) -> tuple[Generator | Discriminator, tuple[int, ...]]:
    player = Generator if LAST in shapes else Discriminator
    first_of_block = re.compile(LAYER.format(r"(\d+)", r"\d+") + r"\.LinearLayer1\.Layer\.weight")
    stages: dict[int, list] = {}
    for name in filter(first_of_block.fullmatch, shapes):
        stages.setdefault(int(first_of_block.fullmatch(name)[1]), []).append(shapes[name])
    blocks = [stages[number] for number in range(len(stages))]
    (hidden, narrow, *_), *_ = blocks[0]
    widths = [each[0][1] for each in blocks]
    width = math.gcd(*widths)
    (bottom,) = [shape[-2:] for name, shape in shapes.items() if re.search(r"\.Basis(\.weight)?$", name)]
    channels = shapes[LAST][0] if player is Generator else shapes[FIRST][1]
    image_shape = (*(side << (len(blocks) - 1) for side in bottom), channels)
    embed_dim, num_classes = shapes.get(EMBEDDING, (0, 0))
    _, group_width, *_ = shapes[LAYER.format(0, int(player is Generator)) + ".LinearLayer2.Layer.weight"]
    network = player(image_shape, num_classes, width, tuple(each // width for each in widths), tuple(map(len, blocks)),
                     hidden // narrow, group_width, embed_dim or player.embed_dim)
    if player is Discriminator:
        return network, image_shape
    return network, (shapes[LAYER.format(0, 0) + ".LinearLayer.weight"][1] - embed_dim,)


def _published_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if ".Basis" in name:
        return (shape[2], *(1,) * name.endswith("weight"), *shape[:2])
    return tuple(shape[axis] for axis in {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[len(shape)])


def _ours(name: str, tensor: np.ndarray) -> np.ndarray:
    if name == "basis":
        return np.moveaxis(tensor.reshape(tensor.shape[0], *tensor.shape[-2:]), 0, -1)
    return tensor.transpose({4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[tensor.ndim])
