"""Weights made by the rule that the fixtures of large networks state: a function of each tensor's name and shape."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np


def rule_weights(fixture: Path, prefix: str, kind: Callable[[str, tuple], tuple[float, float]]) -> dict:
    """kind(name, shape) -> (shift, scale) of the normal numbers. The fixture's own samples are checked."""
    description = json.loads(fixture.read_text())
    tensors = {}
    for name, entry in description["state_dict"][prefix].items():
        shape = tuple(entry["shape"])
        if entry["dtype"] != "float32":
            tensors[name] = np.zeros(shape, entry["dtype"])
            continue
        shift, scale = kind(name, shape)
        value = shift + scale * np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
        tensors[name] = (np.exp(value) if name.endswith("running_var") else value).astype(np.float32)
    for name, check in description["weight_checks"].items():
        np.testing.assert_allclose(tensors[name].ravel()[:4], check["first4"], rtol=1e-6)
    return tensors
