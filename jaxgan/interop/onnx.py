"""JAX functions as ONNX graphs, for batches of any size: the operations that generators are made of.

A function is traced with its batch left open, and each JAX operation is written down as ONNX operations. What depends
on weights alone is so too: runtimes compute it once, when they load. Needs the package `onnx`, which `jaxgan[onnx]`
brings.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax import export

from jaxgan.interop._onnx_graph import Graph, Operand, Tensor, unknown
from jaxgan.interop._onnx_rules import RULES

OPSET, IR_VERSION = 18, 10  # of 2022 and 2024: what runtimes in browsers and on phones read
CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr",
         "custom_vjp_call": "call_jaxpr", "checkpoint": "jaxpr", "remat": "jaxpr"}  # -> the parameter with the function


def convert(function: Callable[..., jax.Array], inputs: Mapping[str, jax.ShapeDtypeStruct], output: str,
            facts: Mapping[str, str]) -> bytes:
    """The file of an ONNX model that computes `function`, whose arguments are `inputs` in order.

    Their first axis, where they have any, is the batch: a symbol of `jax.export.symbolic_shape`, the same in all.
    facts: stored beside the graph. Raises InputError for operations that have no rule.
    """
    import onnx
    closed = jax.make_jaxpr(function)(*inputs.values())
    name, batch = next((name, wanted.shape[0]) for name, wanted in inputs.items() if wanted.shape)
    graph = Graph(batch, name)
    (made,) = run(graph, closed.jaxpr, closed.consts, [Tensor(name, wanted.shape) for name, wanted in inputs.items()])
    (wanted,) = closed.out_avals
    graph.add("Identity", [graph.full(made, wanted.shape)], wanted.shape, name=output)
    described = [(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(each.dtype)),
                  ["batch" if export.is_symbolic_dim(side) else side for side in each.shape])
                 for name, each in [*inputs.items(), (output, wanted)]]
    infos = [onnx.helper.make_tensor_value_info(*each) for each in described]
    stored = [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "generator", infos[:-1], infos[-1:], stored), producer_name="jaxgan",
        ir_version=IR_VERSION, opset_imports=[onnx.helper.make_opsetid("", OPSET)])
    onnx.helper.set_model_props(model, dict(facts))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def run(graph: Graph, jaxpr: Any, constants: Sequence[Any], operands: Sequence[Operand]) -> list[Operand]:
    """Writes a function down; returns its results."""
    known = {**dict(zip(jaxpr.constvars, map(plain, constants))), **dict(zip(jaxpr.invars, operands))}
    for equation in used(jaxpr):
        values = [literal(var) if hasattr(var, "val") else known[var] for var in equation.invars]
        known |= zip(equation.outvars, evaluate(graph, equation, values))
    return [literal(var) if hasattr(var, "val") else known[var] for var in jaxpr.outvars]


def literal(var: Any) -> np.ndarray:
    """A number that is written into the function itself."""
    return np.asarray(var.val, var.aval.dtype)


def plain(value: Any) -> Any:
    """A NumPy array, but for keys, which only JAX can hold."""
    return value if jax.dtypes.issubdtype(jax.numpy.result_type(value), jax.dtypes.extended) else np.asarray(value)


def used(jaxpr: Any) -> list[Any]:
    """The operations that results depend on, in order."""
    needed, found = {var for var in jaxpr.outvars if not hasattr(var, "val")}, []
    for equation in reversed(jaxpr.eqns):
        if needed.intersection(equation.outvars):
            found.append(equation)
            needed |= {var for var in equation.invars if not hasattr(var, "val")}
    return found[::-1]


def evaluate(graph: Graph, equation: Any, values: list[Operand]) -> Sequence[Operand]:
    """The results of one operation. One without a rule is done here and now, where it depends on no input."""
    name = equation.primitive.name
    if name in CALLS:
        return run(graph, *opened(equation.params[CALLS[name]]), values)
    if name == "scan":
        return unrolled(graph, equation, values)
    if name == "cond" and not isinstance(values[0], Tensor):  # such as what is done in another way on a TPU
        return run(graph, *opened(equation.params["branches"][int(values[0])]), values[1:])
    if name not in RULES:
        if any(isinstance(value, Tensor) for value in values) or not static(equation):
            raise unknown(f"computes {name!r}")
        found = equation.primitive.bind(*values, **equation.params)
        return [plain(each) for each in (found if equation.primitive.multiple_results else [found])]
    found = RULES[name](graph, equation, *values)
    return found if isinstance(found, list) else [found]


def opened(function: Any) -> tuple[Any, Sequence[Any]]:
    """The jaxpr of a function that an operation holds, and its constants."""
    return getattr(function, "jaxpr", function), getattr(function, "consts", ())


def unrolled(graph: Graph, equation: Any, values: list[Operand]) -> list[Operand]:
    """The results of a loop, step after step."""
    (inner, constants), length = opened(equation.params["jaxpr"]), equation.params["length"]

    def rows(outer, within):  # how many are handed over row by row: versions of jax differ in how they say it
        return sum(one.aval.shape == (length, *other.aval.shape) for one, other in zip(outer, within))
    last = len(values) - rows(equation.invars, inner.invars)
    first = last - len(inner.outvars) + rows(equation.outvars, inner.outvars)
    state, stacks = values[first:last], [[] for _ in equation.outvars[last - first:]]
    steps = range(length)[::-1] if equation.params["reverse"] else range(length)
    for step in steps:
        row = [graph.entry(each, step) for each in values[last:]]
        found = run(graph, inner, constants, [*values[:first], *state, *row])
        state = found[:last - first]
        for stack, each in zip(stacks, found[last - first:]):
            stack.insert(len(stack) if steps.step > 0 else 0, each)
    return state + [graph.stack(stack, var.aval.shape) for stack, var in zip(stacks, equation.outvars[last - first:])]


def static(equation: Any) -> bool:
    return not any(export.is_symbolic_dim(side) for var in equation.outvars for side in var.aval.shape)
