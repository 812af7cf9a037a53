"""The same work by jaxgan and by a PyTorch twin: scores and seconds. See the README beside this.

    TFDS_DATA_DIR=FOLDER python -m experiments.equal_work.run
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.campaign import ROOT, Campaign, machine, rows, spread
from experiments.equal_work.contestant import SIDES
from experiments.equal_work.recipe import KIMG, RESOLUTION
from experiments.short_runs import Score, cut, jury, strip
from jaxgan import config as configs
from jaxgan import images

CONFIG = Path(__file__).parent / "recipe.py"
DATA, SEEDS = ("mnist", "cifar10"), (0, 1, 2)
NAMES = {"dcgan": "DCGAN", "sngan": "SNGAN", "mnist": "MNIST", "cifar10": "CIFAR-10"}
SCORES = ("fd", "precision", "recall", "coverage")
NUM_FAKES, NUM_SHOWN = 5000, 16
SHOWN_SIDE = 32  # pixels of an image in the picture


class Cell(NamedTuple):
    data: str
    recipe: str
    side: str
    seed: int

    @property
    def name(self) -> str:
        return "_".join((self.recipe, self.data, self.side.lower(), str(self.seed)))

    @property
    def settings(self) -> dict[str, Any]:
        return {"config": configs.load(f"{CONFIG}:{self.recipe}:{self.data}").to_dict(), "fakes": NUM_FAKES}


CELLS = [Cell(*each) for seed in SEEDS for each in itertools.product(DATA, KIMG, SIDES, (seed,))]


def measure(cell: Cell, score: Score, tiles: Path) -> dict[str, Any]:
    """Trains one side in a process of its own, with nothing compiled before, and scores its samples in this one."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_COMPILATION_CACHE": "false"}
        subprocess.run([sys.executable, "-m", "experiments.equal_work.contestant", f"--side={cell.side}",
                        f"--config={CONFIG}:{cell.recipe}:{cell.data}", f"--seed={cell.seed}",
                        f"--samples={NUM_FAKES}", f"--output={folder}", f"--started={time.time()}"],
                       check=True, cwd=ROOT, env=environment)
        facts = json.loads(Path(folder, "facts.json").read_text())
        with np.load(Path(folder, "samples.npz")) as arrays:
            fakes = arrays["images"]
    if not cell.seed:
        tiles.mkdir(parents=True, exist_ok=True)
        images.save_png(strip(fakes[:NUM_SHOWN]), tiles / f"{cell.name}.png")
    return facts | {"scores": score(fakes)}


def table(campaign: Campaign) -> str:
    """The README's: means over the seeds there are."""
    body = []
    for data, recipe, side in itertools.product(DATA, KIMG, SIDES):
        cells = [cell for cell in CELLS if cell[:3] == (data, recipe, side)]
        found = [each for cell in cells if (each := campaign.kept(cell.name, cell.settings))]
        size = RESOLUTION[recipe]
        head = [f"{NAMES[recipe]}, {NAMES[data]} at {size}×{size}", side, str(len(found))]
        if not found:
            body.append([*head, "not run yet", *[""] * 6])
            continue
        scores = [spread([each["scores"][name] for each in found]) for name in SCORES]
        seconds = [spread([each[part][unit] for each in found], 0) for part, unit in (
            ("steps", "seconds"), ("steps", "cpu_seconds"), ("whole", "cpu_seconds"))]
        body.append([*head, *scores, *seconds])
    head = ["", "by", "seeds", "FD (classifier)", "precision", "recall", "coverage", "seconds of the steps",
            "processor seconds of the steps", "and of all"]
    return f"{rows(head, body)}\n\n{ratios(campaign)}\n\nOn {machine()}."


def ratios(campaign: Campaign) -> str:
    """Processor time of the twin's steps over that of jaxgan's, for pairs of runs on one seed."""
    found: dict[str, list[float]] = {}
    for cell in CELLS:
        pair = [campaign.kept(each.name, each.settings) for each in (cell._replace(side=side) for side in SIDES)]
        if cell.side == "jaxgan" and all(pair):
            ours, theirs = (each["steps"]["cpu_seconds"] for each in pair)
            found.setdefault(f"{NAMES[cell.recipe]} on {NAMES[cell.data]}", []).append(theirs / ours)
    said = ", ".join(f"{name} {spread(values)}" for name, values in found.items())
    return f"Processor seconds of the twin's steps for one of jaxgan's: {said or 'not run yet'}."


def draw(campaign: Campaign) -> None:
    """The first samples of seed 0, the sides below one another."""
    shown = {}
    for cell in CELLS:
        path = campaign.results / "tiles" / f"{cell.name}.png"
        if path.exists():
            tiles = cut(images.load_png(path), NUM_SHOWN)
            scale = SHOWN_SIDE // tiles.shape[1]
            tiles = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
            name = f"{NAMES[cell.recipe]}, {NAMES[cell.data]}: {cell.side}"
            shown[name] = tiles if tiles.shape[-1] == 3 else tiles.repeat(3, axis=3)
    if shown:
        picture = images.sheet(np.stack(list(shown.values())), list(shown), [""] * NUM_SHOWN,
                               "the first samples of seed 0, not chosen")
        images.save_png(picture, campaign.results / "samples.png")


def publish(campaign: Campaign) -> None:
    draw(campaign)
    campaign.publish(table(campaign), {"samples.png": "the first samples of both sides"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", metavar="CELL", help="one cell, such as dcgan_mnist_jaxgan_0")
    parser.add_argument("--table", action="store_true", help="write the table of the cells there are, and train none")
    options, campaign = parser.parse_args(), Campaign(__file__)
    for cell in () if options.table else CELLS:
        if options.only in (None, cell.name) and not campaign.kept(cell.name, cell.settings):
            size = RESOLUTION[cell.recipe]
            with jury({"name": "tfds", "dataset": cell.data, "split": "test", "resolution": size}) as score:
                campaign.cell(cell.name, cell.settings,
                              lambda: measure(cell, score, campaign.results / "tiles"))  # noqa: B023
            publish(campaign)
    publish(campaign)


if __name__ == "__main__":
    main()
