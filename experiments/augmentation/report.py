"""The README's tables and pictures, from the cells that are there."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patheffects import withStroke

from experiments.augmentation import detect
from experiments.campaign import rows, spread
from jaxgan import images

PARTS = ("xrays", "digits", "detection")
DATA = {"mnist": "MNIST", "digits": "scikit-learn's digits"}
DIGITS = {"real": "real", "geometric": "real, augmented", "synthetic": "synthetic", "both": "real and synthetic",
          "both_geometric": "real and synthetic, augmented"}
XRAYS = {"real": "real", "weights": "real, classes weighted", "oversampling": "real, normals oversampled",
         "geometric": "real, augmented", "oversampling_geometric": "real, normals oversampled, augmented",
         "synthetic": "synthetic", "filled": "real, filled up with synthetic normals",
         "filled_geometric": "real, filled up with synthetic normals, augmented"}
DETECTION = {"few": "few real digits", "synthetic": "synthetic digits", "both": "both",
             "many": "many real digits, for comparison"}
DIGITS_GAINS = (("both", "real"), ("both_geometric", "geometric"), ("synthetic", "real"), ("geometric", "real"))
XRAYS_GAINS = (("filled", "real"), ("filled", "weights"), ("filled", "oversampling"),
               ("filled_geometric", "oversampling_geometric"), ("filled_geometric", "geometric"))
DETECTION_GAINS = (("both", "few"), ("synthetic", "few"))
MEASURES = {"balanced_accuracy": "balanced accuracy", "auc": "AUC"}
# Okabe and Ito's colours, which the colour-blind tell apart; markers and dashes say it again.
STYLES = {"real": ("#000000", "o", "--"), "geometric": ("#000000", "s", "-"), "synthetic": ("#E69F00", "^", ":"),
          "both": ("#0072B2", "o", "--"), "both_geometric": ("#0072B2", "s", "-")}
INK, TRUTH, FOUND = "#444444", "#56B4E9", "#E69F00"
SURE = 0.5  # scores of boxes that are drawn

Found = Sequence[Mapping[str, Any]]


def cells(results: Path) -> dict[str, Found]:
    """What was measured, by part."""
    found = [json.loads(path.read_text()) for path in sorted((results / "cells").glob("*.json"))]
    parts = {part: [each["found"] for each in found if each["found"]["part"] == part] for part in PARTS}
    return {part: each for part, each in parts.items() if each}


def values(found: Found, method: str, measure: str, size: int | None = None) -> list[float]:
    """One number a seed."""
    return [each["scores"][method][measure] for each in found if size in (None, each.get("size"))]


def sizes(found: Found) -> list[int]:
    return sorted({each["size"] for each in found})


def text(results: Path) -> str:
    """The tables, each with what was gained from seed to seed."""
    found, parts = cells(results), []
    if "xrays" in found:
        parts += ["### Classifying chest X-rays", *xrays_text(found["xrays"])]
    if "digits" in found:
        parts += ["### Classifying digits", *digits_text(found["digits"])]
    if "detection" in found:
        parts += ["### Detecting digits", *detection_text(found["detection"])]
    machines = {json.loads(path.read_text())["machine"] for path in (results / "cells").glob("*.json")}
    minutes = sum(each["seconds"] for part in found.values() for each in part) / 60
    return "\n\n".join([*parts, f"{minutes:.0f} minutes in all, with other work beside it, on "
                                f"{'; '.join(sorted(machines))}."])


def digits_text(found: Found) -> list[str]:
    head = ["learned from", *(f"{name}, {size} a class" for size in sizes(found) for name in MEASURES.values())]
    body = [[name, *(spread(values(found, method, measure, size), 3) for size in sizes(found) for measure in MEASURES)]
            for method, name in DIGITS.items()]
    gains = [[difference(DIGITS, pair), *(gain(found, pair, "balanced_accuracy", size) for size in sizes(found))]
             for pair in DIGITS_GAINS]
    return [about(found), rows(head, body),
            rows(["balanced accuracy gained", *(f"{size} a class" for size in sizes(found))], gains)]


def xrays_text(found: Found) -> list[str]:
    body = [[name, *(spread(values(found, method, measure), 3) for measure in MEASURES)]
            for method, name in XRAYS.items()]
    gains = [[difference(XRAYS, pair), *(gain(found, pair, measure) for measure in MEASURES)] for pair in XRAYS_GAINS]
    normal, pneumonia = found[0]["real"]
    return [f"{about(found)}\nThe training part has {normal:,} normal images and {pneumonia:,} of pneumonia.",
            rows(["learned from", *MEASURES.values()], body),
            rows(["gained", *MEASURES.values()], gains)]


def detection_text(found: Found) -> list[str]:
    body = [[name, spread(values(found, method, "ap50"), 3)] for method, name in DETECTION.items()]
    gains = [[difference(DETECTION, pair), gain(found, pair, "ap50")] for pair in DETECTION_GAINS]
    return [about(found), rows(["scenes composed of", "AP at IoU 0.5"], body), rows(["gained", "AP at IoU 0.5"], gains)]


def about(found: Found) -> str:
    seeds = len({each["seed"] for each in found})
    what = "scenes" if found[0]["part"] == "detection" else "images"
    of = f" of {DATA[found[0]['data']]}" if "data" in found[0] else ""
    over = f"over {seeds} seeds" if seeds > 1 else "of one seed"
    return f"Mean ± standard deviation {over}, on {found[0]['tested_on']:,} {what}{of} for testing."


def difference(names: Mapping[str, str], pair: tuple[str, str]) -> str:
    return f"*{names[pair[0]]}* over *{names[pair[1]]}*"


def gain(found: Found, pair: tuple[str, str], measure: str, size: int | None = None) -> str:
    """Mean ± standard deviation of the differences within a seed, and in how many seeds there is one upwards."""
    first, second = (values(found, method, measure, size) for method in pair)
    gained = [one - other for one, other in zip(first, second)]
    sign = "+" if statistics.fmean(gained) >= 0 else ""
    return f"{sign}{spread(gained, 3)} ({sum(each > 0 for each in gained)} of {len(gained)})".replace("-", "−")


def draw(results: Path) -> None:
    """The pictures of what is there."""
    found = cells(results)
    plt.rcParams.update({"font.size": 10, "axes.edgecolor": INK, "axes.spines.top": False, "axes.spines.right": False})
    if "digits" in found:
        draw_digits(found["digits"], results / "digits.png")
        draw_strips(results, [f"digits_{size}" for size in sizes(found["digits"])],
                    [f"{size} a class, {kind}" for size in sizes(found["digits"]) for kind in ("real", "synthetic")],
                    list("0123456789"), "the first of each class")
    scenes = next((each["shown"] for each in found.get("detection", ()) if each["seed"] == 0 and "shown" in each), None)
    if scenes:
        strip = images.load_png(results / "detection_strip.png")
        draw_scenes(strip.reshape(3, -1, strip.shape[1]), scenes, results / "detection.png")
    if "xrays" in found:
        draw_xrays(found["xrays"], results / "xrays.png")
        draw_strips(results, ["xrays_strip"], [f"{label}, {kind}" for label in ("normal", "pneumonia")
                                         for kind in ("real", "synthetic")], [""] * 10, "the first of each class")


def draw_digits(found: Found, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
    for place, (method, name) in enumerate(DIGITS.items()):
        numbers = [values(found, method, "balanced_accuracy", size) for size in sizes(found)]
        colour, marker, line = STYLES[method]
        apart = 1.03 ** (place - 2)  # so that error bars do not cover each other
        axes.errorbar([size * apart for size in sizes(found)], [np.mean(each) for each in numbers],
                      [np.std(each, ddof=1) if len(each) > 1 else 0 for each in numbers], color=colour, marker=marker,
                      linestyle=line, capsize=3, label=name)
    axes.set(xscale="log", xlabel="real images of each class", ylabel="balanced accuracy on the test part")
    axes.set_xticks(sizes(found), [str(size) for size in sizes(found)])
    axes.minorticks_off()
    axes.grid(axis="y", color="#dddddd")
    figure.legend(frameon=False, loc="outside right center")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_xrays(found: Found, path: Path) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained", sharey=True)
    places = np.arange(len(XRAYS))[::-1]
    for axes, (measure, title) in zip(panels, MEASURES.items()):
        for place, method in zip(places, XRAYS):
            numbers = values(found, method, measure)
            colour = STYLES["both"][0] if method.startswith(("filled", "synthetic")) else STYLES["real"][0]
            axes.plot(numbers, [place] * len(numbers), "o", color=colour, alpha=0.3, markersize=5, markeredgewidth=0)
            axes.errorbar(np.mean(numbers), place, xerr=np.std(numbers, ddof=1) if len(numbers) > 1 else 0,
                          color=colour, marker="D", markersize=6, capsize=3)
        axes.set(xlabel=title)
        axes.grid(axis="x", color="#dddddd")
    panels[0].set_yticks(places, list(XRAYS.values()))
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_strips(results: Path, names: Sequence[str], labels: Sequence[str], columns: Sequence[str],
                title: str) -> None:
    """One sheet of the strips that the cells of the first seed left, where they are there."""
    if not all((results / f"{name}.png").exists() for name in names):
        return
    tiles = np.concatenate([images.load_png(results / f"{name}.png") for name in names])
    side = tiles.shape[1]
    shown = tiles.reshape(len(labels), len(columns), side, side, 1)
    images.save_png(images.sheet(shown, labels, columns, title), results / f"{names[0].split('_')[0]}_shown.png")


def draw_scenes(scenes: np.ndarray, shown: Mapping[str, Any], path: Path) -> None:
    """A scene to learn from of each kind; and a scene for testing, with what two detectors find in it. scenes: uint8
    [3, H, W]."""
    panels = [(scenes[0], "to learn from:\nfew real digits", shown["learned"][0], ()),
              (scenes[1], "to learn from:\nsynthetic digits", shown["learned"][1], ()),
              *((scenes[2], f"to be tested on; learned from:\n{DETECTION[which]}", shown["truth"], found)
                for which, found in shown["found"].items())]
    figure, places = plt.subplots(1, len(panels), figsize=(13, 3.9), layout="constrained")
    for axes, (scene, title, truth, found) in zip(places, panels):
        axes.imshow(scene, cmap="gray", vmin=0, vmax=255)
        for kind, _, box in truth:
            draw_box(axes, box, detect.NAMES[kind], TRUTH, "-", above=True)
        for kind, score, box in found:
            if score >= SURE:
                draw_box(axes, box, f"{detect.NAMES[kind]} {score:.2f}", FOUND, "--", above=False)
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_box(axes: plt.Axes, box: Sequence[float], name: str, colour: str, line: str, above: bool) -> None:
    x, y, width, height = box
    axes.add_patch(plt.Rectangle((x - 0.5, y - 0.5), width, height, fill=False, color=colour, lw=2, linestyle=line))
    axes.text(x, y - 1 if above else y + height + 0.5, name, color=colour, weight="bold", fontsize=9, clip_on=True,
              va="bottom" if above else "top", path_effects=[withStroke(linewidth=2, foreground="black")])
