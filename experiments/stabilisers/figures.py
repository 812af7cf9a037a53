"""The heat map and the curves of what has been run."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from experiments.campaign import plain_numbers
from experiments.stabilisers.cells import COUNTS, CRITICS, GAMMAS, HALF_LIVES, HELP, RATES, TURNS

COLOURS = ("#1f3a5f", "#c8553d", "#588b8b", "#d9a441", "#7d6b91")
Found = Mapping[tuple[Any, ...], Sequence[Mapping[str, Any]]]  # key of a cell -> what each seed found


def draw(found: Mapping[str, Found], folder: Path) -> None:
    """heat.png, curves.png and augmentation.png, of the parts that have been run."""
    if found["r1"]:
        heat(found["r1"], folder / "heat.png")
    if found["turns"] or found["average"]:
        figure, (left, right) = canvas(2)
        turns(left, found["turns"])
        averages(right, found["average"])
        figure.savefig(folder / "curves.png")
    if found["augmentation"]:
        figure, panels = canvas(len(COUNTS))
        for axes, count in zip(panels, COUNTS):
            lines = {name: curves(found["augmentation"].get((name, count), ()), "") for name in HELP}
            over_images(axes, lines, f"{count:,} training images")
        panels[0].set_ylabel("FD to the test images (classifier)")
        shared(panels)
        figure.savefig(folder / "augmentation.png")


def canvas(count: int):
    figure = Figure(figsize=(5.2 * count if count < 3 else 4.2 * count, 4.2), dpi=120, facecolor="white",
                    layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, count)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(which="both", color="#e6e9ed", linewidth=0.6)
        axes.set_axisbelow(True)
    return figure, panels


def heat(found: Found, path: Path) -> None:
    """Mean FD over the seeds as colour and number."""
    values = np.full((len(GAMMAS), len(RATES)), np.nan)
    for (gamma, rate), cells in found.items():
        scores = [cell["curves"][""][-1]["fd"] for cell in cells]
        if None not in scores:
            values[GAMMAS.index(gamma), RATES.index(rate)] = statistics.fmean(scores)
    figure = Figure(figsize=(7.2, 5), dpi=120, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    known = values[np.isfinite(values)]
    norm = LogNorm(known.min(), max(known.max(), known.min() * 1.01))
    image = axes.imshow(values, cmap="YlGnBu_r", norm=norm, aspect="auto")
    for row, column in np.ndindex(*values.shape):
        value = values[row, column]
        cells = found.get((GAMMAS[row], RATES[column]))
        text = f"{value:.1f}" if np.isfinite(value) else "diverged" if cells else "–"
        dark = np.isfinite(value) and norm(value) < 0.5
        axes.text(column, row, text, ha="center", va="center", fontsize=11, color="white" if dark else "black")
    axes.set_xticks(range(len(RATES)), [f"{rate:g}" for rate in RATES])
    axes.set_yticks(range(len(GAMMAS)), ["none" if not gamma else f"{gamma:g}" for gamma in GAMMAS])
    axes.set(xlabel="learning rate at the start, of both players", ylabel="γ of R1")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, label="FD to the test images (classifier)")
    plain_numbers(bar.ax.yaxis)
    figure.savefig(path)


def turns(axes, found: Found) -> None:
    """FD by D:G, one line a way of training, each seed a dot."""
    for colour, name in zip(COLOURS, CRITICS):
        seeds = {count: [cell["curves"][""][-1]["fd"] for cell in found.get((name, count), ())] for count in TURNS}
        known = {count: values for count, values in seeds.items() if values and None not in values}
        axes.plot(list(known), [statistics.fmean(values) for values in known.values()], color=colour, label=name)
        for count, values in known.items():
            axes.plot([count] * len(values), values, "o", color=colour, markersize=4)
    axes.set(xlabel="turns of the discriminator to one of the generator", xticks=TURNS, yscale="log",
             ylabel="FD to the test images (classifier)", title="the same number of real images")
    plain(axes)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, frameon=False, fontsize=9)


def averages(axes, found: Found) -> None:
    cells = found.get((), ())
    names = {"none": "none", **{str(half_life): f"{half_life:g} thousand" for half_life in HALF_LIVES}}
    over_images(axes, {title: curves(cells, name) for name, title in names.items()}, "half-life of the average")


def curves(cells: Sequence[Mapping[str, Any]], name: str) -> list[list[tuple[float, float]]]:
    """Of each seed: (thousand images, FD)."""
    return [[(each["images"] / 1000, each["fd"]) for each in cell["curves"][name] if each["fd"] is not None]
            for cell in cells]


def over_images(axes, lines: Mapping[str, Sequence[Sequence[tuple[float, float]]]], title: str) -> None:
    """Mean over the seeds as a line, each seed as dots."""
    for colour, (name, seeds) in zip(COLOURS, lines.items()):
        points: dict[float, list[float]] = {}
        for image, value in (point for seed in seeds for point in seed):
            points.setdefault(image, []).append(value)
        axes.plot(list(points), [statistics.fmean(values) for values in points.values()], color=colour, label=name)
        for image, values in points.items():
            axes.plot([image] * len(values), values, "o", color=colour, markersize=3.5)
    axes.set(xlabel="thousand real images shown", yscale="log", title=title)
    plain(axes)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, frameon=False, fontsize=9)


def plain(axes) -> None:
    plain_numbers(axes.yaxis)
    axes.tick_params(which="both", labelsize=8)


def shared(panels: Sequence[Any]) -> None:
    """The same range of values in all panels."""
    low, high = (function(axes.get_ylim()[end] for axes in panels) for end, function in ((0, min), (1, max)))
    for axes in panels:
        axes.set_ylim(low, high)
