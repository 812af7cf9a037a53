"""Score against seconds, every point with its name."""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from experiments.campaign import plain_numbers

INK, LINE = "#1f3a5f", "#9aa5b1"
DOT = 5.0                                  # pixels around a point that no name may cover
DISTANCES = (9, 16, 26, 38, 52, 68, 86)    # points from a dot to its name, the nearest that is free is taken
ANGLES = (0, 180, 45, -45, 135, -135, 90, -90, 22, -22, 158, -158, 67, -67, 113, -113)


def scatter(points: Mapping[str, tuple[float, float]], path: Path) -> None:
    """points: name -> (processor seconds, FD)."""
    figure = Figure(figsize=(10, 6.5), dpi=130, facecolor="white", layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    x, y = np.array(list(points.values())).T
    axes.scatter(x, y, s=26, color=INK, zorder=3)
    axes.set(xscale="log", yscale="log", xlabel="processor seconds of training, compilation aside",
             ylabel="FD to the test images (classifier)", xlim=(x.min() / 1.5, x.max() * 1.8),
             ylim=(y.min() / 1.35, y.max() * 1.35))
    for axis in (axes.xaxis, axes.yaxis):
        plain_numbers(axis)
    axes.tick_params(which="both", labelsize=8)
    axes.grid(which="both", color="#e6e9ed", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    canvas.draw()  # the layout is decided now, so that pixels mean something
    name_points(axes, points, canvas.get_renderer())
    figure.savefig(path)


def name_points(axes, points: Mapping[str, tuple[float, float]], renderer) -> None:
    """Each name at the nearest free place: on no other name, on no dot, inside the axes."""
    centres = {name: axes.transData.transform(point) for name, point in points.items()}
    taken = [Bbox.from_extents(*(centre - DOT), *(centre + DOT)) for centre in centres.values()]
    frame = axes.get_window_extent(renderer)
    scale = renderer.points_to_pixels(1.0)
    for name in sorted(points, key=lambda each: crowd(centres[each], list(centres.values())), reverse=True):
        text = axes.text(*points[name], name, fontsize=8.5, color=INK, zorder=4)
        size = text.get_window_extent(renderer)
        box = None
        for distance, angle in itertools.product(DISTANCES, ANGLES):
            box = place(centres[name], size.width, size.height, distance * scale, angle)
            if inside(box, frame) and not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)
        text.set_position(axes.transData.inverted().transform((box.x0, box.y0)))
        text.set_verticalalignment("bottom")
        if distance > DISTANCES[0]:
            end = np.clip(centres[name], (box.x0, box.y0), (box.x1, box.y1))
            ends = axes.transData.inverted().transform([centres[name], end])
            axes.plot(*ends.T, color=LINE, linewidth=0.7, zorder=2)


def place(centre: Sequence[float], width: float, height: float, distance: float, angle: float) -> Bbox:
    """A box of that size whose nearest edge is so far from the centre, in that direction."""
    towards = np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
    middle = np.asarray(centre) + towards * distance + towards * np.array([width, height]) / 2
    return Bbox.from_extents(*(middle - np.array([width, height]) / 2), *(middle + np.array([width, height]) / 2))


def inside(box: Bbox, frame: Bbox) -> bool:
    return frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1


def crowd(centre: np.ndarray, others: Sequence[np.ndarray]) -> int:
    """How many points are near: crowded ones are named first."""
    return sum(bool(np.linalg.norm(centre - other) < 60) for other in others)
