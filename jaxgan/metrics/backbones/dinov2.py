"""DINOv2's vision transformers (Oquab et al. 2023), whose class token is the feature that FD-DINOv2 compares."""

import functools
import math
import re
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from jaxgan.errors import InputError
from jaxgan.interop import names
from jaxgan.layers.convolution import Conv
from jaxgan.metrics.backbones import weights
from jaxgan.metrics.backbones.base import Backbone
from jaxgan.metrics.resize import pillow, rgb
from jaxgan.typing import Array

SIZE = 224
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])  # of ImageNet, which it learned with
OFFSET = 0.1  # added to the grid before it is divided by the training grid, by the original code
URL = "https://dl.fbaipublicfiles.com/dinov2/dinov2_{0}/dinov2_{0}_pretrain.pth"


class Block(nn.Module):
    """Attention and feed-forward, each behind a layer norm, scaled and added."""

    heads: int
    swiglu: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = x + self._scaled(self._attention(_norm("norm1")(x)), "ls1")
        return x + self._scaled(self._feed_forward(_norm("norm2")(x)), "ls2")

    def _scaled(self, x: Array, name: str) -> Array:
        return x * self.param(name, nn.initializers.ones, (x.shape[-1],))

    def _attention(self, x: Array) -> Array:
        batch, tokens, width = x.shape
        qkv = nn.Dense(3 * width, dtype=x.dtype, name="attn_qkv")(x).reshape(batch, tokens, 3, self.heads, -1)
        query, key, value = (qkv[:, :, i] for i in range(3))
        logits = jnp.einsum("bqhd,bkhd->bhqk", query * query.shape[-1] ** -0.5, key)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", nn.softmax(logits), value).reshape(x.shape)
        return nn.Dense(width, dtype=x.dtype, name="attn_proj")(mixed)

    def _feed_forward(self, x: Array) -> Array:
        width = x.shape[-1]
        if not self.swiglu:
            hidden = nn.gelu(nn.Dense(4 * width, dtype=x.dtype, name="mlp_fc1")(x), approximate=False)
            return nn.Dense(width, dtype=x.dtype, name="mlp_fc2")(hidden)
        both = nn.Dense(2 * (-(-int(width * 8 / 3) // 8) * 8), dtype=x.dtype, name="mlp_w12")(x)
        gate, hidden = jnp.split(both, 2, -1)
        return nn.Dense(width, dtype=x.dtype, name="mlp_w3")(nn.silu(gate) * hidden)


class VisionTransformer(nn.Module):
    """Images [B, H, W, 3], normalised, H and W multiples of `patch` -> "pool" [B, width], the class token after the
    last norm, and "patches" [B, N, width].

    grid: patches along a side of the training images; positions are interpolated to any other. exact: by the very
    ratio of the grids, as transformers does; otherwise as the original code does, with an offset or, where there are
    registers, antialiased.
    """

    width: int
    depth: int
    heads: int
    patch: int = 14
    grid: int = 37
    swiglu: bool = False
    registers: int = 0
    exact: bool = False

    @nn.compact
    def __call__(self, image: Array) -> dict[str, Array]:
        x = Conv(self.width, self.patch, self.patch, 0, dtype=image.dtype, name="patch_embed")(image)
        batch, rows, columns, width = x.shape
        x = jnp.concatenate([self._tokens("cls_token", 1, x), x.reshape(batch, -1, width)], 1)
        x = x + self._positions(rows, columns)
        if self.registers:
            x = jnp.concatenate([x[:, :1], self._tokens("register_tokens", self.registers, x), x[:, 1:]], 1)
        for number in range(self.depth):
            x = Block(self.heads, self.swiglu, name=f"blocks_{number}")(x)
        x = _norm("norm")(x)
        return {"pool": x[:, 0], "patches": x[:, 1 + self.registers:]}

    def _tokens(self, name: str, count: int, x: Array) -> Array:
        tokens = self.param(name, nn.initializers.normal(0.02), (1, count, self.width))
        return jnp.broadcast_to(tokens.astype(x.dtype), (len(x), count, self.width))

    def _positions(self, rows: int, columns: int) -> Array:
        positions = self.param("pos_embed", nn.initializers.normal(0.02), (1, 1 + self.grid**2, self.width))
        if rows == columns == self.grid:
            return positions
        table = positions[0, 1:].reshape(self.grid, self.grid, self.width)
        rule = functools.partial(interpolation, inputs=self.grid, antialias=bool(self.registers) and not self.exact,
                                 offset=0.0 if self.exact or self.registers else OFFSET)
        matrices = (jnp.asarray(rule(count), positions.dtype) for count in (rows, columns))
        table = jnp.einsum("hi,wj,ijd->hwd", *matrices, table)
        return jnp.concatenate([positions[:, :1], table.reshape(1, -1, self.width)], 1)


def _norm(name: str) -> nn.LayerNorm:
    return nn.LayerNorm(1e-6, use_fast_variance=False, name=name)


def interpolation(outputs: int, *, inputs: int, offset: float, antialias: bool) -> np.ndarray:
    """The matrix [outputs, inputs] of bicubic interpolation with half-pixel centres, as PyTorch defines it: a = -0.75
    and the border repeated; antialiased a = -0.5, the kernel widened where it shrinks, and cut at the border."""
    ratio = inputs / (outputs + offset)
    width = max(ratio, 1.0) if antialias else 1.0
    centres = (np.arange(outputs) + 0.5) * ratio - 0.5
    reach = math.ceil(2 * width) + 1
    places = np.floor(centres).astype(int)[:, None] + np.arange(-reach, reach + 1)
    values = _cubic((places - centres[:, None]) / width, -0.5 if antialias else -0.75)
    if antialias:
        values = np.where((places >= 0) & (places < inputs), values, 0)
        values /= values.sum(1, keepdims=True)
    matrix = np.zeros((outputs, inputs))
    np.add.at(matrix, (np.arange(outputs)[:, None], places.clip(0, inputs - 1)), values)
    return matrix


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


OURS_TO_PUBLISHED = (
    ("^blocks_", "blocks."), ("(attn|mlp)_", r"\1."), ("/(kernel|scale)$", ".weight"), ("(ls[12])$", r"\1.gamma"),
    ("^patch_embed", "patch_embed.proj"), ("/", "."))
TRANSFORMERS = (  # both the older and the newer names of attention
    (r"embeddings\.position_embeddings", "pos_embed"),
    (r"embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
    (r"embeddings\.", ""), (r"encoder\.layer\.", "blocks."), (r"^layernorm\.", "norm."),
    (r"attention\.attention\.(query|key|value)", lambda found: f"attn.{found[1][0]}_proj"),
    (r"attention\.(output\.dense|o_proj)", "attn.proj"), (r"attention\.", "attn."),
    (r"layer_scale(\d)\.lambda1", r"ls\1.gamma"),
    (r"mlp\.weights_in", "mlp.w12"), (r"mlp\.(down_proj|weights_out)", "mlp.w3"))
STACKED = {"attn.qkv": ("attn.q_proj", "attn.k_proj", "attn.v_proj"), "mlp.w12": ("mlp.gate_proj", "mlp.up_proj")}


def _renamed(name: str, rules: tuple) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def from_transformers(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Names and layout of Hugging Face's files -> those of the original ones, which are left as they are."""
    if "embeddings.cls_token" not in tensors:
        return dict(tensors)
    found = {_renamed(name, TRANSFORMERS): tensor for name, tensor in tensors.items()}
    for whole, parts in STACKED.items():
        for first in [name for name in found if f".{parts[0]}." in name]:
            others = [first.replace(parts[0], part) for part in parts]
            if all(name in found for name in others):
                found[first.replace(parts[0], whole)] = np.concatenate([found.pop(name) for name in others])
    return found


def describe(tensors: Mapping[str, np.ndarray], where: str) -> VisionTransformer:
    """The network that tensors with published names belong to; its heads are 64 wide, as in all published ones."""
    wanted = ("cls_token", "pos_embed", "blocks.0.norm1.weight")
    if any(name not in tensors or tensors[name].ndim < 1 for name in wanted):
        raise InputError(f"{where} does not hold the weights of a DINOv2 network: {', '.join(wanted)} are looked for.")
    width = tensors["cls_token"].shape[-1]
    blocks = {found[1] for name in tensors if (found := re.match(r"blocks\.(\d+)\.", name))}
    registers = tensors["register_tokens"].size // width if "register_tokens" in tensors else 0
    return VisionTransformer(width, len(blocks), max(width // 64, 1), registers=registers,
                             grid=math.isqrt(tensors["pos_embed"].size // width - 1),
                             swiglu="blocks.0.mlp.w12.weight" in tensors)


def published_names(network: VisionTransformer) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Our names, flat -> the original's name and shape."""
    shapes = weights.shapes(network, (1, network.patch, network.patch, 3))
    return {name: (_renamed(name, OURS_TO_PUBLISHED), tuple(shape[a] for a in _axes(name, shape, (3, 2, 0, 1))))
            for name, shape in shapes.items()}


def _axes(name: str, shape: tuple[int, ...], of_four: tuple[int, ...]) -> tuple[int, ...]:
    """The order that turns an array round: of a kernel [inputs, outputs] or of four axes; others stay."""
    if not name.endswith("/kernel"):
        return tuple(range(len(shape)))
    return of_four if len(shape) == 4 else (1, 0)


def convert(tensors: Mapping[str, np.ndarray], where: str, network: VisionTransformer | None = None) -> dict:
    """Tensors under the original's names, or Hugging Face's -> ours, flat. network: None is what `describe` finds.
    Raises InputError where some are missing, unknown or of another shape."""
    tensors = from_transformers(tensors)
    table = published_names(network or describe(tensors, where))
    names.check(tensors, dict(table.values()), where, ignored="mask_token")
    return {name: tensors[theirs].transpose(_axes(name, shape, (2, 3, 1, 0))).astype(np.float32)
            for name, (theirs, shape) in table.items()}


def _published(name: str, width: int, depth: int, size: int, sha256: str) -> weights.Weights:
    network = VisionTransformer(width, depth, width // 64)
    file = weights.Published(URL.format(name), size, sha256)
    return weights.Weights(file, functools.partial(convert, network=network))


WEIGHTS = {
    "dinov2-s": _published("vits14", 384, 12, 88_283_115,
                           "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9"),
    "dinov2-b": _published("vitb14", 768, 12, 346_378_731,
                           "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73"),
    "dinov2-l": _published("vitl14", 1024, 24, 1_217_586_395,
                           "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428"),
    "dinov2-custom": weights.Weights(None, convert),
}


def dinov2_s() -> Backbone:
    """ViT-S/14."""
    return _backbone("dinov2-s", "dinov2-vits14")


def dinov2_b() -> Backbone:
    """ViT-B/14."""
    return _backbone("dinov2-b", "dinov2-vitb14")


def dinov2_l() -> Backbone:
    """ViT-L/14, the network that Stein et al. (2023) take FD-DINOv2 on."""
    return _backbone("dinov2-l", "dinov2-vitl14")


def dinov2_custom() -> Backbone:
    """Other weights of such a network, of any size, with or without registers."""
    return _backbone("dinov2-custom", "dinov2-custom")


def _backbone(name: str, title: str) -> Backbone:
    params, sha256 = weights.load(name, WEIGHTS[name])
    published = {_renamed(ours, OURS_TO_PUBLISHED): leaf for ours, leaf in flatten_dict(params, sep="/").items()}
    return backbone(weights.title(title, WEIGHTS[name], sha256), sha256, params, describe(published, name))


def backbone(name: str, sha256: str, params: dict, network: VisionTransformer) -> Backbone:
    """`network` with `params` behind dgm-eval's preparation of images."""
    def prepare(images: np.ndarray) -> np.ndarray:
        return (pillow(rgb(images), SIZE) / 255 - MEAN) / STD

    def apply(params: dict, prepared: Array) -> dict[str, Array]:
        return {"pool": network.apply({"params": params}, prepared)["pool"]}

    return Backbone(name, "pillow", sha256, jax.tree.map(jnp.asarray, params), prepare, apply)
