"""Every recipe's tiny variant on the digits, at one budget, judged by one classifier; see the README beside this.

    python experiments/zoo/run.py

Resumable: a recipe whose result is there is not trained again.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np

from jaxgan import data, images
from jaxgan.config import TINY_SIZE
from jaxgan.runs import RunFolder

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results"
MARKS = "<!-- written by run.py: begin -->", "<!-- written by run.py: end -->"
RECIPES = ("dcgan", "lsgan", "wgan", "wgan_gp", "dragan", "sngan", "sagan", "biggan", "biggan_deep", "acgan",
           "contragan", "reacgan", "infogan", "ssgan", "cr_gan", "lecam", "r3gan", "stylegan2", "stylegan2_ada",
           "stylegan3", "vit_gan")
NUM_FAKES = 1797  # as many as there are digits
NUM_SHOWN = 20    # samples of each recipe in the picture
LEAST_PRECISION, LEAST_RECALL = 0.5, 0.1  # below which a recipe has failed


def command(*arguments: str, cache: Path) -> None:
    """Runs `python -m jaxgan.…` with that compilation cache."""
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(cache)}
    subprocess.run([sys.executable, "-m", *arguments], check=True, cwd=ROOT, env=environment)


def real_digits(path: Path) -> Path:
    """The digits as the tiny variants see them, with their labels, as a file."""
    if not path.exists():
        digits = data.open({"name": "digits", "resolution": TINY_SIZE}).arrays
        np.savez(path, images=digits.images, labels=digits.labels)
    return path


def measure(recipe: str, scratch: Path, shared: Path, options: list[str]) -> dict:
    """Trains one recipe with nothing compiled before, and scores it. shared: a folder for what all recipes need."""
    workdir, scores, fakes, tiles = (scratch / name for name in ("run", "scores.json", "fakes.npz", "tiles.npz"))
    start = time.monotonic()
    command("jaxgan.main", f"--config=configs/{recipe}.py:tiny", f"--workdir={workdir}", *options,
            cache=scratch / "cache")
    seconds = time.monotonic() - start
    # As files, so that recipes without labels are judged by the classifier of the ten digits too.
    real = real_digits(shared / "digits.npz")
    command("jaxgan.sample", f"--workdir={workdir}", f"--seeds=0-{NUM_FAKES - 1}", f"--output={fakes}", cache=shared)
    command("jaxgan.evaluate", f"--fake={fakes}", f"--real={real}", "--metrics=fd,prdc,class_coverage",
            "--backbone=classifier", f"--json={scores}", cache=shared)
    folder = RunFolder(workdir)
    labels = ["--labels=0-9"] if folder.info().num_classes else []
    command("jaxgan.sample", f"--workdir={workdir}", f"--seeds=0-{NUM_SHOWN - 1}", f"--output={tiles}", *labels,
            cache=shared)
    with np.load(tiles) as arrays:
        shown = images.grid(arrays["images"], columns=NUM_SHOWN)
    images.save_png(shown, RESULTS / "tiles" / f"{recipe}.png")
    values = {result["short"]: {name: result[name] for name in ("value", "low", "high")}
              for result in json.loads(scores.read_text())["results"]}
    return {"recipe": recipe, "seconds": seconds, "labels": bool(labels), "scores": values,
            "config": json.loads(folder.config_file.read_text()), "cpu": processor(), "cores": os.cpu_count()}


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def failure(scores: dict) -> str:
    """What is wrong, in words; "" if nothing is. scores: name -> value."""
    found = []
    if scores["classes"] < 10:
        found.append(f"{10 - scores['classes']:.0f} of the classes missing")
    if scores["precision"] < LEAST_PRECISION:
        found.append("most samples unlike digits")
    if scores["recall"] < LEAST_RECALL:
        found.append("little variety")
    return ", ".join(found)


def report(results: list[dict]) -> str:
    """The table of the README."""
    columns = ("recipe", "labels", "D:G", "FD (classifier)", "classes", "KL of classes", "precision", "recall",
               "coverage", "seconds", "failed")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for result in sorted(results, key=lambda result: result["scores"]["fd"]["value"]):
        scores = {name: score["value"] for name, score in result["scores"].items()}
        fd = result["scores"]["fd"]
        row = (f"[{result['recipe']}](../../configs/{result['recipe']}.py)", "yes" if result["labels"] else "no",
               f"{result['config']['num_critic']}:1", f"{fd['value']:.1f} ({fd['low']:.1f}–{fd['high']:.1f})",
               f"{scores['classes']:.0f}", f"{scores['class_kl']:.3f}", f"{scores['precision']:.2f}",
               f"{scores['recall']:.2f}", f"{scores['coverage']:.2f}", f"{result['seconds']:.0f}",
               failure(scores) or "–")
        lines.append(f"| {' | '.join(row)} |")
    first = results[0]
    return "\n".join([*lines, "", f"On {first['cpu']}, {first['cores']} cores. Seconds: from the shell to the prompt, "
                      "nothing compiled before. In brackets: the 95 % interval of a jackknife over the samples."])


def draw(results: list[dict]) -> None:
    """The first samples of every recipe, best first."""
    ordered = sorted(results, key=lambda result: result["scores"]["fd"]["value"])
    figure, axes = plt.subplots(len(ordered), 1, figsize=(10, 0.62 * len(ordered)), squeeze=False)
    for axis, result in zip(axes[:, 0], ordered):
        tiles = images.load_png(RESULTS / "tiles" / f"{result['recipe']}.png").squeeze()
        axis.imshow(tiles, cmap="gray", vmin=0, vmax=255)
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set_visible(False)
        axis.set_ylabel(result["recipe"], rotation=0, ha="right", va="center")
    figure.tight_layout(h_pad=0.1)
    figure.savefig(RESULTS / "samples.png", dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", help="recipes, such as sngan,biggan; the table is made of what there is")
    parser.add_argument("--again", action="store_true", help="train them anew even where there is a result")
    arguments, options = parser.parse_known_args()
    chosen = arguments.only.split(",") if arguments.only else RECIPES
    (RESULTS / "tiles").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as shared:
        for number, recipe in enumerate(chosen, start=1):
            path = RESULTS / f"{recipe}.json"
            if path.exists() and not arguments.again:
                continue
            print(f"== {recipe}, {number} of {len(chosen)}", flush=True)
            with tempfile.TemporaryDirectory() as scratch:
                result = measure(recipe, Path(scratch), Path(shared), options)
            path.write_text(json.dumps(result, indent=2) + "\n")
    results = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    draw(results)
    readme = HERE / "README.md"
    before, after = readme.read_text().split(MARKS[0])[0], readme.read_text().split(MARKS[1])[1]
    readme.write_text(f"{before}{MARKS[0]}\n{report(results)}\n{MARKS[1]}{after}")
    print(report(results))


if __name__ == "__main__":
    main()
