"""FID's InceptionV3: the network of 2015 (inception-2015-12-05) on whose features the Fréchet inception distance was
defined, with the quirks that set it apart from later ones."""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import InputError
from jaxgan.interop import names
from jaxgan.layers.convolution import Conv
from jaxgan.layers.pooling import average_pool, max_pool
from jaxgan.metrics.backbones import weights
from jaxgan.metrics.backbones.base import Backbone
from jaxgan.metrics.resize import RESIZERS, rgb
from jaxgan.typing import Array

SIZE, CLASSES = 299, 1008
EPSILON = 1e-3  # of the batch normalization
PUBLISHED = weights.Published(
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    95_628_359, "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2")
IGNORED = r".*\.num_batches_tracked|fc\.bias"  # logits are taken without their bias, as the Inception Score has them


def unit(x: Array, name: str, features: int, kernel: int | tuple[int, int] = 1, stride: int = 1,
         padding: int | None = None) -> Array:
    """Convolution and ReLU. The batch normalization between them is folded into the weights when they are read."""
    return nn.relu(_conv(x, name, features, kernel, stride, padding))


def pooled_unit(x: Array, name: str, features: int) -> Array:
    """`unit` of the 3×3 average of x. An average that leaves padding out commutes with a 1×1 convolution and its bias,
    and is cheaper behind it."""
    return nn.relu(average_pool(_conv(x, name, features, 1, 1, 0), 3, padding=1))


def _conv(x: Array, name: str, features: int, kernel: int | tuple[int, int], stride: int, padding: int | None) -> Array:
    zeros = nn.initializers.zeros  # it is only ever initialised for its shapes
    return Conv(features, kernel, stride, padding, kernel_init=zeros, dtype=x.dtype, name=name)(x)


class MixedA(nn.Module):
    """35×35."""

    pool_features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        five = unit(unit(x, "branch5x5_1", 48), "branch5x5_2", 64, 5)
        double = unit(unit(x, "branch3x3dbl_1", 64), "branch3x3dbl_2", 96, 3)
        return jnp.concatenate([unit(x, "branch1x1", 64), five, unit(double, "branch3x3dbl_3", 96, 3),
                                pooled_unit(x, "branch_pool", self.pool_features)], -1)


class MixedB(nn.Module):
    """35×35 to 17×17."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        double = unit(unit(x, "branch3x3dbl_1", 64), "branch3x3dbl_2", 96, 3)
        return jnp.concatenate([unit(x, "branch3x3", 384, 3, 2, 0), unit(double, "branch3x3dbl_3", 96, 3, 2, 0),
                                max_pool(x, 3, stride=2)], -1)


class MixedC(nn.Module):
    """17×17, by rows and columns."""

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        once = unit(unit(x, "branch7x7_1", self.width), "branch7x7_2", self.width, (1, 7))
        twice = unit(x, "branch7x7dbl_1", self.width)
        for number, kernel in ((2, (7, 1)), (3, (1, 7)), (4, (7, 1))):
            twice = unit(twice, f"branch7x7dbl_{number}", self.width, kernel)
        return jnp.concatenate([unit(x, "branch1x1", 192), unit(once, "branch7x7_3", 192, (7, 1)),
                                unit(twice, "branch7x7dbl_5", 192, (1, 7)), pooled_unit(x, "branch_pool", 192)], -1)


class MixedD(nn.Module):
    """17×17 to 8×8."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        seven = unit(unit(x, "branch7x7x3_1", 192), "branch7x7x3_2", 192, (1, 7))
        seven = unit(seven, "branch7x7x3_3", 192, (7, 1))
        return jnp.concatenate([unit(unit(x, "branch3x3_1", 192), "branch3x3_2", 320, 3, 2, 0),
                                unit(seven, "branch7x7x3_4", 192, 3, 2, 0), max_pool(x, 3, stride=2)], -1)


class MixedE(nn.Module):
    """8×8. The second of them pools by the maximum, a slip of the original that FID has kept."""

    maximum: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        single = unit(x, "branch3x3_1", 384)
        double = unit(unit(x, "branch3x3dbl_1", 448), "branch3x3dbl_2", 384, 3)
        pooled = unit(max_pool(x, 3, padding=1), "branch_pool", 192) if self.maximum else (
            pooled_unit(x, "branch_pool", 192))
        return jnp.concatenate([
            unit(x, "branch1x1", 320),
            unit(single, "branch3x3_2a", 384, (1, 3)), unit(single, "branch3x3_2b", 384, (3, 1)),
            unit(double, "branch3x3dbl_3a", 384, (1, 3)), unit(double, "branch3x3dbl_3b", 384, (3, 1)), pooled], -1)


class InceptionV3(nn.Module):
    """Images [B, 299, 299, 3] in [-1, 1] -> "pool" [B, 2048], "logits" [B, 1008] without their bias, and "spatial"
    [B, 2023]: the first 7 channels of the fourth 17×17 block, on which sFID is taken (Nash et al. 2021).

    The averages of earlier blocks, by their numbers of channels 64, 192 and 768, are sown as "intermediates".
    """

    @nn.compact
    def __call__(self, x: Array) -> dict[str, Array]:
        x = unit(x, "Conv2d_1a_3x3", 32, 3, 2, 0)
        x = unit(x, "Conv2d_2a_3x3", 32, 3, 1, 0)
        x = max_pool(unit(x, "Conv2d_2b_3x3", 64, 3), 3, stride=2)
        self.sow("intermediates", "64", x.mean((1, 2)))
        x = unit(unit(x, "Conv2d_3b_1x1", 80), "Conv2d_4a_3x3", 192, 3, 1, 0)
        x = max_pool(x, 3, stride=2)
        self.sow("intermediates", "192", x.mean((1, 2)))
        for letter, features in zip("bcd", (32, 64, 64)):
            x = MixedA(features, name=f"Mixed_5{letter}")(x)
        x = MixedB(name="Mixed_6a")(x)
        for letter, width in zip("bcd", (128, 160, 160)):
            x = MixedC(width, name=f"Mixed_6{letter}")(x)
        spatial = x[..., :7]
        x = MixedC(192, name="Mixed_6e")(x)
        self.sow("intermediates", "768", x.mean((1, 2)))
        x = MixedD(name="Mixed_7a")(x)
        x = MixedE(False, name="Mixed_7b")(x)
        pool = MixedE(True, name="Mixed_7c")(x).mean((1, 2))
        logits = nn.Dense(CLASSES, use_bias=False, kernel_init=nn.initializers.zeros, dtype=x.dtype, name="fc")(pool)
        return {"pool": pool, "logits": logits, "spatial": spatial.reshape(len(x), -1)}


def convert(tensors: Mapping[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """Published tensors -> ours, flat. Modules keep their published names, with "/" for "."; each convolution takes in
    the batch normalization behind it. Raises InputError where tensors are missing, unknown or of another shape."""
    ours = weights.shapes(InceptionV3(), (1, SIZE, SIZE, 3))
    wanted: dict[str, tuple[int, ...]] = {}
    modules = [name.removesuffix("/kernel").replace("/", ".") for name in ours if name.endswith("/kernel")]
    for module in modules:
        *kernel, inputs, outputs = ours[f"{module.replace('.', '/')}/kernel"]
        if not kernel:
            wanted[f"{module}.weight"] = (outputs, inputs)
            continue
        wanted[f"{module}.conv.weight"] = (outputs, inputs, *kernel)
        wanted |= {f"{module}.bn.{leaf}": (outputs,) for leaf in ("weight", "bias", "running_mean", "running_var")}
    names.check(tensors, wanted, where, ignored=IGNORED)
    return {name: value for module in modules for name, value in _module(module, tensors).items()}


def _module(module: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    ours = module.replace(".", "/")
    if f"{module}.weight" in tensors:
        return {f"{ours}/kernel": tensors[f"{module}.weight"].T.astype(np.float32)}
    scale, bias, mean, variance = (tensors[f"{module}.bn.{leaf}"].astype(np.float64)
                                   for leaf in ("weight", "bias", "running_mean", "running_var"))
    scale = scale / np.sqrt(variance + EPSILON)
    kernel = tensors[f"{module}.conv.weight"].transpose(2, 3, 1, 0) * scale
    return {f"{ours}/kernel": kernel.astype(np.float32), f"{ours}/bias": (bias - mean * scale).astype(np.float32)}


WEIGHTS = {"inception": weights.Weights(PUBLISHED, convert), "inception-custom": weights.Weights(None, convert)}


def inception(resizer: str = "tf1") -> Backbone:
    """The published weights. resizer: "tf1" as in the original FID and torch-fidelity, "torch" as in pytorch-fid,
    "clean" as in clean-fid."""
    return _backbone("inception", resizer)


def inception_custom(resizer: str = "tf1") -> Backbone:
    """Other weights of the same network; what they give is never called FID."""
    return _backbone("inception-custom", resizer)


def _backbone(name: str, resizer: str) -> Backbone:
    if resizer not in ("tf1", "torch", "clean"):
        raise InputError(f"backbone {name}: resizer must be tf1, torch or clean; got {resizer!r}.")
    params, sha256 = weights.load(name, WEIGHTS[name])
    return backbone(weights.title(name, WEIGHTS[name], sha256), sha256, params, resizer)


def backbone(name: str, sha256: str, params: dict, resizer: str) -> Backbone:
    """The network with `params` behind one of the resizers."""
    def prepare(images: np.ndarray) -> np.ndarray:
        resized = RESIZERS[resizer](rgb(images), SIZE)
        return resized / 127.5 - 1 if resizer == "torch" else (resized - 128) / 128

    def apply(params: dict, prepared: Array) -> dict[str, Array]:
        return InceptionV3().apply({"params": params}, prepared)

    return Backbone(name, resizer, sha256, jax.tree.map(jnp.asarray, params), prepare, apply)
