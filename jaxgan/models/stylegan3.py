"""StyleGAN3 (Karras et al. 2021, "Alias-free generative adversarial networks"): textures that move with what bears
them.

The generator has no noise and no grid to hold on to: waves of fixed frequencies, turned and shifted by w, go through
layers that keep every map band-limited (`jaxgan.layers.filters` designs the bands). Shifting the input shifts the
image, by fractions of a pixel too, and with `rotation` turning turns it. `mapping` and `synthesis` are StyleGAN2's,
with two layers to w and no mixed styles; so is the discriminator. The last layer is linear: images may leave [-1, 1].

Widths fall with the cutoff from max_width to `width` at the image's. Published: -T width=64 for 256 and 512 pixels, 32
for 1024; -R, with `rotation`, twice as much, and max_width=1024. Sizes need be neither square nor powers of two. The
last two maps have no margin, the others one all around. `convert` takes published weights.
"""

import re
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict
from jax.typing import DTypeLike

from jaxgan.errors import InputError
from jaxgan.interop import names
from jaxgan.layers.alias_free import AliasFreeConv, FourierFeatures
from jaxgan.layers.filters import NUM_CRITICAL, Band, bands
from jaxgan.layers.recomputed import recomputed
from jaxgan.models import stylegan2
from jaxgan.models._styles import StyleGenerator, StyleNetwork
from jaxgan.models.stylegan2 import Discriminator
from jaxgan.typing import Array

OUTPUT_SCALE = 0.25


class Synthesis(nn.Module):
    """w [B, num_layers + 2, w_dim] -> image. The first row turns and shifts the input."""

    bands: tuple[Band, ...]
    widths: tuple[int, ...]
    dtypes: tuple[DTypeLike, ...]
    rotation: bool
    clamp: float | None
    magnitude_decay: float
    remat: bool

    @nn.compact
    def __call__(self, w: Array, transform: Array | None, *, train: bool) -> Array:
        last = len(self.bands) - 1
        x = FourierFeatures(self.widths[0], self.bands[0], name="input")(w[:, 0], transform)
        for number, (band, width, dtype) in enumerate(zip(self.bands, self.widths, self.dtypes)):
            layer = AliasFreeConv(width, self.bands[max(number - 1, 0)], band,
                                  size=1 if self.rotation or number == last else 3,
                                  radial=self.rotation and number < last - NUM_CRITICAL, linear=number == last,
                                  clamp=self.clamp, magnitude_decay=self.magnitude_decay, dtype=dtype,
                                  name=f"layer{number}")
            x = recomputed(self.remat, lambda layer, x, w: layer(x, w, train=train), layer, x, w[:, number + 1])
        return OUTPUT_SCALE * x.astype(w.dtype)


class Generator(StyleGenerator):
    """rotation: -R, which is equivariant to rotation as well: 1x1 convolutions and filters alike in all directions.

    num_layers: before the one that makes the image. margin: samples around the image that all maps but the last two
    have. magnitude_decay: of the average that feature maps are scaled by, a batch. clamp: bounds of activations, for
    narrow dtypes. float32_stages: maps of so many of the lowest sampling rates are computed in float32 whatever
    `dtype`; w and the input always are. remat: layers keep their inputs alone for the backward pass, see `recomputed`.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 64
    max_width: int = 512
    w_dim: int = 512
    mapping_layers: int = 2
    rotation: bool = False
    num_layers: int = 14
    margin: int = 10
    magnitude_decay: float = 0.999
    clamp: float | None = 256.0
    float32_stages: int = 0
    remat: bool = False
    dtype: DTypeLike = "float32"
    w_mean_decay = 0.998

    def setup(self):
        self.num_ws = self.num_layers + 2
        found, wide = _bands(self), jnp.promote_types(self.dtype, jnp.float32)
        low = sorted({band.rate for band in found})[:self.float32_stages]
        self.to_w = StyleNetwork(self.num_classes, self.w_dim, self.mapping_layers, wide)
        self.to_image = Synthesis(tuple(found), _widths(self), tuple(wide if band.rate in low else self.dtype
                                                                     for band in found),
                                  self.rotation, self.clamp, self.magnitude_decay, self.remat)
        self.w_mean = self.variable("moving", "w_mean", jnp.zeros, (self.w_dim,))

    def synthesis(self, w: Array, *, train: bool = False, transform: Array | None = None) -> Array:
        """The image of w [B, num_ws, w_dim], or of w [B, w_dim] for all layers alike.

        transform: [2, 3] or [B, 2, 3], for points of the image, (x, y) from the centre in units of the longer side,
        where they would be without it: [[1, 0, 0.1], [0, 1, 0]] moves what is seen to the left by a tenth.
        """
        return self.to_image(self.rows(w), transform, train=train)


def _bands(network: Generator) -> list[Band]:
    return bands(network.image_shape[:2], network.num_layers, network.margin)


def _widths(network: Generator) -> tuple[int, ...]:
    """Of every layer, the one that makes the image included."""
    *hidden, last = _bands(network)
    return (*(int(np.rint(min(network.width * last.cutoff / band.cutoff, network.max_width))) for band in hidden),
            network.image_shape[2])


# Published weights: the state_dicts of the authors' PyTorch networks, which are square.

IGNORED = r".*(_filter|\.transform)"  # fixed by the bands; the identity
# What the published constructor is given and no tensor tells: its names -> ours, and what is never otherwise here.
ARGUMENTS = {"conv_clamp": "clamp", "magnitude_ema_beta": "magnitude_decay"}
FIXED_ARGUMENTS = {"first_cutoff": 2, "num_critical": 2, "output_scale": 0.25, "filter_size": 6, "lrelu_upsampling": 2,
                   "lr_multiplier": 0.01}
LAYER = r"synthesis\.L(\d+)_(\d+)_(\d+)\."


def published_names(network: Generator | Discriminator) -> dict[str, str]:
    """Our name of everything the network may hold, flat and with its collection -> the published one."""
    if isinstance(network, Discriminator):
        return stylegan2.published_names(network)
    layers = {f"params/to_w/dense{number}": f"mapping.fc{number}" for number in range(network.mapping_layers)}
    layers["params/to_image/input/affine"] = "synthesis.input.affine"
    table = {"params/to_w/embed/embedding": "mapping.embed.weight", "params/to_w/embed_bias": "mapping.embed.bias",
             "moving/w_mean": "mapping.w_avg", "params/to_image/input/kernel": "synthesis.input.weight",
             "constants/to_image/input/frequencies": "synthesis.input.freqs",
             "constants/to_image/input/phases": "synthesis.input.phases"}
    for number, (band, width) in enumerate(zip(_bands(network), _widths(network))):
        ours, theirs = f"to_image/layer{number}", f"synthesis.L{number}_{band.size[1]}_{width}"
        layers[f"params/{ours}/conv/affine"] = f"{theirs}.affine"
        table |= {f"params/{ours}/conv/kernel": f"{theirs}.weight", f"params/{ours}/bias": f"{theirs}.bias",
                  f"moving/{ours}/magnitude": f"{theirs}.magnitude_ema"}
    return table | {f"{ours}/{ending}": f"{theirs}.{word}" for ours, theirs in layers.items()
                    for ending, word in (("kernel", "weight"), ("bias", "bias"))}


def convert(tensors: Mapping[str, np.ndarray], where: str) -> tuple[Generator | Discriminator, tuple[int, ...], dict]:
    """A published state_dict -> its network, the shape of one latent or image that it takes, and its variables under
    our names, flat and with their collections ("params/...", "moving/...", "constants/..."). where: the file.

    What no tensor tells stays at the default: clamp, magnitude_decay, dtype. Raises InputError where tensors are
    missing, unknown or of another shape.
    """
    network, taken = describe(tensors, where)
    if isinstance(network, Discriminator):
        return stylegan2.convert(tensors, where)
    table, label = published_names(network), jnp.zeros(1, jnp.int32)
    variables = jax.eval_shape(lambda z: network.init(jax.random.key(0), z, label, train=False),
                               jnp.zeros((1, *taken)))
    shapes = {name: leaf.shape for name, leaf in flatten_dict(variables, sep="/").items()}
    wanted = {table[name]: _transposed(np.empty(shape, np.bool_), name, (3, 2, 0, 1)).shape
              for name, shape in shapes.items()}
    names.check(tensors, wanted, where, IGNORED)
    return network, taken, {name: _transposed(tensors[table[name]], name, (2, 3, 1, 0)) for name in shapes}


def describe(tensors: Mapping[str, np.ndarray], where: str) -> tuple[Generator | Discriminator, tuple[int, ...]]:
    """The network that published tensors belong to, and the shape of one latent or image that it takes."""
    if "b4.conv.weight" in tensors:
        return stylegan2.describe(tensors, where)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    layers = {int(found[1]): (int(found[2]), found[0]) for name in shapes if (found := re.match(LAYER, name))}
    count = len(layers) - 1
    edge, first = (f"{layers.get(number, (0, ''))[1]}weight" for number in (count, 0))
    needed = {"synthesis.input.weight", "mapping.fc0.weight", edge, first}
    if count <= NUM_CRITICAL or not shapes.keys() >= needed:
        raise InputError(f"{where} does not hold the weights of a StyleGAN3 network: synthesis.input.weight, "
                         f"mapping.fc0.weight and weights of layers such as synthesis.L0_36_512 are looked for.")
    num_classes = shapes.get("mapping.embed.weight", (0, 0))[1]
    w_dim, inputs = shapes["mapping.fc0.weight"]
    size, (channels, width, *_) = layers[count][0], shapes[edge]
    network = Generator((size, size, channels), num_classes, width, shapes["synthesis.input.weight"][0], w_dim,
                        sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in shapes),
                        shapes[first][2] == 1, count, margin=0)
    margin = (layers[0][0] - _bands(network)[0].size[0]) // 2
    return network.clone(margin=margin), (inputs - w_dim * bool(num_classes),)


def _transposed(array: np.ndarray, name: str, order: tuple[int, ...]) -> np.ndarray:
    """A kernel in the other layout, theirs (3, 2, 0, 1) with the outputs first, or ours (2, 3, 1, 0)."""
    if not name.endswith(("/kernel", "/embedding")):
        return array
    return array.transpose(order if array.ndim == 4 else (1, 0))
