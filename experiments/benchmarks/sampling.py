"""Speed of sampling, jaxgan's sampler against the PyTorch twins' generators, in interleaved runs. See README.md.

    python experiments/benchmarks/sampling.py [--configs FILE[:ARG] ...] [--rounds=N]

A step is one batch of the config's size, from seeds to float images in NumPy: averaged weights, evaluation mode, no
gradients.
"""

import argparse
import datetime
import functools
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import interleave
import numpy as np
import page
from training import COMPILED, EAGER, HERE, OURS, check, positive, progress

from jaxgan import command, compilation, config, data
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment

RECIPES = [f"experiments/benchmarks/sizes.py:{name}" for name in ("dcgan", "stylegan2")]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="+", default=RECIPES, metavar="FILE[:ARG]")
    parser.add_argument("--rounds", type=positive, default=6, help="timed turns of each contestant (default: 6)")
    parser.add_argument("--seconds", type=positive, default=2, help="length of a turn, about (default: 2)")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder for sampling.json")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("torch") is None:
        raise InputError("This comparison needs PyTorch: pip install -e '.[torch]'.")
    machine = interleave.machine()
    results = [compare(location, options) for location in options.configs]
    options.output.mkdir(parents=True, exist_ok=True)
    found = {"date": datetime.date.today().isoformat(), "rounds": options.rounds, "machine": machine,
             "recipes": results}
    (options.output / "sampling.json").write_text(json.dumps(found, indent=1) + "\n")
    text = table(found)
    print(text)
    page.write("sampling.py", text, options.output)


def compare(location: str, options: argparse.Namespace) -> dict[str, Any]:
    settings = config.load(location)
    progress(f"{location}:")
    contestants = {OURS: interleave.Contestant("sampling:ours", {"location": location})}
    forms = {name: (channels_last, False) for name, channels_last in EAGER.items()}
    forms |= {} if options.no_compile else {COMPILED: (True, True)}
    contestants |= {name: interleave.Contestant("sampling:theirs", {
        "location": location, "channels_last": channels_last, "compiled": compiled})
        for name, (channels_last, compiled) in forms.items()}
    facts, turns = interleave.compete(contestants, rounds=options.rounds, steps=1, seconds=options.seconds,
                                      report=progress)
    check(facts)
    steps = turns[OURS][0].steps
    rates = interleave.summary(turns, steps * settings.batch_size)
    best = max(rates.keys() - {OURS}, key=lambda name: rates[name]["median"])
    return {"name": config.run_name(location, settings), "batch_size": settings.batch_size, "steps": steps,
            "facts": facts, "images_per_second": rates, "fastest_twin": best,
            "ratio": interleave.ratio(turns[OURS], turns[best]),
            "turns": {name: [turn._asdict() for turn in done] for name, done in turns.items()}}


def ours(location: str) -> tuple[Callable[[int], float], dict[str, Any]]:
    """`jaxgan.sample`'s way from seeds to images."""
    import jax

    from jaxgan import trees

    compilation.enable_cache()
    settings = config.load(location)
    experiment = Experiment(settings, data.open(settings.data).info)
    weights = experiment.weights(experiment.initial_state())

    def run(steps: int) -> float:
        for step in range(steps):
            images = experiment.generate(weights, np.arange(settings.batch_size) + step * settings.batch_size)
        return float(images.mean())

    return run, {"versions": {"jax": jax.__version__}, "num_params": trees.size(weights["params"]),
                 "device": {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend())}


def theirs(location: str, channels_last: bool, compiled: bool) -> tuple[Callable[[int], float], dict[str, Any]]:
    """The twin's generator in evaluation mode, with constant noise and no mixing of styles, as jaxgan samples."""
    import torch
    from twins.trainer import Trainer

    settings = config.load(location)
    info, device = data.open(settings.data).info, torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_flush_denormal(True)
    torch.backends.cudnn.benchmark = torch.backends.cuda.matmul.allow_tf32 = True
    trainer = Trainer(settings, info, channels_last, False, device)
    network = (trainer.average or trainer.generator).eval()
    network.style_mixing, network.draws = 0.0, trainer.draws
    trainer.draws.noise = functools.cache(lambda _, *shape: torch.randn(1, *shape, device=device))
    generate = torch.compile(network) if compiled else network

    @torch.inference_mode()
    def run(steps: int) -> float:
        for _ in range(steps):
            label = None
            if info.num_classes:
                label = torch.randint(info.num_classes, (settings.batch_size,), device=device)
            images = generate(trainer.latents(), label).cpu().permute(0, 2, 3, 1).numpy()
        return float(images.mean())

    return run, {"versions": {"torch": torch.__version__}, "device": device.type,
                 "num_params": sum(p.numel() for p in network.parameters())}


def table(found: dict[str, Any]) -> str:
    """All recipes as Markdown."""
    lines = ["| generator | images a call | jaxgan, images/s | PyTorch, images/s | the fastest of PyTorch's | ratio |",
             "|---|---|---|---|---|---|"]
    for result in found["recipes"]:
        rates, ratio, best = result["images_per_second"], result["ratio"], result["fastest_twin"]
        lines.append(f"| {result['name']} | {result['batch_size']} | {rates[OURS]['median']:,.0f} "
                     f"| {rates[best]['median']:,.0f} | {best} "
                     f"| **{ratio['median']:.2f}** ({ratio['lowest']:.2f} – {ratio['highest']:.2f}) |")
    versions = {library: version for result in found["recipes"] for fact in result["facts"].values()
                for library, version in fact["versions"].items()}
    machine = found["machine"]
    return "\n".join([*lines, "", f"Medians of {found['rounds']} rounds, lowest and highest ratio. {machine['cpu']}, "
                      f"{machine['cores']} cores; {', '.join(f'{name} {text}' for name, text in versions.items())}; "
                      f"{found['date']}."])


if __name__ == "__main__":
    command.run(main)
