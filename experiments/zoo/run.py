"""Every recipe's tiny variant on MNIST, at one budget, judged by one classifier; see the README beside this.

    TFDS_DATA_DIR=FOLDER python -m experiments.zoo.run
"""

import argparse
import functools
import json
from typing import Any

import numpy as np

from experiments.campaign import ROOT, Campaign, machine, rows
from experiments.short_runs import Score, cut, jury, strip, train
from experiments.zoo.figure import scatter
from jaxgan import config as configs
from jaxgan import data, images
from jaxgan.config import TINY_SIZE
from jaxgan.data import Source

NOT_HERE = {"ring": "points", "super_resolution": "images from images", "restoration": "images from images",
            "pix2pix": "images from images", "cyclegan": "images from images"}
RECIPES = [name for name in configs.recipes() if name not in NOT_HERE]
KIMG = 25.6
NUM_FAKES, NUM_SHOWN = 5000, 20
LEAST_PRECISION, LEAST_RECALL = 0.5, 0.1  # below which a recipe has failed
JUDGE = {"name": "tfds", "dataset": "mnist", "split": "test", "resolution": TINY_SIZE}


@functools.cache
def configuration(recipe: str) -> Any:
    return configs.load(str(ROOT / "configs" / f"{recipe}.py:tiny:mnist"), [f"total_kimg={KIMG}"])


def settings(recipe: str) -> dict[str, Any]:
    return {"config": configuration(recipe).to_dict(), "fakes": NUM_FAKES, "judge": JUDGE}


@functools.cache
def source(spec: str) -> Source:
    """The data section of a config, as JSON, opened once."""
    return data.open(json.loads(spec))


def measure(recipe: str, score: Score, campaign: Campaign) -> dict[str, Any]:
    """Trains one recipe and scores it; keeps a strip of samples, of 0 to 9 twice where there are labels."""
    config = configuration(recipe)
    trained = train(config, source(json.dumps(config.data.to_dict())))
    experiment = trained.experiment
    asked = np.arange(NUM_SHOWN, dtype=np.int32) % 10 if experiment.info.num_classes else None
    shown = experiment.generate(experiment.weights(trained.state), range(NUM_SHOWN), asked)
    images.save_png(strip(images.to_uint8(shown)), campaign.results / "tiles" / f"{recipe}.png")
    return trained.facts | {"labels": asked is not None, "num_critic": config.num_critic,
                            "scores": score(trained.samples(NUM_FAKES))}


def failure(scores: dict[str, float]) -> str:
    """What is wrong, in words; "" if nothing is."""
    found = []
    if scores["classes"] < 10:
        found.append(f"{10 - scores['classes']:.0f} of the classes missing")
    if scores["precision"] < LEAST_PRECISION:
        found.append("most samples unlike digits")
    if scores["recall"] < LEAST_RECALL:
        found.append("little variety")
    return ", ".join(found)


def table(found: dict[str, dict[str, Any]]) -> str:
    """The README's, best first. found: of the recipes that have been measured."""
    body = []
    for recipe, each in found.items():
        scores = each["scores"]
        body.append([f"[{recipe}](../../configs/{recipe}.py)", "yes" if each["labels"] else "no",
                     f"{each['num_critic']}:1", f"{sum(each['parameters'].values()):,}", f"{scores['fd']:.2f}",
                     *(f"{scores[name]:.2f}" for name in ("precision", "recall", "density", "coverage")),
                     f"{scores['classes']:.0f}", f"{scores['class_kl']:.3f}", f"{each['images_per_second']:,.0f}",
                     f"{each['steps']['cpu_seconds']:.0f}", f"{each['prepare']['cpu_seconds']:.0f}",
                     failure(scores) or "–"])
    head = ["recipe", "labels", "D:G", "parameters", "FD (classifier)", "precision", "recall", "density", "coverage",
            "classes", "KL of classes", "images/s", "processor seconds of the steps", "and to compile", "failed"]
    missing = ", ".join(recipe for recipe in RECIPES if recipe not in found)
    return "\n\n".join([rows(head, body), *([f"Not run yet: {missing}."] if missing else []), f"On {machine()}."])


def publish(campaign: Campaign) -> None:
    """Table and pictures of the recipes there are, best first."""
    found = {recipe: each for recipe in RECIPES if (each := campaign.kept(recipe, settings(recipe)))}
    found = dict(sorted(found.items(), key=lambda item: item[1]["scores"]["fd"]))
    if found:
        tiles = [cut(images.load_png(campaign.results / "tiles" / f"{recipe}.png"), NUM_SHOWN) for recipe in found]
        picture = images.sheet(np.stack(tiles), list(found), [""] * NUM_SHOWN,
                               "the first samples of every recipe, not chosen, best FD first")
        images.save_png(picture, campaign.results / "samples.png")
        scatter({recipe: (each["steps"]["cpu_seconds"], each["scores"]["fd"]) for recipe, each in found.items()},
                campaign.results / "fd.png")
    campaign.publish(table(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", help="recipes, such as sngan,biggan")
    parser.add_argument("--table", action="store_true", help="write the table of what there is, and train nothing")
    options, campaign = parser.parse_args(), Campaign(__file__)
    (campaign.results / "tiles").mkdir(parents=True, exist_ok=True)
    if not options.table:
        with jury(JUDGE) as score:
            for recipe in options.only.split(",") if options.only else RECIPES:
                campaign.cell(recipe, settings(recipe), lambda: measure(recipe, score, campaign))  # noqa: B023
                publish(campaign)
    publish(campaign)


if __name__ == "__main__":
    main()
