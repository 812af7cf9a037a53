"""Published weights of ResNet GANs: the state_dicts of PyTorch-StudioGAN and of ajbrock's BigGAN-PyTorch.

What no tensor tells is set to what the two always have, or have in their published configurations: epsilons, and what
spectral normalization does in evaluation. Images are square, and begin as maps of 4x4.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from jaxgan.interop import names

BOTTOM = 4  # sides of the first map
NORMS = {f"norm{n}/{ours}": f"bn{n}{theirs}"
         for n in (1, 2) for ours, theirs in (("batch", ""), ("gain", ".gain"), ("bias", ".bias"))}


class Source(NamedTuple):
    """How one of the two names things, ours -> theirs, and what its networks have in common.

    inner: modules of a block or an attention layer. outer: the others. leaves: last names, where not the same.
    generator, discriminator, spectral: fields of the networks, and of those with spectral normalization. ignored: a
    pattern of what is kept beside the weights.
    """

    inner: Mapping[str, str]
    outer: Mapping[str, str]
    leaves: Mapping[str, str]
    generator: Mapping[str, Any]
    discriminator: Mapping[str, Any]
    spectral: Mapping[str, Any]
    ignored: str


STUDIOGAN = Source(
    inner={"shortcut": "conv2d0", "conv1": "conv2d1", "conv2": "conv2d2", "query": "conv1x1_theta",
           "key": "conv1x1_phi", "value": "conv1x1_g", "output": "conv1x1_attn", **NORMS},
    outer={"dense": "linear0", "embed": "shared", "norm/batch": "bn4", "output": "conv2d5", "head/linear": "linear1",
           "head/embed": "embedding"},
    leaves={"scale": "weight", "mean": "running_mean", "var": "running_var", "gain": "sigma", "u": "weight_u",
            "v": "weight_v"},
    generator={"norm_eps": 1e-4}, discriminator={"relu_shortcut": True}, spectral={"spectral_eps": 1e-6},
    ignored=r".*num_batches_tracked")
AJBROCK = Source(
    inner={"shortcut": "conv_sc", "conv1": "conv1", "conv2": "conv2", "query": "theta", "key": "phi", "value": "g",
           "output": "o", **NORMS},
    outer={"dense": "linear", "embed": "shared", "norm/batch": "output_layer.0", "output": "output_layer.2",
           "head/linear": "linear", "head/embed": "embed"},
    leaves={"scale": "gain", "mean": "stored_mean", "var": "stored_var", "gain": "gamma", "u": "u0"},
    generator={"norm_eps": 1e-5, "output_norm_eps": 1e-5}, discriminator={},
    spectral={"spectral_eps": 1e-6, "spectral_iterate_in_eval": True},
    ignored=r".*\.(sv0|accumulation_counter)")  # a singular value, for the log; a count


class Found(NamedTuple):
    """One network's tensors, its source and its blocks.

    shapes: by published name. places: "block1", "attention2" … -> the module they are. widths: (inputs, outputs) of
    each block. attention: numbers of the blocks it follows. spectral: whether there is such normalization.
    """

    source: Source
    tensors: Mapping[str, np.ndarray]
    shapes: Mapping[str, tuple[int, ...]]
    places: Mapping[str, str]
    widths: list[tuple[int, int]]
    attention: tuple[int, ...]
    spectral: bool

    def weight(self, ours: str) -> tuple[int, ...]:
        """The published shape of the weight of one of our modules; () if it has none."""
        module = self.module(ours)
        return self.shapes.get(f"{module}.weight_orig") or self.shapes.get(f"{module}.weight", ())

    def module(self, ours: str) -> str:
        """The published name of one of our modules."""
        first, _, rest = ours.partition("/")
        if first not in self.places:
            return self.source.outer[ours]
        return ".".join(filter(None, [self.places[first], self.source.inner[rest] if rest else ""]))


def look(tensors: Mapping[str, np.ndarray]) -> Found | None:
    """What a state_dict holds, if it is one of these; else None."""
    source = STUDIOGAN if any(".conv2d1." in name for name in tensors) else AJBROCK
    tensors = canonical(tensors, source)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    places, widths, attention = {}, [], []
    matches = (re.match(r"blocks\.(\d+)\.(\d+)\.", name) for name in shapes)
    for number in sorted({(int(match[1]), int(match[2])) for match in matches if match}):
        place = "blocks.{}.{}".format(*number)
        convolution, query = (shapes.get(f"{place}.{source.inner[part]}.weight_orig")
                              or shapes.get(f"{place}.{source.inner[part]}.weight", ()) for part in ("conv1", "query"))
        if len(convolution) == 4:
            widths.append((convolution[1], convolution[0]))
            places[f"block{len(widths)}"] = place
        elif query and widths:
            attention.append(len(widths))
            places[f"attention{len(widths)}"] = place
    spectral = any(name.endswith((".u0", ".weight_u")) for name in shapes)
    return Found(source, tensors, shapes, places, widths, tuple(attention), spectral) if widths else None


def canonical(tensors: Mapping[str, np.ndarray], source: Source) -> dict[str, np.ndarray]:
    """The tensors without what differs within one source: its conditional and synchronized BatchNorm keep their
    statistics one module deeper, the latter under PyTorch's names."""
    tensors = {re.sub(r"(bn\d|output_layer\.0)\.bn\.", r"\1.", name): value for name, value in tensors.items()}
    if source is STUDIOGAN:
        return tensors
    return {name.replace(".running_", ".stored_"): value for name, value in tensors.items()}


def generator_fields(found: Found) -> dict[str, Any]:
    """What the tensors tell of any generator."""
    widths = [found.widths[0][0], *(outputs for _, outputs in found.widths)]
    size = BOTTOM << len(found.widths)
    return _fields(found, widths) | {"image_shape": (size, size, *found.weight("output")[:1]),
                                     "num_up": len(found.widths), **found.source.generator}


def discriminator_fields(found: Found) -> dict[str, Any]:
    """What the tensors tell of the discriminator. No block halves that has no shortcut, and the last never does."""
    widths = [outputs for _, outputs in found.widths]
    shortcuts = [bool(found.weight(f"block{number}/shortcut")) for number in range(1, len(widths) + 1)]
    num_down = min(sum(shortcuts), len(widths) - 1)
    bottom = 2 * BOTTOM if len(widths) - num_down == 2 else BOTTOM  # the networks for 32 pixels have two blocks at 8
    size = bottom << num_down
    classes = found.weight("head/embed")
    return _fields(found, widths) | {"image_shape": (size, size, found.widths[0][0]), "num_down": num_down,
                                     "num_classes": classes[0] if classes else 0, **found.source.discriminator}


def _fields(found: Found, widths: list[int]) -> dict[str, Any]:
    width = math.gcd(*widths)
    return {"width": width, "multipliers": tuple(each // width for each in widths), "attention": (),
            "attention_blocks": found.attention, "spectral": found.spectral,
            **(found.source.spectral if found.spectral else {})}


def published_names(shapes: Mapping[str, tuple[int, ...]], found: Found) -> dict[str, str]:
    """Our name of a network's variables, flat and with the collection -> the published one, for all that are."""
    table = {}
    for name in shapes:
        collection, *path, leaf = name.split("/")
        module = found.module("/".join(path[:-1] if collection == "spectral" else path))
        if leaf in ("kernel", "embedding"):
            normalised = "/".join(["spectral", *path, "spectral", "u"]) in shapes
            table[name] = f"{module}.weight" + "_orig" * (normalised and "v" in found.source.leaves)
        elif leaf != "v" or "v" in found.source.leaves:
            table[name] = f"{module}.{found.source.leaves.get(leaf, leaf)}"
    return table


def variables(found: Found, network: nn.Module, taken: tuple[int, ...], where: str) -> dict[str, np.ndarray]:
    """The variables of `network` under our names, flat and with their collections ("params/...", "batch_stats/...",
    "spectral/..."). Raises InputError where tensors are missing, unknown or of another shape."""
    shapes = shapes_of(network, taken)
    table = published_names(shapes, found)
    wanted = {theirs: _published_shape(shapes[name], name, found.source) for name, theirs in table.items()}
    names.check(found.tensors, wanted, where, found.source.ignored)
    result = {name: ours(found.tensors[theirs], name, shapes) for name, theirs in table.items()}
    for name in shapes.keys() - result.keys():  # right singular vectors that are not stored follow from the left ones
        result[name] = _right_vector(result, name.removeprefix("spectral/").removesuffix("/spectral/v"))
    return result


def shapes_of(network: nn.Module, taken: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Our names of all variables of `network`, flat and with their collections, and their shapes."""
    label = jnp.zeros(1, jnp.int32)
    tree = jax.eval_shape(lambda x: network.init(jax.random.key(0), x, label, train=False), jnp.zeros((1, *taken)))
    return {name: leaf.shape for name, leaf in flatten_dict(tree, sep="/").items()}


def _published_shape(shape: tuple[int, ...], name: str, source: Source) -> tuple[int, ...]:
    if name.endswith("/kernel"):
        return tuple(shape[axis] for axis in {4: (3, 2, 0, 1), 2: (1, 0)}[len(shape)])
    if name.endswith("/u") and source is AJBROCK:
        return (1, *shape)
    return shape or (1,) * (source is STUDIOGAN)


def ours(tensor: np.ndarray, name: str, shapes: Mapping[str, tuple[int, ...]]) -> np.ndarray:
    """Published layout -> ours: outputs last, and in the layer that makes the first map, channels after positions."""
    tensor = tensor.reshape(-1) if name.endswith("/u") else tensor.reshape(tensor.shape if shapes[name] else ())
    _, *path, leaf = name.split("/")
    if path[0] == "dense" and leaf != "v":
        maps = tensor.reshape(-1, BOTTOM, BOTTOM, *tensor.shape[1:])
        tensor = np.moveaxis(maps, 0, 2).reshape(tensor.shape)
    if leaf == "kernel":
        return tensor.transpose({4: (2, 3, 1, 0), 2: (1, 0)}[tensor.ndim])
    if leaf == "v":
        kernel = shapes.get("/".join(["params", *path[:-1], "kernel"]), ())
        return np.moveaxis(tensor.reshape(kernel[2], *kernel[:2]), 0, 2).reshape(-1) if len(kernel) == 4 else tensor
    return tensor


def _right_vector(flat: Mapping[str, np.ndarray], module: str) -> np.ndarray:
    table = flat.get(f"params/{module}/embedding")
    matrix = flat[f"params/{module}/kernel"] if table is None else table.T
    vector = matrix.reshape(-1, matrix.shape[-1]) @ flat[f"spectral/{module}/spectral/u"]
    return vector / np.linalg.norm(vector)
