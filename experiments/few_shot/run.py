"""What helps a GAN that has 388 images: see the README beside this.

    python -m experiments.few_shot.run --data=pneumoniamnist.npz
"""

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import matplotlib
import numpy as np

from experiments.campaign import ROOT, Campaign, machine, rows, spread
from jaxgan import command, compilation, data, images
from jaxgan import config as configs
from jaxgan.catalogue import suggest
from jaxgan.data import Info
from jaxgan.data.pipeline import Batches
from jaxgan.data.source import ArraySource
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.metrics import classifier
from jaxgan.metrics.frechet import frechet_distance
from jaxgan.metrics.memorization import against, nearest
from jaxgan.metrics.prdc import precision_recall_density_coverage
from jaxgan.training.update import make_steps

matplotlib.use("Agg")
import matplotlib.pyplot as plt

CAMPAIGN = Campaign(__file__)
RESULTS = CAMPAIGN.results
RECIPE = ROOT / "configs" / "few_shot.py"
STEPS, SCORED, STEPS_PER_CALL, SEEDS = 1500, 500, 250, 2
SAMPLES, SHOWN = 1000, 16
NORMAL = 0  # the class of the images
SMALL = (f"total_kimg={STEPS * 32 / 1000}", "generator.width=16", "discriminator.width=16",
         "average.ema.half_life_kimg=5.0")
LECAM = "regularizers.lecam={'name': 'lecam', 'weight': 0.3, 'start': 200}"
R1 = "regularizers={'r1': {'name': 'r1', 'gamma': 0.3}}"
CELLS = {  # a row of the table -> what it changes in the recipe
    "none": ("augmentation={}", R1),
    "diffaugment": (R1,),
    "diffaugment + lecam": (LECAM,),
    "lecam": ("augmentation={}", R1, LECAM),
    "ada": ("augmentation={'ada': {'name': 'ada', 'preset': 'bgc', 'adjust_kimg': 50.0}}", R1),
}


class Judge(NamedTuple):
    """What samples are compared with. weights: of the classifier that is asked for features."""

    weights: Any
    train: np.ndarray
    unseen: np.ndarray

    def features(self, pictures: np.ndarray) -> np.ndarray:
        return classifier.classify(self.weights, pictures)["pool"]

    def distance(self, fakes: np.ndarray) -> float:
        return frechet_distance(self.features(self.unseen), self.features(fakes))

    def scores(self, fakes: np.ndarray) -> dict[str, float]:
        """Everything of the table."""
        spaces = {"classifier": self.features, "pixels": lambda pictures: pictures.reshape(len(pictures), -1) / 255.0}
        unseen = self.features(self.unseen)
        found = {"fd": self.distance(fakes)} | precision_recall_density_coverage(unseen, self.features(fakes), k=5)
        for name, space in spaces.items():
            train, new, made = map(space, (self.train, self.unseen, fakes))
            held, near = nearest(new, train)[0], nearest(made, train)[0]
            found[f"ratio_{name}"], found[f"close_{name}"] = against(near, held)
        return {name: round(float(value), 4) for name, value in found.items()}


def judge(path: Path) -> Judge:
    """Features are those of a classifier of both classes; the images are normal ones, trained on and not."""
    parts = {split: data.open({"name": "npz", "path": str(path), "split": split}) for split in ("train", "val", "test")}
    arrays = {split: source.arrays for split, source in parts.items()}
    weights = classifier.train_classifier(arrays["train"].images, arrays["train"].labels, 2, seed=0)
    normal = {split: found.images[found.labels == NORMAL] for split, found in arrays.items()}
    return Judge(weights, normal["train"], np.concatenate([normal["val"], normal["test"]]))


def configuration(cell: str, seed: int):
    return configs.load(f"{RECIPE}:digits", [*SMALL, *CELLS[cell], f"seed={seed}"])  # its data are given otherwise


def settings(cell: str) -> dict[str, Any]:
    """All that decides a cell: one made with other settings is out of date."""
    config = json.loads(configs.to_json(configuration(cell, 0)))
    names = ("batch_size", "total_kimg", "latent", "generator", "discriminator", "loss", "regularizers",
             "augmentation", "optimizers", "average")
    counts = {"steps": STEPS, "seeds": SEEDS, "scored": SCORED, "samples": SAMPLES}
    return counts | {name: config[name] for name in names}


def run_cell(cell: str, found: Judge) -> dict[str, Any]:
    """Trains a cell's seeds one after another, by one program; what became of them."""
    source = ArraySource(found.train, None, Info("normal", found.train.shape[1:]))
    record = {"cell": cell, "settings": settings(cell), "curves": [], "scores": []}
    begun, first, compiled = time.process_time(), None, None
    for seed in range(SEEDS):
        experiment = Experiment(configuration(cell, seed), source.info)
        first = first or experiment
        compiled = compiled or first.parallel.compile(make_steps(first.method))
        due = tuple(phase.name for phase in first.method.phases)
        feed = experiment.feed(Batches(source, 32, seed))
        state, curve = experiment.initial_state(), []
        for step in range(0, STEPS, STEPS_PER_CALL):
            state, _ = compiled(state, feed.steps(step, STEPS_PER_CALL), feed.data, due=due)
            if (step + STEPS_PER_CALL) % SCORED == 0:
                fakes = images.to_uint8(first.generate(first.weights(state), range(SAMPLES)))
                curve.append([step + STEPS_PER_CALL, round(found.distance(fakes), 4)])
        record["curves"].append(curve)
        record["scores"].append(found.scores(fakes))
        if seed == 0:
            record["shown"], record["pairs"] = shown(found, fakes)
        print(f"{cell}, seed {seed}: {record['scores'][-1]}", file=sys.stderr, flush=True)
    return record | {"cpu_seconds": round(time.process_time() - begun)}


def shown(found: Judge, fakes: np.ndarray) -> tuple[list, list]:
    """The first samples; and the samples nearest to a training image in pixels, each beside it."""
    flat = [pictures.reshape(len(pictures), -1) / 255.0 for pictures in (fakes, found.train)]
    distances, rows = nearest(*flat)
    closest = np.argsort(distances)[:SHOWN // 2]
    pairs = np.stack([fakes[closest], found.train[rows[closest]]], axis=1).reshape(-1, *fakes.shape[1:])
    return fakes[:SHOWN, ..., 0].tolist(), pairs[..., 0].tolist()


def table(records: list[dict[str, Any]], reference: dict[str, float]) -> str:
    """The README's table; mean and standard deviation over the seeds."""
    columns = {"fd": "FD", "precision": "precision", "recall": "recall", "coverage": "coverage",
               "ratio_classifier": "nn ratio, features", "close_classifier": "close, features",
               "ratio_pixels": "nn ratio, pixels", "close_pixels": "close, pixels"}
    body = [[record["cell"], *(spread([score[name] for score in record["scores"]]) for name in columns),
             str(record["cpu_seconds"])] for record in records]
    body.append(["*the training images themselves*",
                 *(f"{reference[name]:.2f}" if name in reference else "" for name in columns), ""])
    return (rows(["", *columns.values(), "CPU seconds"], body) + f"\n\nOn {machine()}, jax {jax.__version__}. CPU "
            f"seconds: of {SEEDS} trainings with their scores and one compilation.")


def draw(records: list[dict[str, Any]], reference: float) -> None:
    """The curves and the two pictures."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for record in records:
        curves = np.asarray(record["curves"])
        axes.plot(curves[0, :, 0] * 32 / 1000, curves[:, :, 1].mean(axis=0), marker="o", label=record["cell"])
        axes.fill_between(curves[0, :, 0] * 32 / 1000, curves[:, :, 1].min(axis=0), curves[:, :, 1].max(axis=0),
                          alpha=0.15)
    axes.axhline(reference, color="black", linestyle=":", label="training images")
    axes.set(xlabel="thousand real images shown", ylabel="FD to unseen images (classifier)", ylim=(0, None))
    axes.legend(frameon=False)
    figure.savefig(RESULTS / "curves.png", dpi=120)
    plt.close(figure)
    names = [record["cell"] for record in records]
    for kind, title in (("shown", "the first samples, not chosen, of seed 0"),
                        ("pairs", "the samples nearest to a training image, each with it on its right")):
        pictures = np.asarray([record[kind] for record in records], np.uint8)[..., None]
        images.save_png(images.sheet(pictures, names, [""] * SHOWN, title), RESULTS / f"{kind}.png")


def cell_path(cell: str) -> Path:
    return RESULTS / "cells" / f"{re.sub(r'[^a-z]+', '-', cell)}.json"


def read_cell(cell: str) -> dict[str, Any] | None:
    return json.loads(cell_path(cell).read_text()) if cell_path(cell).exists() else None


def write(found: Judge) -> None:
    """Pictures and table of the cells there are, into the README; prints the table."""
    records = [record for cell in CELLS if (record := read_cell(cell))]
    reference = found.scores(found.train)
    draw(records, reference["fd"])
    CAMPAIGN.publish(table(records, {name: reference[name] for name in ("fd", "precision", "recall", "coverage")}))


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="pneumoniamnist.npz of MedMNIST")
    parser.add_argument("--only", metavar="CELL", help="one cell instead of all that are missing")
    options = parser.parse_args(arguments)
    if options.only and options.only not in CELLS:
        raise InputError(f"--only: there is no {options.only!r} here. {suggest(options.only, CELLS)}")
    compilation.enable_cache()
    found = judge(options.data)
    for cell in [options.only] if options.only else CELLS:
        if (read_cell(cell) or {"settings": None})["settings"] != settings(cell):
            record = run_cell(cell, found)
            cell_path(cell).parent.mkdir(parents=True, exist_ok=True)
            with images.replacing(cell_path(cell)) as file:
                file.write((json.dumps(record) + "\n").encode())
            write(found)
    write(found)


if __name__ == "__main__":
    command.run(main)
