"""Inception features and the Fréchet distance, jaxgan against torch-fidelity and pytorch-fid, in one interleaved run.

    pip install -e '.[torch]' torch-fidelity pytorch-fid
    python experiments/benchmarks/inception.py [--rounds=N] [--batch=N] [--output=DIR]

`features`: FID's network, with random weights, on the same uint8 images of 32×32, resizing included; a step is one
batch. `distance`: that between two sets of 50,000 features of 2,048 numbers, means and covariances included, and
`value`: what is left of it once those are there; a step is one such. Each contestant is a process that stays alive,
and they take turns (`interleave`).
"""

import argparse
import datetime
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import interleave
import numpy as np
import page

from jaxgan import command
from jaxgan.errors import InputError

HERE = Path(__file__).resolve().parent
TASKS = {  # task -> who does it, by what function below
    "features": {"jaxgan": "our_features", "torch-fidelity": "their_features"},
    "distance": {"jaxgan": "our_distance", "torch-fidelity": "their_distance", "pytorch-fid": "older_distance"},
    "value": {"jaxgan": "our_value", "torch-fidelity": "their_value", "pytorch-fid": "older_value"},
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--rounds", type=int, default=5, help="timed turns of each contestant (default: 5)")
    parser.add_argument("--batch", type=int, default=32, help="images a step (default: 32)")
    parser.add_argument("--steps", type=int, default=4, help="batches a turn (default: 4)")
    parser.add_argument("--num", type=int, default=50_000, help="features a side of the distance (default: 50,000)")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder for inception.json")
    options = parser.parse_args(arguments)
    if not all(map(importlib.util.find_spec, ("torch_fidelity", "pytorch_fid"))):
        raise InputError("This comparison needs: pip install -e '.[torch]' torch-fidelity pytorch-fid.")
    machine, results = interleave.machine(), {}
    for task in options.tasks:
        size, steps = (options.batch, options.steps) if task == "features" else (options.num, 1)
        contestants = {name: interleave.Contestant(f"inception:{function}", {"size": size})
                       for name, function in TASKS[task].items()}
        facts, turns = interleave.compete(contestants, rounds=options.rounds, steps=steps, report=progress)
        units = steps * size if task == "features" else steps
        results[task] = {"size": size, "steps": steps, "facts": facts, "rates": interleave.summary(turns, units),
                         "ratios": {name: interleave.ratio(turns["jaxgan"], turns[name])
                                    for name in turns if name != "jaxgan"},
                         "turns": {name: [turn._asdict() for turn in done] for name, done in turns.items()}}
    save({"date": datetime.date.today().isoformat(), "rounds": options.rounds, "machine": machine, "tasks": results},
         options.output)


def images(size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (size, 32, 32, 3), np.uint8)


def feature_sets(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of correlated, positive features such as the network gives, with a spectrum that falls off."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((2048, 2048), np.float32) / np.arange(1, 2049, dtype=np.float32)[:, None]
    real, fake = (rng.standard_normal((size, 2048), np.float32) @ mixing for _ in range(2))
    return np.maximum(real, 0), np.maximum(fake * np.float32(1.1), 0)


def our_features(size: int) -> tuple[Callable[[int], float], dict[str, Any]]:
    import jax

    from jaxgan import compilation
    from jaxgan.interop import names
    from jaxgan.metrics.backbones import inception, weights

    rng = np.random.default_rng(0)
    shapes = weights.shapes(inception.InceptionV3(), (1, 299, 299, 3))
    params = names.nest({name: rng.standard_normal(shape, np.float32) * 0.05 for name, shape in shapes.items()})
    backbone, pictures = inception.backbone("inception-custom", "", params, "tf1"), images(size)
    network = compilation.jit(backbone.apply)

    def run(steps: int) -> float:
        for _ in range(steps):
            outputs = network(backbone.weights, backbone.prepare(pictures))
        return float(np.asarray(outputs["pool"]).mean())

    return run, {"versions": {"jax": jax.__version__}}


def their_features(size: int) -> tuple[Callable[[int], float], dict[str, Any]]:
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Untrained(FeatureExtractorInceptionV3):
        """The published weights are neither downloaded nor needed to take the time."""

        def load_state_dict(self, *_: Any) -> None:
            pass

    torch.load, load = lambda *_, **__: {}, torch.load
    network = Untrained("inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path="none")
    torch.load = load
    pictures = torch.from_numpy(images(size).transpose(0, 3, 1, 2).copy())

    @torch.no_grad()
    def run(steps: int) -> float:
        for _ in range(steps):
            pool, _ = network(pictures)
        return float(pool.mean())

    return run, {"versions": {"torch": torch.__version__, "torch-fidelity": version("torch-fidelity")}}


def our_distance(size: int) -> tuple[Callable[[int], float], dict[str, Any]]:
    from jaxgan.metrics.frechet import frechet_distance

    sides = feature_sets(size)
    return repeated(lambda: frechet_distance(*sides)), {"versions": {"numpy": np.__version__}}


def our_value(size: int) -> tuple[Callable[[int], float], dict[str, Any]]:
    from jaxgan.metrics.base import moments
    from jaxgan.metrics.frechet import distance, fit_moments

    sides = [moments(side) for side in feature_sets(size)]
    return repeated(lambda: distance(*map(fit_moments, sides))), {"versions": {"numpy": np.__version__}}


def their_distance(size: int) -> tuple[Callable[[int], float], dict[str, Any]]:
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics

    sides = [torch.from_numpy(side) for side in feature_sets(size)]
    return repeated(lambda: their_fid(*map(fid_features_to_statistics, sides))), {
        "versions": {"torch-fidelity": version("torch-fidelity")}}


def their_value(size: int) -> tuple[Callable[[int], float], dict[str, Any]]:
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics

    sides = [fid_features_to_statistics(torch.from_numpy(side)) for side in feature_sets(size)]
    return repeated(lambda: their_fid(*sides)), {"versions": {"torch-fidelity": version("torch-fidelity")}}


def their_fid(*statistics: Any) -> float:
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    return float(next(iter(fid_statistics_to_metric(*statistics, verbose=False).values())))


def older_distance(size: int) -> tuple[Callable[[int], float], dict[str, Any]]:
    sides = feature_sets(size)
    return repeated(lambda: older_fid(*map(older_statistics, sides))), {"versions": {"scipy": version("scipy")}}


def older_value(size: int) -> tuple[Callable[[int], float], dict[str, Any]]:
    sides = [older_statistics(side) for side in feature_sets(size)]
    return repeated(lambda: older_fid(*sides)), {"versions": {"scipy": version("scipy")}}


def older_statistics(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As pytorch-fid takes them, in the middle of a function that reads files."""
    return features.mean(axis=0), np.cov(features, rowvar=False)


def older_fid(real: tuple[np.ndarray, np.ndarray], fake: tuple[np.ndarray, np.ndarray]) -> float:
    from pytorch_fid.fid_score import calculate_frechet_distance

    return float(calculate_frechet_distance(*real, *fake))


def repeated(once: Callable[[], float]) -> Callable[[int], float]:
    return lambda steps: [once() for _ in range(steps)][-1]


def version(package: str) -> str:
    import importlib.metadata

    return importlib.metadata.version(package)


def save(result: dict[str, Any], folder: Path) -> None:
    """Writes the numbers, beside those of tasks measured before, and prints the table; into README.md as well where
    the folder is this script's own."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "inception.json"
    if target.exists():
        result["tasks"] = json.loads(target.read_text())["tasks"] | result["tasks"]
    target.write_text(json.dumps(result, indent=1) + "\n")
    text = table(result)
    print(text)
    page.write("inception.py", text.rstrip("\n"), folder)


def table(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    lines = ["| | | median | cores busy | jaxgan is as fast, times |", "|---|---|---|---|---|"]
    versions: dict[str, str] = {}
    for task, found in result["tasks"].items():
        for name, rate in found["rates"].items():
            each = f"{rate['median']:.1f} images/s" if task == "features" else f"{1 / rate['median']:.1f} s"
            ratio = found["ratios"].get(name)
            compared = f"**{ratio['median']:.2f}** ({ratio['lowest']:.2f} – {ratio['highest']:.2f})" if ratio else ""
            lines.append(f"| {task} | {name} | {each} | {rate['cores']:.2f} | {compared} |")
            versions |= found["facts"][name]["versions"]
    machine = result["machine"]
    lines += ["", f"Medians of {result['rounds']} rounds; the ratio is the median over rounds of that within a round, "
              f"with its extremes. {machine['cpu']}, {machine['cores']} cores; "
              f"{', '.join(f'{name} {version}' for name, version in versions.items())}; {result['date']}.", ""]
    return "\n".join(lines)


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    command.run(main)
