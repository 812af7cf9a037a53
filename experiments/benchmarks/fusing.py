"""What several steps in one compiled call gain over one, and the share of the machine's peak. See README.md.

    python experiments/benchmarks/fusing.py [--configs FILE[:ARG] ...] [--config.key=value ...]

Needs no PyTorch. Both sides are jaxgan's: the recipe's `steps_per_call`, and 1, in interleaved turns.
"""

import argparse
import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import interleave
import page
from training import HERE, PRODUCT, cycle, positive, progress, rate_of

from jaxgan import command, config

RECIPES = [f"configs/{name}.py:tiny" for name in ("dcgan", "sngan", "biggan", "r3gan", "stylegan2")]
FUSED, SINGLE = "several steps a call", "one step a call"
RESULTS = "fusing.json"


def main(arguments: list[str]) -> None:
    overrides, rest = command.split_overrides(arguments)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="+", default=RECIPES, metavar="FILE[:ARG]",
                        help="the recipes (default: five tiny ones; whole.py beside this has five for accelerators)")
    parser.add_argument("--rounds", type=positive, default=6, help="timed turns of each (default: 6)")
    parser.add_argument("--seconds", type=positive, default=2, help="length of a turn, about (default: 2)")
    parser.add_argument("--output", type=Path, default=HERE / "results",
                        help=f"folder for {RESULTS}, where other recipes keep what they have (default: results)")
    options = parser.parse_args(rest)
    machine = interleave.quiet_machine(progress)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / RESULTS
    for location in options.configs:
        result = compare(location, overrides, options) | {"machine": machine}
        found = json.loads(path.read_text()) if path.is_file() else {}
        found[f"{title(result)} on {result['facts'][FUSED]['device_kind']}"] = result
        path.write_text(json.dumps(found, indent=1) + "\n")
        page.write("fusing.py", table(found), options.output)
    print(table(found))


def compare(location: str, overrides: list[str], options: argparse.Namespace) -> dict[str, Any]:
    settings = config.load(location, overrides)
    progress(f"{location}:")
    common = {"location": location, "overrides": overrides}
    dtype = "bfloat16" if settings.generator.get("dtype") == "bfloat16" else "float32"
    contestants = {
        FUSED: interleave.Contestant("fusing:prepare", common),
        SINGLE: interleave.Contestant("ours:prepare", common | {"overrides": [*overrides, "steps_per_call=1"]}),
        PRODUCT: interleave.Contestant("fusing:prepare_product", {"dtype": dtype})}
    facts, turns = interleave.compete(contestants, rounds=options.rounds, steps=cycle(settings),
                                      seconds=options.seconds, report=progress)
    peak = facts.pop(PRODUCT)["flops_per_turn"] / min(turn.seconds for turn in turns.pop(PRODUCT))
    steps = turns[FUSED][0].steps
    return {"name": config.run_name(location, settings), "date": datetime.date.today().isoformat(),
            "config_location": location, "overrides": overrides, "batch_size": settings.batch_size,
            "steps": steps, "rounds": options.rounds, "facts": facts, "peak_flops": peak, "peak_dtype": dtype,
            "images_per_second": interleave.summary(turns, steps * settings.batch_size * settings.num_critic),
            "ratio": interleave.ratio(turns[FUSED], turns[SINGLE]),
            "turns": {name: [turn._asdict() for turn in done] for name, done in turns.items()}}


def prepare(location: str, overrides: list[str]) -> tuple[Callable[[int], float], dict[str, Any]]:
    """`ours:prepare`, with the work of an image among the facts."""
    import ours

    from jaxgan import data, planning
    from jaxgan.experiment import Experiment

    run, facts = ours.prepare(location, overrides)
    settings = config.load(location, overrides)
    source = data.open(settings.data)
    experiment = Experiment(settings, source.info)
    work = planning.flops(experiment, len(source)) / experiment.method.images_per_step
    return run, facts | {"flops_per_image": work}


def prepare_product(dtype: str) -> tuple[Callable[[int], float], dict[str, Any]]:
    """Large matrix products, four times a turn: what the machine can do at best, about."""
    import jax
    import jax.numpy as jnp

    side = 2048 if jax.default_backend() == "cpu" else 8192
    a, b = jax.random.normal(jax.random.key(0), (2, side, side), dtype) / side**0.5
    multiply = jax.jit(lambda a, b: a @ (a @ (a @ (a @ b))))
    return lambda _: float(multiply(a, b)[0, 0].astype(jnp.float32)), {"flops_per_turn": 4 * 2 * side**3}


def table(found: dict[str, dict[str, Any]]) -> str:
    """All recipes as Markdown."""
    lines = ["| recipe | images | batch | steps a call | images/s | of peak | one step a call, images/s | ratio | on |",
             "|---|---|---|---|---|---|---|---|---|"]
    for result in found.values():
        rates, ratio, facts = result["images_per_second"], result["ratio"], result["facts"][FUSED]
        share = rates[FUSED]["median"] * facts["flops_per_image"] / result["peak_flops"]
        lines.append(
            f"| {title(result)} | {'×'.join(map(str, facts['image_shape']))} "
            f"| {result['batch_size']} | {facts['steps_per_call']} | {rate_of(rates[FUSED]['median'])} | {share:.0%} "
            f"| {rate_of(rates[SINGLE]['median'])} "
            f"| **{ratio['median']:.2f}** ({ratio['lowest']:.2f} – {ratio['highest']:.2f}) "
            f"| {interleave.place(result['machine'], facts)} |")
    versions = sorted({f"{library} {version}" for result in found.values()
                       for library, version in result["facts"][FUSED]["versions"].items()})
    dates = sorted({result["date"] for result in found.values()})
    return "\n".join([*lines, "", f"{', '.join(versions)}; {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}."])


def title(result: dict[str, Any]) -> str:
    return " ".join([result["name"], *result["overrides"]])


if __name__ == "__main__":
    command.run(main)
