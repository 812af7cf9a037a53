"""StyleGAN2 (Karras et al. 2020), with what its authors' later code for limited data (ADA) made of it.

A mapping network turns z into a style w; every convolution of the synthesis network is modulated by it. The generator
offers both, as methods for `apply(..., method=...)`: `mapping` (z, label) -> w, `synthesis` w -> image. w has one row a
layer, [B, num_ws, w_dim]. A label is embedded and joined to z; in the discriminator it is mapped like a z of its own
and multiplied with the last layer's output. The generator's last layer is linear: images may leave [-1, 1].

Widths double from `width` at the image's size with every halving, up to max_width. Published: width=512 for CIFAR-10,
64 for 256 pixels, 32 for 1024. Sizes need not be square nor powers of two: maps go down by halves to sides of 4 to 7,
or as far as both can be halved. `convert` takes published weights.
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
from jax.typing import DTypeLike

from jaxgan.errors import InputError
from jaxgan.interop import names
from jaxgan.layers.equalized import EqualConv, EqualDense, clamped, leaky
from jaxgan.layers.minibatch import minibatch_stddev
from jaxgan.layers.modulation import ModulatedConv
from jaxgan.layers.recomputed import recomputed
from jaxgan.layers.resample import fir_upsample
from jaxgan.models._stages import choose, generator_stages
from jaxgan.models._styles import StyleGenerator, StyleNetwork
from jaxgan.typing import Array, DiscriminatorOutput

HALF = math.sqrt(0.5)  # the gain of each of two branches that are added


class Stage(NamedTuple):
    """One size of feature map. dtype: what is computed in."""

    size: tuple[int, int]
    width: int
    dtype: DTypeLike


class StyledConv(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU.

    Noise is the same for all channels, times a learned scalar: for each image its own where `fresh` and there is an rng
    "noise", else a constant map, drawn with the parameters and kept in the collection "constants".
    """

    features: int
    up: bool = False
    gain: float = 1.0
    clamp: float | None = None
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, x: Array, w: Array, *, fresh: bool) -> Array:
        x = ModulatedConv(self.features, up=self.up, dtype=self.dtype, name="conv")(x, w)
        size = x.shape[1:3]
        noise = self.variable("constants", "noise", lambda: jax.random.normal(self.make_rng("params"), size)).value
        if fresh and self.has_rng("noise"):
            noise = jax.random.normal(self.make_rng("noise"), (len(x), *size))
        strength = self.param("noise_strength", nn.initializers.zeros, ())
        x += (noise * strength).astype(x.dtype)[..., None]
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return leaky(x + bias.astype(x.dtype), self.gain, self.clamp)


class Synthesis(nn.Module):
    """w [B, 2 stages, w_dim] -> image, from a learned constant through the stages, the smallest first.

    The layer that makes the image out of a map shares its row of w with the first convolution of the next stage.
    """

    stages: tuple[Stage, ...]
    channels: int
    architecture: str
    clamp: float | None
    remat: bool

    @nn.compact
    def __call__(self, w: Array, *, train: bool) -> Array:
        def styled(conv: StyledConv, x: Array, w: Array) -> Array:
            return conv(x, w, fresh=train)

        residual = self.architecture == "resnet"
        first, last = self.stages[0], self.stages[-1]
        constant = self.param("constant", nn.initializers.normal(1.0), (*first.size, first.width))
        x = jnp.broadcast_to(constant.astype(first.dtype), (w.shape[0], *constant.shape))
        image = jnp.zeros((), jnp.promote_types(last.dtype, jnp.float32))
        for number, stage in enumerate(self.stages):
            block, shortcut, gain = f"block{number}", None, 1.0
            if number:
                if residual:
                    gain = HALF
                    shortcut = gain * EqualConv(stage.width, 1, "up", use_bias=False, dtype=stage.dtype,
                                                name=f"{block}_skip")(x)
                conv = StyledConv(stage.width, True, 1.0, self.clamp, stage.dtype, name=f"{block}_conv0")
                x = recomputed(self.remat, styled, conv, x, w[:, 2 * number - 1])
            conv = StyledConv(stage.width, False, gain, self.clamp, stage.dtype, name=f"{block}_conv1")
            x = recomputed(self.remat, styled, conv, x, w[:, 2 * number])
            x = x if shortcut is None else x + shortcut
            if stage is last or not residual:
                colours = ModulatedConv(self.channels, 1, demodulate=False, dtype=stage.dtype,
                                        name=f"{block}_image")(x, w[:, 2 * number + 1])
                bias = self.param(f"{block}_image_bias", nn.initializers.zeros, (self.channels,))
                colours = clamped(colours + bias.astype(colours.dtype), self.clamp)
                image = (fir_upsample(image) if image.ndim else image) + colours
        return image


class Generator(StyleGenerator):
    """architecture: "skip" adds images of all sizes up, "resnet" has shortcuts between maps and one image at the end.

    style_mixing: so large a share of images in training takes its last rows of w from another z. clamp: bounds of
    activations, for narrow dtypes. float32_stages: so many stages, the smallest ones, are computed in float32 whatever
    `dtype`; the mapping always is. rng "noise": of noise and style mixing in training; without it, and in evaluation,
    there is no mixing and the noise is constant, so that an image depends on z, label and weights alone. remat:
    convolutions keep their inputs alone for the backward pass, see `recomputed`.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 64
    max_width: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    architecture: str = "skip"
    style_mixing: float = 0.0
    clamp: float | None = 256.0
    float32_stages: int = 1
    remat: bool = False
    dtype: DTypeLike = "float32"

    def setup(self):
        choose(("skip", "resnet"), self.architecture, "generator.architecture")
        stages = _stages(self)
        self.num_ws = 2 * len(stages)
        wide = jnp.promote_types(self.dtype, jnp.float32)
        self.to_w = StyleNetwork(self.num_classes, self.w_dim, self.mapping_layers, wide)
        self.to_image = Synthesis(tuple(stages), self.image_shape[2], self.architecture, self.clamp,
                                  self.remat)
        self.w_mean = self.variable("moving", "w_mean", jnp.zeros, (self.w_dim,))


class Discriminator(nn.Module):
    """architecture: "resnet" has shortcuts, "orig" (as published for CIFAR-10) has none.

    stddev_group: of the minibatch standard deviation, in evaluation as in training: a logit depends on its batch.
    mapping_layers: of the network that the label goes through. Other fields are the generator's.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 64
    max_width: int = 512
    mapping_layers: int = 8
    architecture: str = "resnet"
    stddev_group: int = 4
    clamp: float | None = 256.0
    float32_stages: int = 1
    remat: bool = False
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, image: Array, label: Array | None = None, *, train: bool) -> DiscriminatorOutput:
        choose(("resnet", "orig"), self.architecture, "discriminator.architecture")
        first, *others = stages = _stages(self)[::-1]
        wide = jnp.promote_types(self.dtype, jnp.float32)
        x = leaky(EqualConv(first.width, 1, dtype=first.dtype, name="input")(image), clamp=self.clamp)
        for number, (stage, following) in enumerate(zip(stages, others)):
            x = self._block(x, stage, following.width, f"block{number}")
        x = minibatch_stddev(x.astype(others[-1].dtype), self.stddev_group)
        x = leaky(EqualConv(others[-1].width, dtype=others[-1].dtype, name="last")(x), clamp=self.clamp)
        features = leaky(EqualDense(others[-1].width, dtype=wide, name="dense")(x.reshape(len(x), -1)))
        if not self.num_classes:
            return DiscriminatorOutput(EqualDense(1, dtype=wide, name="logit")(features)[:, 0], features)
        dim = others[-1].width
        direction = StyleNetwork(self.num_classes, dim, self.mapping_layers, wide, name="to_w")(None, label)
        answer = EqualDense(dim, dtype=wide, name="logit")(features)
        return DiscriminatorOutput(jnp.sum(answer * direction, axis=-1) / math.sqrt(dim), features)

    def _block(self, x: Array, stage: Stage, width: int, name: str) -> Array:
        residual = self.architecture == "resnet"
        y = recomputed(self.remat, lambda conv, x: leaky(conv(x), clamp=self.clamp),
                       EqualConv(stage.width, dtype=stage.dtype, name=f"{name}_conv0"), x)
        y = recomputed(self.remat, lambda conv, y: leaky(conv(y), HALF if residual else 1.0, self.clamp),
                       EqualConv(width, 3, "down", dtype=stage.dtype, name=f"{name}_conv1"), y)
        if not residual:
            return y
        shortcut = EqualConv(width, 1, "down", use_bias=False, dtype=stage.dtype, name=f"{name}_skip")(x)
        return y + HALF * shortcut


def _stages(network: Generator | Discriminator) -> list[Stage]:
    """The stages of a network, the smallest first."""
    found = generator_stages(network.image_shape, 1, None, None)
    count, (height, breadth) = len(found.heights), found.bottom
    wide = jnp.promote_types(network.dtype, jnp.float32)
    return [Stage((height << number, breadth << number), min(network.width << (count - number), network.max_width),
                  wide if number < network.float32_stages else network.dtype) for number in range(count + 1)]


# Published weights: the state_dicts of the authors' PyTorch networks, which are square.

IGNORED = r".*resample_filter"  # the fixed kernels of `fir_blur` and the like
# What the published constructors are given and no tensor tells: their names -> ours, and what is never otherwise here.
ARGUMENTS = {"conv_clamp": "clamp", "mbstd_group_size": "stddev_group"}
FIXED_ARGUMENTS = {"activation": "lrelu", "resample_filter": [1, 3, 3, 1], "lr_multiplier": 0.01, "use_noise": True}


def published_names(network: Generator | Discriminator) -> dict[str, str]:
    """Our name of everything the network may hold, flat and with its collection -> the published one."""
    generator = isinstance(network, Generator)
    table = {"params/to_w/embed/embedding": "mapping.embed.weight", "params/to_w/embed_bias": "mapping.embed.bias"}
    layers = {f"params/to_w/dense{number}": f"mapping.fc{number}" for number in range(network.mapping_layers)}
    stages = _stages(network) if generator else _stages(network)[:0:-1]
    for number, stage in enumerate(stages):
        ours, theirs = f"params/block{number}", f"b{stage.size[0]}"
        if not generator:
            layers |= {f"{ours}_{layer}": f"{theirs}.{layer}" for layer in ("conv0", "conv1", "skip")}
            continue
        ours, theirs = ours.replace("/", "/to_image/"), f"synthesis.{theirs}"
        layers |= {f"{ours}_skip": f"{theirs}.skip", f"{ours}_image": f"{theirs}.torgb",
                   f"{ours}_image/affine": f"{theirs}.torgb.affine"}
        table[f"{ours}_image_bias"] = f"{theirs}.torgb.bias"
        for layer in ("conv0", "conv1"):
            here, there = f"{ours}_{layer}", f"{theirs}.{layer}"
            layers |= {f"{here}/conv": there, f"{here}/conv/affine": f"{there}.affine"}
            table |= {f"{here}/bias": f"{there}.bias", f"{here}/noise_strength": f"{there}.noise_strength",
                      f"{here.replace('params', 'constants')}/noise": f"{there}.noise_const"}
    if generator:
        table |= {"params/to_image/constant": "synthesis.b4.const", "moving/w_mean": "mapping.w_avg"}
    else:
        layers |= {"params/input": f"b{stages[0].size[0]}.fromrgb", "params/last": "b4.conv",
                   "params/dense": "b4.fc", "params/logit": "b4.out"}
    return table | {f"{ours}/{ending}": f"{theirs}.{word}" for ours, theirs in layers.items()
                    for ending, word in (("kernel", "weight"), ("bias", "bias"))}


def convert(tensors: Mapping[str, np.ndarray], where: str) -> tuple[Generator | Discriminator, tuple[int, ...], dict]:
    """A published state_dict -> its network, the shape of one latent or image that it takes, and its variables under
    our names, flat and with their collections ("params/...", "moving/...", "constants/..."). where: the file.

    What no tensor tells stays at the default: clamp, stddev_group, style_mixing, dtype. Raises InputError where tensors
    are missing, unknown or of another shape.
    """
    network, taken = describe(tensors, where)
    table, label = published_names(network), jnp.zeros(1, jnp.int32)
    variables = jax.eval_shape(lambda x: network.init(jax.random.key(0), x, label, train=False),
                               jnp.zeros((1, *taken)))
    shapes = {name: leaf.shape for name, leaf in flatten_dict(variables, sep="/").items()}
    bottom = _stages(network)[0].size
    wanted = {table[name]: _published(np.empty(shape, np.bool_), name, bottom).shape for name, shape in shapes.items()}
    names.check(tensors, wanted, where, IGNORED)
    return network, taken, {name: _ours(tensors[table[name]], name, bottom) for name in shapes}


def describe(tensors: Mapping[str, np.ndarray], where: str) -> tuple[Generator | Discriminator, tuple[int, ...]]:
    """The network that published tensors belong to, and the shape of one latent or image that it takes."""
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    generator = "synthesis.b4.const" in shapes
    sizes = [int(found[1]) for name in shapes if (found := re.match(r"(?:synthesis\.)?b(\d+)\.", name))]
    size = max(sizes, default=0)
    edge = f"synthesis.b{size}.torgb.weight" if generator else f"b{size}.fromrgb.weight"
    needed = [edge, *(["mapping.fc0.weight"] if generator else ["b4.conv.weight"])]
    if not shapes.keys() >= set(needed):
        raise InputError(f"{where} does not hold the weights of a StyleGAN2 network: {', '.join(needed)} are looked "
                         "for.")
    num_classes = shapes.get("mapping.embed.weight", (0, 0))[1]
    layers = sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in shapes)
    residual = any(".skip." in name for name in shapes)
    if generator:
        channels, width = shapes[edge][:2]
        w_dim, inputs = shapes["mapping.fc0.weight"]
        network = Generator((size, size, channels), num_classes, width, shapes["synthesis.b4.const"][0], w_dim, layers,
                            "resnet" if residual else "skip")
        return network, (inputs - w_dim * bool(num_classes),)
    width, channels = shapes[edge][:2]
    network = Discriminator((size, size, channels), num_classes, width, shapes["b4.conv.weight"][0],
                            layers or Discriminator.mapping_layers, "resnet" if residual else "orig")
    return network, network.image_shape


def _published(array: np.ndarray, name: str, bottom: tuple[int, int]) -> np.ndarray:
    """Our layout -> the published one: outputs first, then inputs, rows and columns."""
    if name == "params/dense/kernel":  # reads a map, flattened
        return np.moveaxis(array.reshape(*bottom, -1, array.shape[1]), (3, 2), (0, 1)).reshape(array.shape[1], -1)
    if name == "params/to_image/constant":
        return np.moveaxis(array, -1, 0)
    kernel = name.endswith(("/kernel", "/embedding"))
    return array.transpose({4: (3, 2, 0, 1), 2: (1, 0)}[array.ndim]) if kernel else array


def _ours(tensor: np.ndarray, name: str, bottom: tuple[int, int]) -> np.ndarray:
    """The inverse of `_published`."""
    if name == "params/dense/kernel":
        return np.moveaxis(tensor.reshape(len(tensor), -1, *bottom), (0, 1), (3, 2)).reshape(-1, len(tensor))
    if name == "params/to_image/constant":
        return np.moveaxis(tensor, 0, -1)
    kernel = name.endswith(("/kernel", "/embedding"))
    return tensor.transpose({4: (2, 3, 1, 0), 2: (1, 0)}[tensor.ndim]) if kernel else tensor
