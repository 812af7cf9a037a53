"""An ONNX graph that grows, and its values."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jax import export

from jaxgan.errors import InputError


class Tensor(NamedTuple):
    """A value of the graph. shape: as it is there, with a 1 where JAX has broadcast an axis: ONNX does so by itself."""

    name: str
    shape: tuple[Any, ...]


Operand = Tensor | np.ndarray  # arrays are what is known already; they may lack a broadcast too


class Graph:
    """Nodes and constants so far."""

    def __init__(self, batch: Any, first_input: str):
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self.batch = batch
        self._named: dict[int, tuple[str, np.ndarray]] = {}
        self._batch_size = self.add("Shape", [Tensor(first_input, ())], (1,), start=0, end=1)

    def add(self, op: str, operands: Sequence[Operand], shape: Sequence[Any], name: str = "", **attributes) -> Tensor:
        """The result of one operation."""
        return self.add_all(op, operands, [shape], name, **attributes)[0]

    def add_all(self, op: str, operands: Sequence[Operand], shapes: Sequence[Sequence[Any]], name: str = "",
                **attributes) -> list[Tensor]:
        """The results of an operation that has several."""
        import onnx
        names = [name or f"t{len(self.nodes)}_{index}" for index in range(len(shapes))]
        self.nodes.append(onnx.helper.make_node(op, [self.name(each) for each in operands], names, **attributes))
        return [Tensor(*pair) for pair in zip(names, map(tuple, shapes))]

    def name(self, operand: Operand) -> str:
        """What the graph calls an operand; an array becomes a constant."""
        if isinstance(operand, Tensor):
            return operand.name
        if id(operand) not in self._named:
            name = f"c{len(self.constants)}"
            self.constants[name] = np.ascontiguousarray(operand).reshape(np.shape(operand))
            self._named[id(operand)] = name, operand  # which is kept, lest another array get its id
        return self._named[id(operand)][0]

    def full(self, operand: Operand, shape: Sequence[Any]) -> Operand:
        """The operand with every axis as long as JAX has it."""
        if tuple(operand.shape) == tuple(shape):
            return operand
        if not any(map(export.is_symbolic_dim, shape)):
            return self.add("Expand", [operand, np.array(shape, np.int64)], shape)
        if any(export.is_symbolic_dim(side) and side != self.batch for side in shape):
            raise unknown(f"makes a feature map of shape {tuple(shape)}")
        sides = [self._batch_size if export.is_symbolic_dim(side) else np.array([side], np.int64) for side in shape]
        wanted = sides[0] if len(sides) == 1 else self.add("Concat", sides, (len(sides),), axis=0)
        return self.add("Expand", [operand, wanted], shape)

    def reshape(self, operand: Operand, shape: Sequence[Any]) -> Operand:
        """The operand in another shape of as many entries."""
        if tuple(operand.shape) == tuple(shape):
            return operand
        open_sides = [export.is_symbolic_dim(side) for side in shape]
        if isinstance(operand, np.ndarray) and not any(open_sides):
            return operand.reshape(shape)
        target = [-1 if is_open else side for side, is_open in zip(shape, open_sides)]
        return self.add("Reshape", [operand, np.array(target, np.int64)], shape)

    def entry(self, operand: Operand, number: int) -> Operand:
        """One entry along the first axis."""
        number %= operand.shape[0]  # which is 1 where all entries are the same
        if isinstance(operand, np.ndarray):
            return operand[number]
        return self.add("Gather", [operand, np.array(number, np.int64)], operand.shape[1:], axis=0)

    def stack(self, operands: Sequence[Operand], shape: Sequence[Any]) -> Tensor:
        """The operands, one after another along a new first axis; shape: of the result."""
        rows = [self.reshape(self.full(each, shape[1:]), (1, *shape[1:])) for each in operands]
        return self.add("Concat", rows, shape, axis=0)


def unknown(what: str) -> InputError:
    return InputError(f"ONNX: the generator {what}, which this export has no rule for. Leave onnx out of --format.")
