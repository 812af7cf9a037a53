"""The metrics of a run as one picture: small panels, one for each thing that was measured."""

import math
import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg  # not pyplot: it keeps global state
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxgan.images import save_png, titled
from jaxgan.reporting.panels import SMOOTH_FROM, Series, panels, series, smooth
from jaxgan.reporting.panels import title as panel_title

COLUMNS = 3
PANEL = (4.2, 2.9)  # inches
FOOT = 0.35  # inches
MOST_PANELS = 15
MARKERS_UP_TO = 30  # points: below, each is marked
COLORS = {"_real": "#1b8a6b", "_fake": "#d1495b", "d/": "#2563c9", "g/": "#e08a1e", "": "#5b5f97"}
OTHER_COLORS = ("#5b5f97", "#8d6a9f", "#4f7c82", "#a26769", "#6b8f47")


def draw_curves(records: Sequence[Mapping[str, Any]], path: str | os.PathLike, title: str = "") -> Path:
    """Draws every metric of `records` (as `read_metrics` returns them) into a PNG.

    Metrics that measure one thing share a panel: `d/loss` and `g/loss`, `d/sign_real` and `d/sign_fake`. Each `eval/`
    metric has its own. The x axis is the record's `kimg`, or `step` where a record has no `kimg`. Red crosses at the
    foot of a panel mark values that were not finite. At most 15 panels; a line at the end names what was left out.
    """
    axis, found = series(records)
    grouped = panels(found)
    shown, left_out = grouped[:MOST_PANELS], grouped[MOST_PANELS:]
    columns = max(1, min(COLUMNS, len(shown)))
    rows = max(1, math.ceil(len(shown) / columns))
    width, height = columns * PANEL[0], rows * PANEL[1] + FOOT
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    end = max((x[-1] for x, _ in found.values()), default=0) or 1
    for index, (name, keys) in enumerate(shown):
        # In fixed places: a layout engine would draw everything three times.
        left, top = index % columns * PANEL[0], height - index // columns * PANEL[1]
        axes = figure.add_axes(((left + 0.65) / width, (top - PANEL[1] + 0.3) / height,
                                (PANEL[0] - 0.8) / width, (PANEL[1] - 0.65) / height))
        _draw_panel(axes, name, {key: found[key] for key in keys})
        axes.set_xlim(-0.02 * end, 1.02 * end)
    if not shown:
        figure.text(0.5, 0.5, "No metrics recorded yet", ha="center", color="#555555")
    foot = axis if shown else ""
    if left_out:
        names = ", ".join(key for _, keys in left_out for key in keys)
        foot += "\n" + textwrap.shorten(f"Not drawn: {names}", 150, placeholder=" …")
    figure.text(0.5, 0.06 / height, foot, ha="center", va="bottom", fontsize=9, color="#555555")
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[:, :, :3]
    return save_png(titled(picture, title) if title else picture, path)


def _draw_panel(axes: Axes, name: str, lines: Mapping[str, Series]) -> None:
    used: list[str] = []
    broken: list[float] = []
    for key, (x, y) in lines.items():
        color = _color(key, used)
        used.append(color)
        broken.extend(x[~np.isfinite(y)])
        y = np.where(np.isfinite(y), y, np.nan)
        if len(y) < SMOOTH_FROM:
            marker = "o" if len(y) <= MARKERS_UP_TO else None
            axes.plot(x, y, color=color, linewidth=1.4, marker=marker, markersize=3.5, label=key)
        else:
            axes.plot(x, y, color=color, linewidth=0.8, alpha=0.25)
            axes.plot(x, smooth(y), color=color, linewidth=1.6, label=key)
    if broken:
        axes.plot(broken, np.full(len(broken), 0.02), "x", color="#c1121f", markersize=5, clip_on=False, zorder=5,
                  transform=axes.get_xaxis_transform(), label="not finite")
    if name == "sign":
        axes.set_ylim(-1.05, 1.05)
    _dress(axes, panel_title(name, list(lines)))


def _dress(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#bbbbbb")
    axes.tick_params(labelsize=8.5, colors="#555555", length=3)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(fontsize=8.5, frameon=False, labelcolor="#333333", handlelength=1.2, loc="best")


def _color(key: str, used: Sequence[str]) -> str:
    """The colour of a role (real, fake, D, G), or the first of the others that the panel does not use yet."""
    role = next(color for part, color in COLORS.items()
                if (key.endswith(part) if part.startswith("_") else key.startswith(part)))
    return next((color for color in (role, *OTHER_COLORS) if color not in used), role)
