"""jaxgan's convolutions and filters against stock jax.lax, on whatever device there is. See README.md.

    python experiments/benchmarks/convolutions.py [--batch=8] [--dtype=float32] [--rounds=5]

Each case is timed as a loss is (gradients to both operands) and as a gradient penalty is (the gradient of
a gradient), alone in a compiled program and in a loop of it, as several steps in one call have it.
"""

import argparse
import datetime
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import interleave
import jax
import jax.numpy as jnp
import page
from jax import lax
from training import HERE, positive, progress

from jaxgan import command, compilation
from jaxgan.layers import resample
from jaxgan.layers.convolution import conv, conv_transpose
from jaxgan.typing import Array

RESULTS = "convolutions.json"
LOOP = 4  # steps of a loop
LAYOUT = ("NHWC", "HWIO", "NHWC")
TAPS = (1, 3, 3, 1)

Form = Callable[[Array, Array], Array]


class Case(NamedTuple):
    """Two forms of the same y(x, w). image: shape of an example of x; kernel: of w."""

    ours: Form
    stock: Form
    image: tuple[int, int, int]
    kernel: tuple[int, ...]


def stock(**options: Any) -> Form:
    return lambda x, w: lax.conv_general_dilated(x, w, dimension_numbers=LAYOUT, **options)


def stock_filter(divisor: int, **options: Any) -> Form:
    """[1, 3, 3, 1] / divisor along both sides as one kernel of 4×4, the same for every channel, which w scales."""
    def form(x, w):
        line = jnp.asarray(TAPS, x.dtype) / divisor
        kernel = jnp.outer(line, line)
        kernel = jnp.broadcast_to(kernel[:, :, None, None], (4, 4, 1, x.shape[-1]))
        return w * lax.conv_general_dilated(x, kernel, dimension_numbers=LAYOUT, feature_group_count=x.shape[-1],
                                            **options)
    return form


def stock_transposed(x: Array, w: Array) -> Array:
    """What flax's ConvTranspose makes of a 4×4 kernel [4, 4, O, C] at stride 2."""
    return lax.conv_transpose(x, w, (2, 2), "SAME", dimension_numbers=LAYOUT, transpose_kernel=True)


CASES = {
    "3×3, 128 channels": Case(conv, stock(window_strides=(1, 1), padding="SAME"), (32, 32, 128), (3, 3, 128, 128)),
    "1×1, 128 channels": Case(conv, stock(window_strides=(1, 1), padding="SAME"), (32, 32, 128), (1, 1, 128, 128)),
    "4×4 at stride 2, 64 to 128": Case(
        lambda x, w: conv(x, w, stride=2), stock(window_strides=(2, 2), padding=((1, 1), (1, 1))), (32, 32, 64),
        (4, 4, 64, 128)),
    "4×4 transposed, 128 to 64": Case(conv_transpose, stock_transposed, (16, 16, 128), (4, 4, 64, 128)),
    "3×3 in 12 groups of 16": Case(
        lambda x, w: conv(x, w, groups=12), stock(window_strides=(1, 1), padding="SAME", feature_group_count=12),
        (16, 16, 192), (3, 3, 16, 192)),
    "FIR filter, halving 128 channels": Case(
        lambda x, w: w * resample.fir_downsample(x), stock_filter(8, window_strides=(2, 2), padding=((1, 1), (1, 1))),
        (32, 32, 128), (128,)),
    "FIR filter, doubling 128 channels": Case(
        lambda x, w: w * resample.fir_upsample(x),
        stock_filter(4, window_strides=(1, 1), padding=((2, 2), (2, 2)), lhs_dilation=(2, 2)), (16, 16, 128), (128,)),
}


def loss(form: Form) -> Form:
    """(x, w) -> the gradient to w, with that to x mixed in, so that neither can be left out."""
    def step(x, w):
        to_x, to_w = jax.grad(lambda x, w: jnp.sum(jax.nn.softplus(form(x, w).astype(jnp.float32))), (0, 1))(x, w)
        return to_w + jnp.mean(to_x)
    return step


def penalty(form: Form) -> Form:
    """(x, w) -> the gradient to w of the squared length of the gradient to x, as R1 has it."""
    def squared(x, w):
        slope = jax.grad(lambda x: jnp.sum(jax.nn.softplus(form(x, w).astype(jnp.float32))))(x)
        return jnp.sum(slope.astype(jnp.float32) ** 2)
    return lambda x, w: jax.grad(squared, 1)(x, w)


def in_loop(step: Form) -> Form:
    """LOOP times the same, each on the kernel that the last has left."""
    return lambda x, w: lax.fori_loop(0, LOOP, lambda _, w: w - (1e-6 * step(x, w)).astype(w.dtype), w)


ORDERS = {"loss": loss, "penalty": penalty}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=positive, default=8, help="images (default: 8; 256 and more on a GPU)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--rounds", type=positive, default=5, help="timed turns of each form (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.2, help="length of a turn, at least a call (default: 0.2)")
    parser.add_argument("--output", type=Path, default=HERE / "results",
                        help=f"folder for {RESULTS}, where other devices keep what they have (default: results)")
    options = parser.parse_args(arguments)
    machine = interleave.quiet_machine(progress)
    rows = [measure(name, case, order, options) for name, case in CASES.items() for order in ORDERS]
    device = jax.devices()[0]
    place = interleave.place(machine, {"device": device.platform, "device_kind": device.device_kind})
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / RESULTS
    found = json.loads(path.read_text()) if path.is_file() else {}
    found[f"{device.device_kind} {options.dtype}"] = {
        "place": place, "dtype": options.dtype, "batch": options.batch, "rounds": options.rounds, "machine": machine,
        "jax": jax.__version__, "date": datetime.date.today().isoformat(), "rows": rows}
    path.write_text(json.dumps(found, indent=1) + "\n")
    text = "\n\n".join(map(table, found.values()))
    print(text)
    page.write("convolutions.py", text, options.output)


def measure(name: str, case: Case, order: str, options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds a step of every form, a number for each round, taken in turns."""
    keys = jax.random.split(jax.random.key(0))
    x = jax.random.normal(keys[0], (options.batch, *case.image), options.dtype)
    w = 0.05 * jax.random.normal(keys[1], case.kernel, options.dtype)
    programs = {}
    for form in ("ours", "stock"):
        step = ORDERS[order](getattr(case, form))
        programs |= {f"{form} alone": (compilation.jit(step), 1),
                     f"{form} in a loop": (compilation.jit(in_loop(step)), LOOP)}
    agree(name, order, *(programs[f"{form} alone"][0](x, w) for form in ("ours", "stock")))
    times: dict[str, list[float]] = {what: [] for what in programs}
    for program, _ in programs.values():  # compiles
        jax.block_until_ready(program(x, w))
    for number in range(options.rounds):
        for what in list(programs)[::-1 if number % 2 else 1]:
            program, steps = programs[what]
            times[what].append(1000 * turn(program, x, w, options.seconds) / steps)
    progress(f"{name}, {order}: " + ", ".join(f"{what} {statistics.median(done):.2f}" for what, done in times.items())
             + " ms")
    return {"case": name, "order": order, "milliseconds": times}


def turn(program: Form, x: Array, w: Array, seconds: float) -> float:
    """Seconds a call, over about so many of them."""
    started, calls = time.perf_counter(), 0
    while True:
        result = program(x, w)
        calls += 1
        if calls % 8 and jax.default_backend() != "cpu":  # a device is kept busy, and waited for seldom
            continue
        jax.block_until_ready(result)
        if (passed := time.perf_counter() - started) >= seconds:
            return passed / calls


def agree(name: str, order: str, ours: Array, theirs: Array) -> None:
    """Both are the same function; a comparison of two that are not would mean nothing."""
    ours, theirs = (jnp.asarray(values, jnp.float32) for values in (ours, theirs))
    if not jnp.max(jnp.abs(ours - theirs)) <= 0.03 * jnp.max(jnp.abs(theirs)):  # bfloat16 and TF32 differ that much
        raise AssertionError(f"{name}, {order}: the two forms differ")


def table(result: dict[str, Any]) -> str:
    """One device as Markdown."""
    lines = ["| | | alone, ms | stock | ratio | in a loop, ms | stock | ratio |", "|---|---|---|---|---|---|---|---|"]
    for row in result["rows"]:
        cells = []
        for where in ("alone", "in a loop"):
            ours, theirs = (row["milliseconds"][f"{form} {where}"] for form in ("ours", "stock"))
            ratios = [b / a for a, b in zip(ours, theirs)]
            cells += [digits(statistics.median(ours)), digits(statistics.median(theirs)),
                      f"**{digits(statistics.median(ratios))}** ({digits(min(ratios))} – {digits(max(ratios))})"]
        lines.append(f"| {row['case']} | {row['order']} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"{result['place']}; {result['dtype']}, {result['batch']} images, "
                      f"{result['rounds']} rounds; jax {result['jax']}; {result['date']}."])


def digits(value: float) -> str:
    """Three, or all that stand before the point."""
    return f"{value:,.{max(0, 2 - int(math.log10(max(value, 1))))}f}"


if __name__ == "__main__":
    command.run(main)
