"""Reads the fixtures of reference networks (PyTorch names and layouts) as variables of ours, and compares."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

# float64 tells a wrong epsilon from rounding, and is compared at 1e-9; float32 is what people run.
WIDTHS = [pytest.param(True, id="float64"), pytest.param(False, id="float32", marks=pytest.mark.slow)]
SKIPPED = ("num_batches_tracked", "sv0")  # sv0: the last singular value, kept by the reference for its log
LEAVES = {"weight": ("params", "kernel"), "weight_orig": ("params", "kernel"), "bias": ("params", "bias"),
          "weight_u": ("spectral", "u"), "u0": ("spectral", "u"), "weight_v": ("spectral", "v"),
          "running_mean": ("batch_stats", "mean"), "stored_mean": ("batch_stats", "mean"),
          "running_var": ("batch_stats", "var"), "stored_var": ("batch_stats", "var"),
          "sigma": ("params", "gain"), "gamma": ("params", "gain"), "gain": ("params", "scale")}


def nhwc(images: np.ndarray) -> np.ndarray:
    return images.transpose(0, 2, 3, 1)


class Reference(NamedTuple):
    """One network of a fixture. names: (pattern, replacement) from its module names to ours with slashes, in order."""

    arrays: dict[str, np.ndarray]
    prefix: str
    names: Sequence[tuple[str, str]]
    bottom: tuple[int, int] = (4, 4)

    def variables(self, group: str, wide: bool) -> dict:
        """`group` "" is the state the network starts from, "grad_" its gradients, "after_" its buffers in the end."""
        dtype = np.float64 if wide else np.float32
        start = f"{group}{self.prefix}{'_f64' if wide and group else ''}/"
        tree: dict = {}
        for key in self.arrays:
            if key.startswith(start) and not key.endswith(SKIPPED):
                collection, *path, value = self._leaf(key[len(start):], self.arrays[key])
                node = tree.setdefault(collection, {})
                for part in path[:-1]:
                    node = node.setdefault(part, {})
                node[path[-1]] = jnp.asarray(value.astype(dtype))
                if path[-1] == "u" and not group:
                    node.setdefault("v", jnp.nan)  # where a reference stores none, nothing may read it
        return tree

    def _leaf(self, key: str, value: np.ndarray) -> list:
        module, _, leaf = key.rpartition(".")
        collection, name = LEAVES[leaf]
        for pattern, replacement in self.names:
            module = re.sub(f"^{pattern}", replacement, module)
        path = module.split("/")
        if path[-1] == "embed" and name == "kernel":
            name = "embedding"
        elif name == "kernel" and value.ndim == 1:
            name = "scale"
        elif path == ["dense"] and name != "v":
            value = self._pixels_first(value.reshape(-1) if name == "u" else value).T
        elif name == "kernel":
            value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
        elif name == "v":
            rows = self.arrays[f"{self.prefix}/{key.replace('weight_v', 'weight_orig')}"]
            value = value.reshape(rows.shape[1:])
            value = value.transpose(1, 2, 0).ravel() if value.ndim == 3 else value
        elif name == "u" or (name == "gain" and value.ndim == 1):
            value = value.reshape(-1 if name == "u" else ())
        path = [*path, "spectral"] if collection == "spectral" else path
        return [collection, *path, name, value]

    def _pixels_first(self, value: np.ndarray) -> np.ndarray:
        """Rows of the first layer, which are (channel, row, column) there and (row, column, channel) here."""
        split = value.reshape(-1, *self.bottom, *value.shape[1:])
        return np.moveaxis(split, 0, 2).reshape(value.shape)


def run(network: nn.Module, variables: dict, inputs: tuple, cotangent: np.ndarray, output: Callable) -> tuple:
    """(evaluated output, trained output, variables after, gradient of sum(trained output * cotangent))."""
    stored = {name: tree for name, tree in variables.items() if name != "params"}

    @jax.jit  # everything is an argument: XLA would fold constants for seconds
    def both(variables, stored, inputs, cotangent):
        def train(params):
            given, changed = network.apply({"params": params, **stored}, *inputs, train=True, mutable=list(stored))
            return jnp.sum(output(given) * cotangent), (output(given), changed)

        (_, (trained, changed)), gradients = jax.value_and_grad(train, has_aux=True)(variables["params"])
        return output(network.apply(variables, *inputs, train=False)), trained, changed, gradients

    return both(variables, stored, inputs, cotangent)


def error(value, expected) -> float:
    """The largest difference, over the largest entry expected."""
    return float(np.abs(np.asarray(value) - expected).max() / np.abs(expected).max())


def check_network(network: nn.Module, reference: Reference, inputs: tuple, cotangent: np.ndarray, output: Callable,
                  expected: Sequence[np.ndarray], wide: bool) -> dict[str, float]:
    """All of it, within the tolerances that the fixtures state; the errors, for a reader."""
    dtype = "float64" if wide else "float32"
    forward, backward = (1e-9, 1e-9) if wide else (1e-4, 3e-4)
    with jax.enable_x64(wide):
        inputs = [value.astype(dtype) if value.dtype.kind == "f" else value.astype("int32") for value in inputs]
        found = run(network.clone(dtype=dtype), reference.variables("", wide), inputs, cotangent, output)
        errors = {mode: error(value, other) for mode, value, other in zip(("eval", "train"), found, expected)}
        assert max(errors.values()) <= forward
        errors["state"] = check_leaves(found[2], reference.variables("after_", wide), forward)
        gradients = reference.variables("grad_", wide)["params"]
        errors["gradient"] = check_leaves(found[3], gradients, backward, floor=1e-2)
        assert jax.tree.structure(gradients) == jax.tree.structure(found[3])
    return errors


def check_leaves(found: dict, expected: dict, tolerance: float, floor: float = 0.0) -> float:
    """Leaf by leaf relative to its largest entry, or to `floor` times the largest of all; the largest such error."""
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected))
    leaves = dict(jax.tree.leaves_with_path(found))
    worst = 0.0
    assert expected
    for path, leaf in jax.tree.leaves_with_path(expected):
        assert leaves[path].shape == leaf.shape, jax.tree_util.keystr(path)
        scale = max(np.abs(leaf).max(), floor * largest)
        worst = max(worst, difference := float(np.abs(leaves[path] - leaf).max() / scale))
        assert difference <= tolerance, (jax.tree_util.keystr(path), difference)
    return worst
