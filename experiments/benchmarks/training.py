"""Training speed of recipes, jaxgan against PyTorch, in interleaved runs. See README.md beside this file.

    python experiments/benchmarks/training.py [--configs FILE[:ARG] ...] [--config.key=value ...]
"""

import argparse
import datetime
import importlib.util
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import interleave
import page

from jaxgan import command, config
from jaxgan.errors import InputError

HERE = Path(__file__).resolve().parent
RECIPES = [f"configs/{name}.py:tiny" for name in ("dcgan", "sngan", "r3gan", "stylegan2")]
OURS = "jaxgan"
EAGER = {"PyTorch NCHW": False, "PyTorch channels_last": True}  # name -> channels_last
COMPILED = "torch.compile"
PRODUCT = "matrix product"  # beside the contestants, to know what the machine can do
CACHES = ("JAX_COMPILATION_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")


def main(arguments: list[str]) -> None:
    overrides, rest = command.split_overrides(arguments)
    options = parse(rest)
    if importlib.util.find_spec("torch") is None:
        raise InputError("This comparison needs PyTorch: pip install -e '.[torch]'.")
    machine = interleave.quiet_machine(progress)
    for location in options.configs:
        result = compare(location, overrides, options) | {"machine": machine}
        options.output.mkdir(parents=True, exist_ok=True)
        path = options.output / f"training-{result['name']}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")
        print(section(result))
        progress(f"wrote {path}")
        page.write("training.py", everything(), options.output)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="+", default=RECIPES, metavar="FILE[:ARG]",
                        help="the recipes, one run each (default: the tiny ones of DCGAN, SNGAN, R3GAN and StyleGAN2)")
    parser.add_argument("--rounds", type=positive, default=6, help="timed turns of each contestant (default: 6)")
    parser.add_argument("--seconds", type=positive, default=2, help="length of a turn, about (default: 2)")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which takes its time")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder for training-RECIPE.json "
                        "(default: results beside this script, and the tables in its README.md)")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def compare(location: str, overrides: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """One recipe, both sides: everything that results/ keeps of it but the machine."""
    settings = config.load(location, overrides)
    left_out = list(settings.augmentation)
    if left_out:  # the twins have none
        overrides = [*overrides, "augmentation={}"]
        settings = config.load(location, overrides)
    progress(f"{location}:")
    with tempfile.TemporaryDirectory() as cache:
        contestants = entrants({"location": location, "overrides": overrides}, cache, not options.no_compile,
                               cycle(settings))
        cold, failed = first_times(contestants, cycle(settings))
        contestants = {name: contestant for name, contestant in contestants.items() if name not in failed}
        contestants[PRODUCT] = interleave.Contestant("twins.trainer:prepare_product", {})
        facts, turns = interleave.compete(contestants, rounds=options.rounds, steps=cycle(settings),
                                          seconds=options.seconds, report=progress)
    peak = facts.pop(PRODUCT)["flops_per_turn"] / min(turn.seconds for turn in turns.pop(PRODUCT))
    check(facts)
    steps = turns[OURS][0].steps
    rates = interleave.summary(turns, steps * settings.batch_size * settings.num_critic)
    best = max(rates.keys() - {OURS}, key=lambda name: rates[name]["median"])
    return {
        "name": config.run_name(location, settings), "date": datetime.date.today().isoformat(),
        "config_location": location, "overrides": overrides, "left_out": left_out,
        "config": json.loads(config.to_json(settings)), "rounds": options.rounds, "steps": steps,
        "facts": facts | failed, "peak_flops": peak,
        "seconds_to_first_turn": {"steps": cycle(settings), "cold": cold}, "images_per_second": rates,
        "fastest_twin": best, "ratio": interleave.ratio(turns[OURS], turns[best]),
        "turns": {name: [turn._asdict() for turn in done] for name, done in turns.items()},
    }


def entrants(common: Mapping[str, Any], cache: str, compiled: bool, steps: int) -> dict[str, interleave.Contestant]:
    """Both sides, with caches of compiled programs in the folder `cache`. One twin counts the work of `steps`."""
    environment = dict.fromkeys(CACHES, cache)
    found = {OURS: interleave.Contestant("ours:prepare", common, environment)}
    for name, channels_last in EAGER.items():
        arguments = common | {"channels_last": channels_last, "compiled": False, "counted": channels_last and steps}
        found[name] = interleave.Contestant("twins.trainer:prepare", arguments, environment)
    if compiled:
        found[COMPILED] = interleave.Contestant("twins.trainer:prepare",
                                                common | {"channels_last": True, "compiled": True}, environment)
    return found


def first_times(contestants: Mapping[str, interleave.Contestant],
                steps: int) -> tuple[dict[str, float], dict[str, dict[str, str]]]:
    """Seconds from the start of a process to the end of its first steps, for those that compile, whose caches are empty
    so far; and why torch.compile failed, where it did."""
    found, failed = {}, {}
    for name in [name for name in (OURS, COMPILED) if name in contestants]:
        progress(f"first steps of {name}, nothing compiled yet")
        try:
            if name == COMPILED and not (shutil.which("g++") or shutil.which("clang++")):
                raise interleave.WorkerError("there is no C++ compiler")
            worker = interleave.Worker(contestants[name], steps)
        except interleave.WorkerError as error:
            if name == OURS:
                raise
            failed[name] = {"failed": str(error).strip().splitlines()[-1]}  # of a traceback, which names folders
            progress(f"{name} does not work here: {reason(failed[name])}")
        else:
            worker.close()
            found[name] = worker.facts["seconds_to_first_turn"]
    return found, failed


def cycle(settings: Mapping[str, Any]) -> int:
    """Steps after which everything has had its turn: lazy terms, and all lengths of jaxgan's compiled calls."""
    lazy = [spec["every"] for spec in settings.regularizers.values() if "every" in spec and spec["every"] > 1]
    return math.lcm(*lazy) if lazy else settings.steps_per_call


def check(facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Both sides run the same networks on the same device."""
    for what in ("num_params", "device"):
        found = {name: fact[what] for name, fact in facts.items()}
        if any(value != found[OURS] for value in found.values()):
            raise InputError(f"The two sides differ in {what}: {found}. (JAX_PLATFORMS=cpu and CUDA_VISIBLE_DEVICES= "
                             "keep both on the processor.)")


def everything() -> str:
    """All results there are, as README.md has them."""
    results = [json.loads(path.read_text()) for path in sorted((HERE / "results").glob("training-*.json"))]
    results.sort(key=lambda result: (RECIPES.index(result["config_location"])
                                     if result["config_location"] in RECIPES else len(RECIPES), result["name"]))
    return "\n".join([summary(results), *map(section, results)]).rstrip("\n")


def summary(results: list[dict[str, Any]]) -> str:
    """One line a recipe."""
    lines = ["| recipe | images | batch | jaxgan, images/s | PyTorch, images/s | the fastest of PyTorch's | ratio |",
             "|---|---|---|---|---|---|---|"]
    for result in results:
        rates, ratio, best = result["images_per_second"], result["ratio"], result["fastest_twin"]
        lines.append(f"| {result['name']} | {shape(result)} | {result['config']['batch_size']} "
                     f"| {rate_of(rates[OURS]['median'])} | {rate_of(rates[best]['median'])} | {best} "
                     f"| **{ratio['median']:.2f}** ({ratio['lowest']:.2f} – {ratio['highest']:.2f}) |")
    return "\n".join(lines) + "\n"


def section(result: Mapping[str, Any]) -> str:
    """One recipe as Markdown."""
    ratio, facts, machine = result["ratio"], result["facts"], result["machine"]
    settings = result["config"]
    images = settings["batch_size"] * settings["num_critic"]
    what = " ".join([result["config_location"], *(f"--config.{text}" for text in result["overrides"])])
    versions = {library: version for fact in facts.values() if "versions" in fact
                for library, version in fact["versions"].items()}
    load = "" if machine["load_before"] is None else f", load before the run {machine['load_before']:.2f}"
    without = f" Left out, since the twin has none: {', '.join(result['left_out'])}." if result["left_out"] else ""
    lines = [
        f"### {result['name']}",
        "",
        f"jaxgan trains at **{ratio['median']:.2f}×** the rate of {result['fastest_twin']}: median of "
        f"{result['rounds']} rounds of {result['steps']} steps, {ratio['lowest']:.2f} – {ratio['highest']:.2f} over "
        f"them.{without}",
        "",
        "| | images/s, median | lowest – highest | ms a step | of peak | cores busy | first steps after, s "
        "| the next time |",
        "|---|---|---|---|---|---|---|---|",
        *(row(name, result, images) for name in facts),
        "",
        f"`{what}`, images {shape(result)}, batch {settings['batch_size']}, {images} images a step, "
        f"{sum(facts[OURS]['num_params']):,} parameters{effort(result, images)}. "
        f"{accelerator(facts[OURS])}{machine['cpu']}, {machine['cores']} cores{load}; "
        f"{', '.join(f'{library} {version}' for library, version in versions.items())}; {result['date']}.",
    ]
    return "\n".join(lines) + "\n"


def accelerator(facts: Mapping[str, Any]) -> str:
    return "" if facts["device"] == "cpu" else f"{facts['device_kind']} beside "


def row(name: str, result: Mapping[str, Any], images: int) -> str:
    if name not in result["images_per_second"]:
        return f"| {name} | not available here: {reason(result['facts'][name])} | | | | | | |"
    rate, first = result["images_per_second"][name], result["seconds_to_first_turn"]
    again = f"{result['facts'][name]['seconds_to_first_turn']:.1f}" if first else ""
    cold = f"{first['cold'][name]:.1f}" if first and name in first["cold"] else again
    return (f"| {name} | {rate_of(rate['median'])} | {rate_of(rate['lowest'])} – {rate_of(rate['highest'])} "
            f"| {1000 * images / rate['median']:.1f} "
            f"| {share(result, rate['median'] / images)} "
            f"| {rate['cores']:.2f} | {cold} | {again} |")


def rate_of(value: float) -> str:
    return f"{value:,.{0 if value >= 20 else 1}f}"


def effort(result: Mapping[str, Any], images: int) -> str:
    """The work of an image, as the twin's side counts it, and the peak it is compared with; old runs have neither."""
    if "peak_flops" not in result:
        return ""
    return (f", {work(result) / images / 1e9:,.2f} GFLOP an image; a large matrix product in the same run reached "
            f"{result['peak_flops'] / 1e9:,.0f} GFLOP/s")


def share(result: Mapping[str, Any], steps_per_second: float) -> str:
    """Of that peak."""
    return f"{steps_per_second * work(result) / result['peak_flops']:.0%}" if "peak_flops" in result else ""


def work(result: Mapping[str, Any]) -> float:
    """FLOPs of a step."""
    return next(fact["flops_per_step"] for fact in result["facts"].values() if fact.get("flops_per_step"))


def reason(fact: Mapping[str, Any]) -> str:
    """Why it failed, or so much of that as fits into a table."""
    return fact["failed"].replace("|", "/")[:120]


def shape(result: Mapping[str, Any]) -> str:
    return "×".join(map(str, result["facts"][OURS]["image_shape"]))


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    command.run(main)
