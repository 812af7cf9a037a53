"""Reads the fixtures of reference networks (PyTorch names and layouts) as variables of ours, and compares."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.interop.names import nest
from jaxgan.models import _published

# float64 tells a wrong epsilon from rounding, and is compared at 1e-9; float32 is what people run.
WIDTHS = [pytest.param(True, id="float64"), pytest.param(False, id="float32", marks=pytest.mark.slow)]


def nhwc(images: np.ndarray) -> np.ndarray:
    return images.transpose(0, 2, 3, 1)


class Reference(NamedTuple):
    """One network of a fixture, its tensors named by the package's table for `network`. taken: the shape it takes."""

    arrays: dict[str, np.ndarray]
    prefix: str
    network: nn.Module
    taken: tuple[int, ...]

    def variables(self, group: str, wide: bool) -> dict:
        """`group` "" is the state the network starts from, "grad_" its gradients, "after_" its buffers in the end."""
        found = _published.look(self._tensors(f"{self.prefix}/"))
        shapes = _published.shapes_of(self.network, self.taken)
        tensors = self._tensors(f"{group}{self.prefix}{'_f64' if wide and group else ''}/")
        tensors = _published.canonical(tensors, found.source)
        table = _published.published_names(shapes, found)
        flat = {name: _published.ours(tensors[theirs], name, shapes) for name, theirs in table.items()
                if theirs in tensors}
        # Where a reference stores no right singular vector, nothing may read ours.
        flat |= {} if group else {name: np.full(shapes[name], np.nan) for name in shapes.keys() - flat.keys()}
        return nest({name: jnp.asarray(leaf.astype("float64" if wide else "float32")) for name, leaf in flat.items()})

    def _tensors(self, start: str) -> dict[str, np.ndarray]:
        return {key.removeprefix(start): self.arrays[key] for key in self.arrays if key.startswith(start)}


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
                  expected: Sequence[np.ndarray], wide: bool, record: Callable[[str, float], None]) -> None:
    """All of it, within the tolerances that the fixtures state; the errors are put on record."""
    dtype = "float64" if wide else "float32"
    forward, backward = (1e-9, 1e-9) if wide else (1e-4, 3e-4)
    with jax.enable_x64(wide):
        inputs = [value.astype(dtype) if value.dtype.kind == "f" else value.astype("int32") for value in inputs]
        found = run(network.clone(dtype=dtype), reference.variables("", wide), inputs, cotangent, output)
        errors = {mode: error(value, other) for mode, value, other in zip(("eval", "train"), found, expected)}
        assert max(errors.values()) <= forward
        check_leaves(found[2], reference.variables("after_", wide), forward)
        gradients = reference.variables("grad_", wide)["params"]
        record("forward", float(max(errors.values())))
        record("gradient", float(check_leaves(found[3], gradients, backward, floor=1e-2)))
        assert jax.tree.structure(gradients) == jax.tree.structure(found[3])


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
