"""Averages of any width, put together after training from the power-function averages stored along the way."""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxgan import images, processes
from jaxgan.errors import InputError
from jaxgan.training.averages import AVERAGED, power_exponent
from jaxgan.typing import PyTree


class Profile(NamedTuple):
    """What a power-function average was taken over: its std, and the images seen when it was stored."""

    std: float
    images: float


def reconstruction(stored: Sequence[Profile], target: Profile) -> np.ndarray:
    """Coefficients [n] whose sum over the stored averages comes closest to the target profile in the least-squares
    sense (Karras et al. 2024, algorithm 3). float64.

    Two stds stored every so often reconstruct any between them, and a little beyond; the target's images must not
    exceed the last stored.
    """
    if not stored or target.images > max(profile.images for profile in stored):
        raise InputError("A post-hoc average needs stored ones that reach as far in training as it does.")
    exponents = np.array([power_exponent(profile.std) for profile in stored])
    images = np.array([profile.images for profile in stored], np.float64)
    gram = _overlap(images[:, None], exponents[:, None], images, exponents)
    wanted = _overlap(images, exponents, target.images, power_exponent(target.std))
    scale = np.sqrt(np.diag(gram))
    solution, *_ = np.linalg.lstsq(gram / scale / scale[:, None], wanted / scale)
    return solution / scale


def combine(averages: Iterable[PyTree], coefficients: Sequence[float]) -> PyTree:
    """The sum of coefficient times average, {"params", "variables"}, on the host, one average in memory at a time.

    What averages do not average (`averages.AVERAGED`) is taken from the last.
    """
    total, last = None, None
    for last, coefficient in zip(averages, coefficients, strict=True):
        scaled = jax.tree.map(lambda leaf, c=coefficient: c * np.asarray(leaf, np.float64), _averaged(last))
        total = scaled if total is None else jax.tree.map(np.add, total, scaled)
    made = jax.tree.map(lambda leaf, value: value.astype(leaf.dtype), _averaged(last), total)
    return {"params": made.pop("params"), "variables": last["variables"] | made}


def _averaged(weights: PyTree) -> dict[str, PyTree]:
    """The parts that averages are taken of, by name."""
    variables = weights["variables"]
    return {"params": weights["params"]} | {name: variables[name] for name in AVERAGED if name in variables}


def _overlap(images_a, exponent_a, images_b, exponent_b):
    """Integral of the product of two profiles (g + 1) t^g / T^(g + 1) on [0, T]."""
    first, last = np.minimum(images_a, images_b), np.maximum(images_a, images_b)
    decay = np.where(images_a < images_b, exponent_b, exponent_a)  # of the longer profile, where the shorter one ends
    return (exponent_a + 1) * (exponent_b + 1) / (exponent_a + exponent_b + 1) / last * (first / last) ** decay


class Store:
    """The `averages/` folder of a run: at each of some steps, its power-function averages.

    stds: name of the average -> std of its profile.
    """

    def __init__(self, folder: Path, stds: Mapping[str, float], images_per_step: int):
        self.folder, self.stds, self.images_per_step = folder, stds, images_per_step

    def save(self, step: int, averages: Mapping[str, PyTree]) -> None:
        """Writes one file of arrays; rewriting a step gives the same file."""
        arrays = {"/".join((name, *path)): processes.fetch(leaf) for name in self.stds
                  for path, leaf in flatten_dict(averages[name]).items()}
        if not processes.is_first():
            return
        with images.replacing(self._file(step)) as file:
            np.savez(file, **arrays)

    def steps(self) -> list[int]:
        """Steps stored, ascending."""
        found = (re.fullmatch(r"step(\d+)\.npz", path.name) for path in self.folder.glob("step*.npz"))
        return sorted(int(match[1]) for match in found if match)

    def reconstruct(self, std: float, step: int) -> PyTree:
        """The average of width `std` at the end of `step`, {"params", "variables"}; later files are not read.

        Raises InputError where nothing is stored at that very step.
        """
        steps = [stored for stored in self.steps() if stored <= step]
        if not steps or steps[-1] != step:
            there = ", ".join(map(str, self.steps())) or "none"
            raise InputError(f"No averages are stored at step {step} (there are: {there}): train with "
                             "config.average_every and power averages, or choose another --checkpoint.")
        stored = [(name, at) for at in steps for name in self.stds]
        profiles = [Profile(self.stds[name], at * self.images_per_step) for name, at in stored]
        coefficients = reconstruction(profiles, Profile(std, step * self.images_per_step))
        try:
            return combine((self._load(name, at) for name, at in stored), coefficients)
        except InputError:
            raise
        except (ValueError, TypeError, AttributeError) as error:  # trees that do not fit one another
            raise InputError(f"The files in {self.folder} do not hold averages of one network: choose another "
                             "--checkpoint, or leave --average_std out.") from error

    def _load(self, name: str, step: int) -> PyTree:
        try:
            with (warnings.catch_warnings(action="ignore"),  # of what the archive says of itself
                  self._file(step).open("rb") as file, np.load(file, allow_pickle=False) as arrays):
                flat = {tuple(key.split("/")[1:]): arrays[key] for key in arrays.files if key.startswith(f"{name}/")}
            return {"variables": {}, "params": {}} | unflatten_dict(flat)
        except Exception as error:  # zipfile, zlib and numpy each have their own for a damaged file
            raise InputError(f"{self._file(step)} is damaged: choose another --checkpoint, or leave --average_std "
                             "out.") from error

    def _file(self, step: int) -> Path:
        return self.folder / f"step{step:08d}.npz"
