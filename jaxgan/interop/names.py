"""Published tensors and the names and shapes that a network asks for."""

import re
from collections.abc import Mapping

import numpy as np

from jaxgan.errors import InputError


def check(found: Mapping[str, np.ndarray], wanted: Mapping[str, tuple[int, ...]], where: str, ignored: str) -> None:
    """Refuses, in one message that lists all of it, tensors that are missing, in excess or of another shape.

    wanted: published name -> published shape. ignored: a pattern; names it fits may be there and are not looked at.
    """
    shapes = {name: array.shape for name, array in found.items() if not re.fullmatch(ignored, name)}
    wrong = [f"{name} {shapes[name]}, not {shape}" for name, shape in wanted.items()
             if name in shapes and shapes[name] != shape]
    problems = {"missing": [name for name in wanted if name not in shapes],
                "not known": [name for name in shapes if name not in wanted], "of another shape": wrong}
    if any(problems.values()):
        raise InputError(f"{where} does not hold the weights of this network. " + " ".join(
            f"{len(names)} {what}: {', '.join(names)}." for what, names in problems.items() if names))


def nest(flat: Mapping[str, np.ndarray]) -> dict:
    """{"a/b": x} -> {"a": {"b": x}}."""
    tree: dict = {}
    for name, value in flat.items():
        *path, leaf = name.split("/")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[leaf] = value
    return tree
