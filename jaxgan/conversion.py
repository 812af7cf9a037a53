"""Published weights as a run: which networks files hold, the config that builds them, and a checkpoint of step 0."""

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
from ml_collections import ConfigDict

from jaxgan import compilation
from jaxgan import config as config_lib
from jaxgan.data import Info
from jaxgan.errors import InputError
from jaxgan.experiment import PLAYERS, Experiment
from jaxgan.interop import names, safetensors, snapshots, torch_reader
from jaxgan.interop.snapshots import Network
from jaxgan.models import FAMILIES
from jaxgan.runs import CONVERTED, RunFolder, environment, write_text
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.state import TrainState
from jaxgan.training.update import initial_state
from jaxgan.typing import PyTree

# What files call the networks of a training.
ROLES = {"G": "generator", "generator": "generator", "D": "discriminator", "discriminator": "discriminator",
         "G_ema": "average", "g_ema": "average", "generator_ema": "average"}
INCEPTION = "Conv2d_1a_3x3.conv.weight"


class Converted(NamedTuple):
    """One network. taken: the shape of one latent or image. variables: as `apply` wants them. file: where it was."""

    family: str
    network: nn.Module
    taken: tuple[int, ...]
    variables: PyTree
    file: Path


def collect(files: Mapping[str, Path]) -> dict[str, Converted]:
    """The networks in `files`: "generator", and as far as they are there "discriminator" and "average".

    files: the role of the one network a file holds -> the file; "" is for one that holds a generator, or several under
    the names of ROLES. Raises InputError where a file is damaged, or the networks are none that are known or do not
    belong together.
    """
    found = {}
    for role, path in files.items():
        inside = read(path)
        # One that was asked for by name is that, or the only one of its file.
        chosen = {role: inside.get(role) or inside.get("") or inside.get("generator")} if role else inside
        if None in chosen.values():
            raise InputError(f"{path} holds no {role}.")
        found |= {name: identify(network, path) for name, network in chosen.items()}
    if "" in found:
        found["generator"] = found.pop("")
    if "generator" not in found and "average" in found:
        found["generator"] = found["average"]
    _check_roles(found, files)
    return found


def read(path: Path) -> dict[str, Network]:
    """The networks of a file by their role; one without a name is under ""."""
    if path.suffix == ".pkl":
        inside = {ROLES[name]: network for name, network in snapshots.read(path).items() if name in ROLES}
        if not inside:
            raise InputError(f"{path} holds none of the networks {', '.join(ROLES)}.")
        return inside
    tensors = safetensors.read(path)[0] if path.suffix == ".safetensors" else torch_reader.read(path)
    wrapped = {name.removeprefix("state_dict."): tensor for name, tensor in tensors.items()
               if name.startswith("state_dict.")}
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, tensor in (wrapped or tensors).items():
        first, _, rest = name.removeprefix("module.").partition(".")
        role = ROLES.get(first, "")
        groups.setdefault(role, {})[rest if role else name.removeprefix("module.")] = tensor
    if len(groups) > 1:
        groups.pop("", None)  # counters, optimizers
    return {role: Network(group, {}) for role, group in groups.items()}


def identify(network: Network, path: Path) -> Converted:
    """The family that a network is of, and its variables there."""
    if INCEPTION in network.tensors:
        raise InputError(f"{path} holds an Inception, which scores are computed with: give it to `python -m "
                         f"jaxgan.prepare --weights=inception --from={path}`.")
    known = {name: module for name, module in FAMILIES.items() if hasattr(module, "convert")}
    for family, module in known.items():
        try:
            module.describe(network.tensors, str(path))
        except InputError:
            continue
        built, taken, flat = module.convert(network.tensors, str(path))
        built = configured(built, network.arguments, module, path)
        return Converted(family, built, taken, names.nest(flat), path)
    raise InputError(f"{path} holds no network that is known: {', '.join(known)} were tried. Its tensors begin with "
                     f"{', '.join(sorted(network.tensors)[:3])}.")


def configured(network: nn.Module, arguments: Mapping[str, Any], module: ModuleType, path: Path) -> nn.Module:
    """`network` with what its published arguments say and no tensor tells."""
    sections = [each for each in arguments.values() if isinstance(each, dict)]
    said = {name: value for section in (arguments, *sections) for name, value in section.items()}
    for name, value in getattr(module, "FIXED_ARGUMENTS", {}).items():
        if name in said and said[name] != value:
            raise InputError(f"{path}: its {type(network).__name__.lower()} was made with {name}={said[name]!r}; only "
                             f"{value!r} is supported.")
    told = {field: said[name] for name, field in getattr(module, "ARGUMENTS", {}).items()
            if name in said and hasattr(network, field)}
    return network.clone(**told)


def _check_roles(found: Mapping[str, Converted], files: Mapping[str, Path]) -> None:
    if "generator" not in found:
        raise InputError(f"--from={files['']}: there is a discriminator in it, and no generator.")
    for role, each in found.items():
        kind = "discriminator" if role == "discriminator" else "generator"
        if type(each.network).__name__.lower() != kind:
            raise InputError(f"{each.file} holds a {type(each.network).__name__.lower()} where the {kind} should be.")
    generator = found["generator"].network
    for role, each in found.items():
        mine, theirs = ((network.image_shape, network.num_classes) for network in (generator, each.network))
        if mine != theirs:
            raise InputError(f"{each.file}: its {role} is of another training than the generator: images of "
                             f"{theirs[0]} and {theirs[1]} classes, not {mine[0]} and {mine[1]}.")
        if role == "average" and each.network != generator:
            raise InputError(f"{each.file}: its average is of another generator, not of the same size.")


def write(found: Mapping[str, Converted], config: ConfigDict, overrides: Sequence[str], classes: Sequence[str] | None,
          workdir: Path | str) -> str:
    """Writes the run, whole or not at all; returns what it is, in words.

    config: the defaults; overrides: `key=value` over it and over what the networks say. classes: their names.
    """
    if isinstance(workdir, str):
        raise InputError(f"--workdir={workdir}: convert writes a folder on this machine; copy that to the bucket.")
    if workdir.exists() and not (workdir.is_dir() and not any(workdir.iterdir())):
        raise InputError(f"--workdir={workdir} is there already: choose another.")
    info = describe_data(found["generator"].network, classes)
    configure(config, found, overrides)
    experiment = Experiment(config, info, jax.devices()[:1])
    state = build_state(experiment, found)
    temporary = workdir.with_name(f".{workdir.name}.{os.getpid()}")
    try:
        folder = RunFolder(temporary)
        folder.prepare(config, info)
        record = json.dumps(environment(info) | {"converted": describe_files(found)}, indent=2)
        write_text(folder.environment_file, record + "\n")
        with closing(Checkpoints(folder.checkpoints)) as checkpoints:
            checkpoints.save(state)
        temporary.rename(workdir)
    except OSError as error:
        raise InputError(f"Cannot write to {workdir} ({error.strerror}): choose another --workdir.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return describe(found, workdir)


def describe_data(generator: nn.Module, classes: Sequence[str] | None) -> Info:
    """The data that the weights were trained on, as far as a generator tells."""
    count = generator.num_classes
    if classes is not None and len(classes) != count:
        raise InputError(f"--classes: {len(classes)} names, but the generator has {count} classes.")
    return Info(CONVERTED, generator.image_shape, count, tuple(classes or map(str, range(count))),
                label_kind="class" if count else "none", label_frequencies=(1 / count,) * count if count else (),
                hasher=lambda: "unknown")


def configure(config: ConfigDict, found: Mapping[str, Converted], overrides: Sequence[str]) -> None:
    """Sets, in place, what builds the networks; a discriminator that is not there is one of the generator's family."""
    generator = found["generator"]
    config.data = {"name": CONVERTED}
    config.latent = {"name": "normal", "dim": generator.taken[0]}
    for player in PLAYERS:
        each = found.get(player)
        config[player] = {"name": each.family, **fields(each.network)} if each else {
            "name": generator.family, "width": generator.network.width}
    for text in overrides:
        config_lib.override(config, text)
    config_lib.validate(config)


def fields(network: nn.Module) -> dict[str, Any]:
    """What a config says of a network: all its fields that do not follow from the data."""
    others = ("image_shape", "num_classes", "parent", "name")
    return {name: getattr(network, name) for name in network.__dataclass_fields__ if name not in others}


def build_state(experiment: Experiment, found: Mapping[str, Converted]) -> TrainState:
    """The state of step 0 that begins with these weights. Raises InputError where the config builds other networks."""
    def build(given: dict[str, PyTree]) -> TrainState:
        def init(player: str, key: jax.Array) -> PyTree:
            return given[player] if player in given else experiment.init_network(player, key)

        state = initial_state(experiment.method, {player: functools.partial(init, player) for player in PLAYERS},
                              experiment.config["seed"])
        average = dict(given.get("average", given["generator"]))
        average = {"params": average.pop("params"), "variables": average}
        return state.replace(averages=dict.fromkeys(state.averages, average))

    given = {role: jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), each.variables)
             for role, each in found.items()}
    made, wanted = ({(jax.tree_util.keystr(path), leaf.shape) for path, leaf in jax.tree.leaves_with_path(state)}
                    for state in (jax.eval_shape(build, given), experiment.abstract_state()))
    if made != wanted:
        raise InputError(f"With these options the networks have other tensors than the file: {len(wanted - made)} that "
                         f"it lacks, {len(made - wanted)} more than they take.")
    return compilation.jit(build)(given)


def describe_files(found: Mapping[str, Converted]) -> dict[str, Any]:
    """Which file each network is from, with its hash; null for a discriminator that is not."""
    def one(each: Converted) -> dict[str, str]:
        with each.file.open("rb") as file:
            return {"family": each.family, "file": each.file.name,
                    "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    return {role: one(found[role]) if role in found else None for role in (*PLAYERS, "average")}


def describe(found: Mapping[str, Converted], workdir: Path) -> str:
    """What was made of which, and how to look at it."""
    generator = found["generator"]
    height, width, channels = generator.network.image_shape
    classes = f", {generator.network.num_classes} classes" if generator.network.num_classes else ""
    lines = [f"Wrote {workdir}: {generator.family}, {height}×{width}×{channels}{classes}, z of {generator.taken[0]}."]
    if "average" not in found:
        lines.append("The generator has no averaged weights of its own: --raw and the average are the same.")
    if "discriminator" not in found:
        lines.append("There was no discriminator: the one of this run begins afresh.")
    return "\n".join([*lines, f"Images: python -m jaxgan.sample --workdir={workdir} --seeds=0-63 "
                              "--output=samples.png"])
