"""DCGAN training speed, jaxgan against PyTorch eager, in one interleaved run. See README.md beside this file.

    python experiments/benchmarks/dcgan.py [--config=FILE[:ARG]] [--config.key=value ...]
"""

import argparse
import datetime
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import interleave

from jaxgan import command, config
from jaxgan.errors import InputError

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- written by dcgan.py: begin -->", "<!-- written by dcgan.py: end -->"
OURS = "jaxgan"
TWINS = {"PyTorch NCHW": False, "PyTorch channels_last": True}  # name -> channels_last
BUSY = 0.5  # load average from which a machine is not quiet


def main(arguments: list[str]) -> None:
    overrides, rest = command.split_overrides(arguments)
    options = parse(rest)
    if importlib.util.find_spec("torch") is None:
        raise InputError("This comparison needs PyTorch: pip install -e '.[torch]'.")
    settings = config.load(options.config, overrides)
    machine = interleave.machine()
    if (machine["load_before"] or 0) > BUSY:
        progress(f"The machine is busy (load {machine['load_before']:.1f}): a ratio measured now is not worth quoting.")
    common = {"location": options.config, "overrides": overrides}
    contestants = {OURS: interleave.Contestant("dcgan_jaxgan:prepare", common)}
    contestants |= {name: interleave.Contestant("dcgan_pytorch:prepare", common | {"channels_last": channels_last})
                    for name, channels_last in TWINS.items()}
    facts, turns = interleave.compete(contestants, rounds=options.rounds, steps=options.steps, report=progress)
    sizes = {name: fact["num_params"] for name, fact in facts.items()}
    if any(size != sizes[OURS] for size in sizes.values()):
        raise RuntimeError(f"These are not the same networks; parameters of generator and discriminator: {sizes}")
    rates = interleave.summary(turns, options.steps * settings.batch_size)
    best = max(TWINS, key=lambda name: rates[name]["median"])
    result = {
        "date": datetime.date.today().isoformat(), "config_location": options.config, "overrides": overrides,
        "config": json.loads(config.to_json(settings)), "rounds": options.rounds, "steps": options.steps,
        "machine": machine, "facts": facts, "images_per_second": rates, "fastest_twin": best,
        "ratio": interleave.ratio(turns[OURS], turns[best]),
        "turns": {name: [turn._asdict() for turn in done] for name, done in turns.items()},
    }
    save(result, options.output)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="experiments/benchmarks/dcgan_config.py", metavar="FILE[:ARG]")
    parser.add_argument("--rounds", type=positive, default=8, help="timed turns of each contestant")
    parser.add_argument("--steps", type=positive, default=20, help="training steps a turn")
    parser.add_argument("--output", type=Path, help="folder for dcgan.json and dcgan.md "
                        "(default: results beside this script, and the table in its README.md)")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def save(result: dict[str, Any], output: Path | None) -> None:
    """Writes the numbers and the table; into README.md too where no other place was asked for."""
    folder = output or HERE / "results"
    folder.mkdir(parents=True, exist_ok=True)
    text = table(result)
    (folder / "dcgan.json").write_text(json.dumps(result, indent=1) + "\n")
    (folder / "dcgan.md").write_text(text)
    print(text)
    if output is None:
        readme = HERE / "README.md"
        before, _, rest = readme.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        readme.write_text(f"{before}{BEGIN}\n{text}{END}{after}")
    progress(f"wrote {folder / 'dcgan.json'} and {folder / 'dcgan.md'}")


def table(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    rates, ratio, machine = result["images_per_second"], result["ratio"], result["machine"]
    batch_size = result["config"]["batch_size"]
    lines = ["| | images/s, median | lowest – highest | ms a step | cores busy |", "|---|---|---|---|---|"]
    for name, rate in rates.items():
        lines.append(f"| {name} | {rate['median']:,.0f} | {rate['lowest']:,.0f} – {rate['highest']:,.0f} "
                     f"| {1000 * batch_size / rate['median']:.1f} | {rate['cores']:.2f} |")
    versions = {library: version for fact in result["facts"].values() for library, version in fact["versions"].items()}
    what = " ".join([result["config_location"], *(f"--config.{text}" for text in result["overrides"])])
    shape = "×".join(map(str, result["facts"][OURS]["image_shape"]))
    load = "" if machine["load_before"] is None else f", load before the run {machine['load_before']:.2f}"
    lines += [
        "",
        f"jaxgan trains at **{ratio['median']:.2f}×** the rate of {result['fastest_twin']}, the faster of the two: "
        f"median of {result['rounds']} rounds of {result['steps']} steps, "
        f"{ratio['lowest']:.2f} – {ratio['highest']:.2f} over the rounds.",
        "",
        f"`{what}`, images {shape}, batch {batch_size}, {sum(result['facts'][OURS]['num_params']):,} parameters. "
        f"{machine['cpu']}, {machine['cores']} cores{load}; "
        f"{', '.join(f'{library} {version}' for library, version in versions.items())}; {result['date']}.",
    ]
    return "\n".join(lines) + "\n"


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    command.run(main)
