"""JAX operations in ONNX. A rule is (graph, equation, operands) -> the result, or a list of them."""

import string
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxgan.interop._onnx_graph import Graph, Operand, Tensor, unknown


def elementwise(op: str) -> Callable[..., Tensor]:
    """A rule for operations on entries, which leave broadcasts to ONNX."""
    def rule(graph: Graph, equation: Any, *operands: Operand) -> Tensor:
        shapes = [each.shape for each in operands if each.shape]  # numbers go with any shape
        return graph.add(op, operands, [max(sides, key=lambda side: side != 1) for sides in zip(*shapes)])
    return rule


def chain(*ops: str) -> Callable[..., Tensor]:
    """A rule for functions of one entry that ONNX takes several steps to."""
    def rule(graph: Graph, equation: Any, *operands: Operand) -> Tensor:
        first, *others = ops
        found = elementwise(first)(graph, equation, *operands)
        for op in others:
            found = graph.add(op, [found], found.shape)
        return found
    return rule


def power(graph: Graph, equation: Any, x: Operand) -> Tensor:
    exponent = equation.params["y"]
    if exponent == 2:
        return graph.add("Mul", [x, x], x.shape)
    return graph.add("Pow", [x, np.asarray(exponent, equation.invars[0].aval.dtype)], x.shape)


def square(graph: Graph, equation: Any, x: Operand) -> Tensor:
    return graph.add("Mul", [x, x], x.shape)


def cast(graph: Graph, equation: Any, x: Operand) -> Operand:
    import onnx
    old, new = equation.invars[0].aval.dtype, equation.outvars[0].aval.dtype
    if old == new:
        return x
    return graph.add("Cast", [x], x.shape, to=onnx.helper.np_dtype_to_tensor_dtype(np.dtype(new)))


def select(graph: Graph, equation: Any, which: Operand, *cases: Operand) -> Tensor:
    if len(cases) != 2 or equation.invars[0].aval.dtype != np.bool_:
        raise unknown("selects among more than two cases")
    return elementwise("Where")(graph, equation, which, cases[1], cases[0])


def clamp(graph: Graph, equation: Any, low: Operand, x: Operand, high: Operand) -> Tensor:
    floored = graph.add("Max", [x, low], x.shape)
    return graph.add("Min", [floored, high], x.shape)


def broadcast(graph: Graph, equation: Any, x: Operand) -> Operand:
    """New axes only; what is longer than in x is left to those who need it so."""
    shape = [1] * len(equation.params["shape"])
    for axis, place in enumerate(equation.params["broadcast_dimensions"]):
        shape[place] = x.shape[axis]
    return graph.reshape(x, shape)


def reshape(graph: Graph, equation: Any, x: Operand) -> Operand:
    return graph.reshape(graph.full(x, equation.invars[0].aval.shape), equation.outvars[0].aval.shape)


def transpose(graph: Graph, equation: Any, x: Operand) -> Operand:
    order = equation.params["permutation"]
    return graph.add("Transpose", [x], [x.shape[axis] for axis in order], perm=list(order))


def concatenate(graph: Graph, equation: Any, *operands: Operand) -> Tensor:
    whole = [graph.full(each, var.aval.shape) for each, var in zip(operands, equation.invars)]
    return graph.add("Concat", whole, equation.outvars[0].aval.shape, axis=equation.params["dimension"])


def stack(graph: Graph, equation: Any, *operands: Operand) -> Tensor:
    axis = equation.params["axis"]
    shape = [1 if place == axis else side for place, side in enumerate(equation.outvars[0].aval.shape)]
    whole = [graph.reshape(graph.full(each, var.aval.shape), shape) for each, var in zip(operands, equation.invars)]
    return graph.add("Concat", whole, equation.outvars[0].aval.shape, axis=axis)


def split(graph: Graph, equation: Any, x: Operand) -> list[Tensor]:
    whole = graph.full(x, equation.invars[0].aval.shape)
    return graph.add_all("Split", [whole, np.array(equation.params["sizes"], np.int64)],
                         [var.aval.shape for var in equation.outvars], axis=equation.params["axis"])


def unstack(graph: Graph, equation: Any, x: Operand) -> list[Operand]:
    axis, shape = equation.params["axis"], equation.invars[0].aval.shape
    rows = graph.add_all("Split", [graph.full(x, shape), np.ones(shape[axis], np.int64)],
                         [(*shape[:axis], 1, *shape[axis + 1:])] * shape[axis], axis=axis)
    return [graph.reshape(row, var.aval.shape) for row, var in zip(rows, equation.outvars)]


def cut(graph: Graph, equation: Any, x: Operand) -> Operand:
    before = equation.invars[0].aval.shape
    x = graph.full(x, before)
    starts, ends = equation.params["start_indices"], equation.params["limit_indices"]
    strides = equation.params["strides"] or (1,) * len(before)
    axes = [axis for axis, side in enumerate(before) if (starts[axis], ends[axis], strides[axis]) != (0, side, 1)]
    first, last, step = (np.array([values[axis] for axis in axes], np.int64) for values in (starts, ends, strides))
    return graph.add("Slice", [x, first, last, np.array(axes, np.int64), step], equation.outvars[0].aval.shape)


def reverse(graph: Graph, equation: Any, x: Operand) -> Tensor:
    shape, axes = equation.invars[0].aval.shape, equation.params["dimensions"]
    first, last, step = (np.full(len(axes), value, np.int64) for value in (-1, np.iinfo(np.int64).min, -1))
    return graph.add("Slice", [graph.full(x, shape), first, last, np.array(axes, np.int64), step], shape)


def pad(graph: Graph, equation: Any, x: Operand, value: Operand) -> Tensor:
    config = equation.params["padding_config"]
    if any(inner for _, _, inner in config):
        raise unknown("pads between entries")
    return padded(graph, graph.full(x, equation.invars[0].aval.shape), [pair[:2] for pair in config],
                  equation.outvars[0].aval.shape, value)


def padded(graph: Graph, x: Operand, pairs: Sequence[tuple[int, int]], shape: Sequence[Any],
           value: Operand | None = None) -> Operand:
    """x with (before, after) more entries along each axis; fewer where that is negative."""
    if not any(map(any, pairs)):
        return x
    amounts = np.array(pairs, np.int64).T.ravel()
    return graph.add("Pad", [x, amounts] + ([] if value is None else [value]), shape)


def reduce(op: str) -> Callable[..., Tensor]:
    def rule(graph: Graph, equation: Any, x: Operand) -> Tensor:
        whole = graph.full(x, equation.invars[0].aval.shape)
        axes = np.array(equation.params["axes"], np.int64)
        return graph.add(op, [whole, axes], equation.outvars[0].aval.shape, keepdims=0)
    return rule


def dot(graph: Graph, equation: Any, x: Operand, y: Operand) -> Tensor:
    (over_x, over_y), (batch_x, batch_y) = equation.params["dimension_numbers"]
    avals, result = [var.aval for var in equation.invars], equation.outvars[0].aval
    whole = [graph.full(each, aval.shape) for each, aval in zip((x, y), avals)]
    if (over_x, over_y, batch_x) == ((avals[0].ndim - 1,), (0,), ()) and avals[1].ndim == 2:
        return graph.add("MatMul", whole, result.shape)
    letters = iter(string.ascii_lowercase)
    shared = dict(zip((*over_y, *batch_y), (*over_x, *batch_x)))
    of_x = [next(letters) for _ in range(avals[0].ndim)]
    of_y = [of_x[shared[axis]] if axis in shared else next(letters) for axis in range(avals[1].ndim)]
    kept = [of_x[axis] for axis in batch_x]
    kept += [each for axis, each in enumerate(of_x) if axis not in shared.values()]
    kept += [each for axis, each in enumerate(of_y) if axis not in shared]
    return graph.add("Einsum", whole, result.shape, equation=f"{''.join(of_x)},{''.join(of_y)}->{''.join(kept)}")


def gather(graph: Graph, equation: Any, x: Operand, indices: Operand) -> Operand:
    """Single entries along some axes, all of the others: indexing, embeddings, strides."""
    numbers, source = equation.params["dimension_numbers"], equation.invars[0].aval
    axes = numbers.start_index_map
    if isinstance(indices, np.ndarray) and indices.shape == (len(axes),) and not numbers.operand_batching_dims:
        return one_slice(graph, equation, x, indices)
    if numbers.operand_batching_dims or tuple(numbers.collapsed_slice_dims) != tuple(axes) or any(
            size != source.shape[axis] for axis, size in enumerate(equation.params["slice_sizes"]) if axis not in axes):
        raise unknown("gathers slices longer than one")
    others = [axis for axis in range(source.ndim) if axis not in axes]
    order = [*axes, *others]
    whole = graph.full(x, source.shape)
    if order != sorted(order):
        whole = graph.add("Transpose", [whole], [source.shape[axis] for axis in order], perm=order)
    index = equation.invars[1].aval
    if isinstance(indices, np.ndarray):
        where = indices.astype(np.int64)
    else:
        import onnx
        where = graph.add("Cast", [graph.full(indices, index.shape)], index.shape, to=onnx.TensorProto.INT64)
    found = [*index.shape[:-1], *(source.shape[axis] for axis in others)]
    taken = graph.add("GatherND", [whole, where], found)
    result, offsets = equation.outvars[0].aval, list(numbers.offset_dims)
    batches = iter(range(index.ndim - 1))
    perm = [index.ndim - 1 + offsets.index(axis) if axis in offsets else next(batches) for axis in range(result.ndim)]
    return taken if perm == sorted(perm) else graph.add("Transpose", [taken], result.shape, perm=perm)


def one_slice(graph: Graph, equation: Any, x: Operand, place: np.ndarray) -> Operand:
    """A gather of a single slice, whose place is known."""
    source, sizes = equation.invars[0].aval.shape, equation.params["slice_sizes"]
    axes = equation.params["dimension_numbers"].start_index_map
    ends = [int(start) + sizes[axis] for start, axis in zip(place, axes)]
    if any(not 0 <= end - sizes[axis] <= end <= source[axis] for end, axis in zip(ends, axes)):
        raise unknown("gathers past the end")
    bounds = [np.array(each, np.int64) for each in (place, ends, axes)]
    return graph.reshape(graph.add("Slice", [graph.full(x, source), *bounds], sizes), equation.outvars[0].aval.shape)


def convolution(graph: Graph, equation: Any, x: Operand, w: Operand) -> Tensor:
    window, result = equation.params["window"], equation.outvars[0].aval
    x = channels_first(graph, x, equation.invars[0].aval.shape)
    padding = window.padding
    if any(side < 0 for pair in padding for side in pair):
        sides = [n + sum(pair) for n, pair in zip(window.input, padding)]
        x, padding = padded(graph, x, [(0, 0), (0, 0), *padding], [*x.shape[:2], *sides]), ((0, 0), (0, 0))
    y = graph.add("Conv", [x, kernel(graph, equation, w)], first_channels(result.shape), group=window.groups,
                  pads=[low for low, _ in padding] + [high for _, high in padding], strides=list(window.stride),
                  dilations=list(window.dilation))
    return graph.add("Transpose", [y], result.shape, perm=[0, 2, 3, 1])


def input_adjoint(graph: Graph, equation: Any, g: Operand, w: Operand) -> Tensor:
    """A transposed convolution with nothing cut off, then the cut."""
    window, result = equation.params["window"], equation.outvars[0].aval
    g = channels_first(graph, g, equation.invars[0].aval.shape)
    whole = [(n - 1) * s + e for n, s, e in zip(g.shape[2:], window.stride, window.extent)]
    cuts = [(low, made - low - n) for (low, _), made, n in zip(window.padding, whole, window.input)]
    inside = [(max(low, 0), max(high, 0)) for low, high in cuts]
    rest = [(kept_low - low, kept_high - high) for (low, high), (kept_low, kept_high) in zip(cuts, inside)]
    shape = first_channels(result.shape)
    sides = [made - sum(pair) for made, pair in zip(whole, inside)]
    x = graph.add("ConvTranspose", [g, kernel(graph, equation, w)], [*shape[:2], *sides], group=window.groups,
                  pads=[low for low, _ in inside] + [high for _, high in inside], strides=list(window.stride),
                  dilations=list(window.dilation))
    x = padded(graph, x, [(0, 0), (0, 0), *rest], shape)
    return graph.add("Transpose", [x], result.shape, perm=[0, 2, 3, 1])


def channels_first(graph: Graph, x: Operand, shape: Sequence[Any]) -> Tensor:
    return graph.add("Transpose", [graph.full(x, shape)], first_channels(shape), perm=[0, 3, 1, 2])


def first_channels(shape: Sequence[Any]) -> list[Any]:
    return [shape[axis] for axis in (0, 3, 1, 2)]


def kernel(graph: Graph, equation: Any, w: Operand) -> Operand:
    """[height, width, inputs, outputs] -> [outputs, inputs, height, width], for both kinds of convolution."""
    shape = equation.invars[1].aval.shape
    if isinstance(w, np.ndarray):
        return np.transpose(np.broadcast_to(w, shape), (3, 2, 0, 1))
    return graph.add("Transpose", [graph.full(w, shape)], [shape[axis] for axis in (3, 2, 0, 1)], perm=[3, 2, 0, 1])


def same(graph: Graph, equation: Any, x: Operand) -> Operand:
    return x


RULES: dict[str, Callable[..., Any]] = {
    **{name: elementwise(op) for name, op in {
        "add": "Add", "add_any": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min",
        "pow": "Pow", "neg": "Neg", "exp": "Exp", "log": "Log", "tanh": "Tanh", "logistic": "Sigmoid", "sqrt": "Sqrt",
        "abs": "Abs", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "sin": "Sin", "cos": "Cos", "erf": "Erf",
        "eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual", "and": "And",
        "or": "Or", "not": "Not"}.items()},
    "rsqrt": chain("Sqrt", "Reciprocal"), "ne": chain("Equal", "Not"),
    "integer_pow": power, "square": square, "convert_element_type": cast, "select_n": select, "clamp": clamp,
    "stop_gradient": same, "copy": same, "copy_p": same,
    "broadcast_in_dim": broadcast, "reshape": reshape, "squeeze": reshape, "expand_dims": reshape,
    "transpose": transpose, "concatenate": concatenate, "stack": stack, "split": split, "unstack": unstack,
    "slice": cut, "rev": reverse, "pad": pad, "gather": gather,
    "reduce_sum": reduce("ReduceSum"), "reduce_max": reduce("ReduceMax"), "reduce_min": reduce("ReduceMin"),
    "dot_general": dot, "gan_convolution": convolution, "gan_convolution_input_adjoint": input_adjoint,
}
