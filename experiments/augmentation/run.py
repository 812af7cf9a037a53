"""Does a classifier, or a detector, gain from synthetic images? See the README beside this.

    TFDS_DATA_DIR=FOLDER python -m experiments.augmentation.run --xrays=pneumoniamnist.npz
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

os.environ["JAX_PLATFORMS"] = "cpu"

import numpy as np

from experiments.augmentation import classify, detect, report, sets
from experiments.campaign import ROOT, Campaign
from jaxgan import compilation, images
from jaxgan.data.source import Arrays

SEEDS = (0, 1, 2, 3, 4)
SIZES = (10, 30, 100)  # real digits of each class
SHARE = 0.1  # of the X-rays' training part that is normal
MADE = 500  # synthetic images of each class, where they do not fill one up
SCENES, TEST_SCENES, TEST_SEED = 800, 300, 1000
DETECTION_SIZE = 30  # real digits of each class that scenes are composed of
SHOWN = 10  # images of a class in a strip

Measure = Callable[[], dict[str, Any]]


def digits_cell(options: argparse.Namespace, pictures: Path, seed: int, size: int) -> dict[str, Any]:
    """Classifiers of digits, from so many real ones of each class."""
    train, test = sets.digits(options.digits)
    real = sets.subset(train, [size] * 10, seed)
    run = sets.trained(options.scratch, "digits", f"{options.digits}_{size}_{seed}", real, seed)
    made = sets.synthetic(run, f"--per_class={MADE}")
    shown = [part.images[part.labels == label][:1] for part in (real, made) for label in range(10)]
    keep_strip(shown, pictures / f"digits_{size}.png", seed)
    plain, both = classify.plain(real), classify.joined(real, made)
    lessons = {"real": plain, "geometric": classify.geometric(plain), "synthetic": classify.plain(made), "both": both,
               "both_geometric": classify.geometric(both)}
    return {"data": options.digits, "size": size, "tested_on": len(test.images),
            "scores": learned(lessons, test, 10, seed)}


def xrays_cell(options: argparse.Namespace, pictures: Path, seed: int) -> dict[str, Any]:
    """Classifiers of X-rays, of which few are normal."""
    train, test = sets.xrays(options.xrays)
    real = sets.subset(train, sets.rare(train, SHARE), seed)
    run = sets.trained(options.scratch, "xrays", f"xrays_{seed}", real, seed)
    made, filled = sets.synthetic(run, f"--per_class={MADE}"), sets.synthetic(run, "--fill=max", "--with_real")
    shown = [part.images[part.labels == label][:SHOWN] for label in range(2) for part in (real, made)]
    keep_strip(shown, pictures / "xrays_strip.png", seed)
    plain, full = classify.plain(real), classify.plain(filled)
    even = classify.oversampled(plain)
    lessons = {"real": plain, "weights": classify.weighted(plain), "oversampling": even,
               "geometric": classify.geometric(plain), "oversampling_geometric": classify.geometric(even),
               "synthetic": classify.plain(made), "filled": full, "filled_geometric": classify.geometric(full)}
    return {"real": np.bincount(real.labels).tolist(), "tested_on": len(test.images),
            "scores": learned(lessons, test, 2, seed)}


def detection_cell(options: argparse.Namespace, pictures: Path, seed: int) -> dict[str, Any]:
    """Detectors of digits, from scenes; the GAN is that of the classifiers of as many real ones."""
    train, test = sets.digits(options.digits)
    real = sets.subset(train, [DETECTION_SIZE] * 10, seed)
    run = sets.trained(options.scratch, "digits", f"{options.digits}_{DETECTION_SIZE}_{seed}", real, seed)
    made = detect.of_run(run, SCENES, seed)
    with tempfile.TemporaryDirectory() as folder:
        few, many = (detect.of_digits(Path(folder, which), part, SCENES, seed)
                     for which, part in (("few", real), ("many", train)))
        unseen = detect.of_digits(Path(folder, "test"), test, TEST_SCENES, TEST_SEED)
    scores, seen = {}, {}
    halves = [detect.first_half(each) for each in (few, made)]
    for which, parts in {"few": [few], "synthetic": [made], "both": halves, "many": [many]}.items():
        seen[which] = detect.find(detect.learn(parts, seed), unseen.images)
        scores[which] = {"ap50": detect.average_precision(unseen, seen[which])}
        tell(which, scores[which])
    keep_strip([each.images[:1] for each in (few, made, unseen)], pictures / "detection_strip.png", seed)
    shown = {"learned": [few.boxes[0], made.boxes[0]], "truth": unseen.boxes[0],
             "found": {which: seen[which][0] for which in ("few", "both")}}
    return {"data": options.digits, "size": DETECTION_SIZE, "tested_on": len(unseen.images), "scores": scores,
            "shown": shown}


def learned(lessons: Mapping[str, classify.Lesson], test: Arrays, num_classes: int,
            seed: int) -> dict[str, dict[str, float]]:
    """The scores of a classifier for each lesson, on the test part."""
    found = {}
    for name, lesson in lessons.items():
        found[name] = classify.scores(classify.learn(lesson, num_classes, seed), test)
        tell(name, found[name])
    return found


def tell(name: str, scores: Mapping[str, float]) -> None:
    print(f"   {name}: {', '.join(f'{value:.4f}' for value in scores.values())}", file=sys.stderr, flush=True)


def keep_strip(shown: list[np.ndarray], path: Path, seed: int) -> None:
    """Images of the first seed below one another in one file, for the README's sheets."""
    if seed == SEEDS[0]:
        tiles = np.concatenate(shown)
        images.save_png(tiles.reshape(-1, *tiles.shape[2:]), path)


def cells(part: str, seed: int, options: argparse.Namespace,
          pictures: Path) -> Iterator[tuple[str, dict[str, Any], Measure]]:
    """Name, settings and what measures it, of each cell of a part."""
    gan = {"gan": sets.gan_settings("xrays" if part == "xrays" else "digits")}
    classifying = {"classifier": classify.SETTINGS, "made": MADE}
    given = options, pictures, seed
    if part == "xrays":
        yield f"xrays_{seed}", gan | classifying | {"share": SHARE}, partial(xrays_cell, *given)
    elif part == "digits":
        for size in SIZES:
            yield (f"digits_{size}_{seed}", gan | classifying | {"data": options.digits},
                   partial(digits_cell, *given, size))
    else:
        settings = {"data": options.digits, "size": DETECTION_SIZE, "scenes": [SCENES, TEST_SCENES, TEST_SEED]}
        yield f"detection_{seed}", gan | settings | {"detector": detect.SETTINGS}, partial(detection_cell, *given)


def timed(part: str, seed: int, measure: Measure) -> dict[str, Any]:
    begun = time.perf_counter()
    return {"part": part, "seed": seed} | measure() | {"seconds": round(time.perf_counter() - begun)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=report.PARTS, default=report.PARTS)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--xrays", type=Path, metavar="FILE", help="pneumoniamnist.npz of MedMNIST")
    parser.add_argument("--digits", choices=report.DATA, default="mnist",
                        help="MNIST as TensorFlow Datasets keeps it, or scikit-learn's digits, which are there anyway")
    parser.add_argument("--scratch", type=Path, default=ROOT / "outputs" / "augmentation", metavar="FOLDER",
                        help="where GANs and what they make are kept (default: outputs/augmentation)")
    options = parser.parse_args()
    if "xrays" in options.parts and options.xrays is None:
        parser.error("--xrays=FILE names the X-rays; --parts digits detection goes without.")
    compilation.enable_cache()
    campaign = Campaign(__file__)
    for part in options.parts:
        for seed in options.seeds:
            for name, settings, measure in cells(part, seed, options, campaign.results):
                campaign.cell(name, settings, partial(timed, part, seed, measure))
                campaign.publish(report.text(campaign.results))
    report.draw(campaign.results)


if __name__ == "__main__":
    main()
