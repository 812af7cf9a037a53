"""Reads the network snapshots (.pkl) of StyleGAN2-ADA, StyleGAN3 and R3GAN without running anything in them.

Such a file is a plain pickle of PyTorch modules. The first two kinds keep with each module the source text of its
class, which is to be run when it is loaded; here it stays text. The data of a tensor are a torch file of their own,
inside the pickle.
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgan.errors import InputError
from jaxgan.interop import pickles, torch_reader
from jaxgan.interop.pickles import Instance

CLASSES = [f"R3GAN.{name}" for name in (
    "FusedOperators.BiasedActivationCUDA", "FusedOperators.BiasedActivationReference", "Networks.Convolution",
    "Networks.DiscriminativeBasis", "Networks.Discriminator", "Networks.DiscriminatorStage", "Networks.DownsampleLayer",
    "Networks.GenerativeBasis", "Networks.Generator", "Networks.GeneratorStage", "Networks.ResidualBlock",
    "Networks.UpsampleLayer", "Resamplers.InterpolativeDownsamplerCUDA",
    "Resamplers.InterpolativeDownsamplerReference", "Resamplers.InterpolativeUpsamplerCUDA",
    "Resamplers.InterpolativeUpsamplerReference")] + [
    "training.networks.Generator", "training.networks.Discriminator", "torch.nn.modules.container.ModuleList",
    "torch.nn.modules.conv.Conv2d", "torch.nn.modules.linear.Linear"]
UNUSED = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "numpy.ndarray", "torch.float16",
          "torch.bfloat16", "torch.float32", "torch.float64")
DEEPEST = 16  # modules within modules
MOST = 10_000  # modules of a network


class Network(NamedTuple):
    """tensors: parameters and buffers as a state_dict names them. arguments: what the network was made with, where the
    file says so."""

    tensors: dict[str, np.ndarray]
    arguments: dict[str, Any]


def read(path: str | Path) -> dict[str, Network]:
    """The networks of a snapshot by name, such as "G", "D" and "G_ema". Raises InputError where there is none, and for
    a pickle that is damaged or asks for anything else than such a file needs."""
    where = str(path)
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror or error}.") from error
    found = pickles.load(io.BytesIO(content), where, _calls(where, len(content)), _refuse)
    modules = {str(name): value for name, value in found.items() if isinstance(value, Instance)} if (
        type(found) is dict) else {}
    if not modules:
        raise InputError(f"{where} is no snapshot of StyleGAN2-ADA, StyleGAN3 or R3GAN: no networks are in it.")
    try:
        return {name: Network(dict(_tensors(module)), _arguments(module)) for name, module in modules.items()}
    except pickles.DAMAGE as error:
        raise InputError(f"{where} is no snapshot of StyleGAN2-ADA, StyleGAN3 or R3GAN: a network in it is not put "
                         "together as PyTorch's are.") from error


def _calls(where: str, left: int) -> dict[str, Callable]:
    def storage(content: bytes) -> np.ndarray:
        nonlocal left
        left -= len(content)
        if type(content) is not bytes or left < 0:
            raise ValueError("one tensor's data, loaded over and over")
        return torch_reader.load_from(io.BytesIO(content), where)

    def module(meta: dict) -> Instance:
        made = Instance()
        made.state = dict(meta["state"])
        return made

    return {**torch_reader.tensor_calls(where), "torch.storage._load_from_bytes": storage,
            "torch_utils.persistence._reconstruct_persistent_obj": module, "dnnlib.util.EasyDict": dict,
            "builtins.set": list, **dict.fromkeys(CLASSES, Instance), **dict.fromkeys(UNUSED, torch_reader.nothing)}


def _refuse(_: Any) -> None:
    raise ValueError("an object kept outside the pickle, of which there is no outside")


def _tensors(module: Instance) -> Iterator[tuple[str, np.ndarray]]:
    pending, visited = [("", module, 0)], 0
    while pending:
        prefix, module, depth = pending.pop()
        visited += 1
        if depth > DEEPEST or visited > MOST:
            raise ValueError("modules without end")
        state = module.state
        passing = state.get("_non_persistent_buffers_set", ())  # older snapshots have none
        for name, tensor in (state["_parameters"] | state["_buffers"]).items():
            if tensor is not None and name not in passing:
                if not isinstance(tensor, np.ndarray):
                    raise TypeError("a parameter that is no tensor")
                yield prefix + name, tensor
        pending += [(f"{prefix}{name}.", part, depth + 1) for name, part in state["_modules"].items()
                    if part is not None]


def _arguments(module: Instance) -> dict[str, Any]:
    arguments = module.state.get("_init_kwargs", {})
    if type(arguments) is not dict:
        raise TypeError("arguments without names")
    return arguments
