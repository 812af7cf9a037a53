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

Series = tuple[np.ndarray, np.ndarray]  # x, y of the records that hold a key; y may be NaN

COLUMNS = 3
PANEL = (4.2, 2.9)  # inches
FOOT = 0.35  # inches
MOST_PANELS = 15
MARKERS_UP_TO = 30  # points: below, each is marked
SMOOTH_FROM = 60  # points: from there on the raw line is faint and a moving average is drawn over it
COLORS = {"_real": "#1b8a6b", "_fake": "#d1495b", "d/": "#2563c9", "g/": "#e08a1e", "": "#5b5f97"}
OTHER_COLORS = ("#5b5f97", "#8d6a9f", "#4f7c82", "#a26769", "#6b8f47")
TITLES = {"loss": "loss", "sign": "mean sign of D's logit", "logit": "mean of D's logit",
          "images_per_second": "images a second", "grad_norm": "gradient norm"}
FIRST, LAST = ("loss", "sign", "logit"), ("grad_norm", "images_per_second")
NOT_CURVES, SHARES = ("step", "kimg"), "time/"


def draw_curves(records: Sequence[Mapping[str, Any]], path: str | os.PathLike, title: str = "") -> Path:
    """Draws every metric of `records` (as `read_metrics` returns them) into a PNG.

    Metrics that measure one thing share a panel: `d/loss` and `g/loss`, `d/sign_real` and `d/sign_fake`. Each `eval/`
    metric has its own. The x axis is the record's `kimg`, or `step` where a record has no `kimg`. Red crosses at the
    foot of a panel mark values that were not finite. At most 15 panels; a line at the end names what was left out.
    """
    axis, series = _series(records)
    panels = _panels(series)
    shown, left_out = panels[:MOST_PANELS], panels[MOST_PANELS:]
    columns = max(1, min(COLUMNS, len(shown)))
    rows = max(1, math.ceil(len(shown) / columns))
    width, height = columns * PANEL[0], rows * PANEL[1] + FOOT
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    end = max((x[-1] for x, _ in series.values()), default=0) or 1
    for index, (name, keys) in enumerate(shown):
        # In fixed places: a layout engine would draw everything three times.
        left, top = index % columns * PANEL[0], height - index // columns * PANEL[1]
        axes = figure.add_axes(((left + 0.65) / width, (top - PANEL[1] + 0.3) / height,
                                (PANEL[0] - 0.8) / width, (PANEL[1] - 0.65) / height))
        _draw_panel(axes, name, {key: series[key] for key in keys})
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


def _series(records: Sequence[Mapping[str, Any]]) -> tuple[str, dict[str, Series]]:
    """The name of the x axis, and every numeric metric as x and y over the records that hold it."""
    in_kimg = all("kimg" in record for record in records)
    points: dict[str, tuple[list, list]] = {}
    for record in records:
        for key, value in record.items():
            if key in NOT_CURVES or key.startswith(SHARES):
                continue
            if not (value is None or isinstance(value, (int, float, np.number))):
                continue
            x, y = points.setdefault(key, ([], []))
            x.append(record["kimg" if in_kimg else "step"])
            y.append(math.nan if value is None else float(value))
    axis = "thousand images" if in_kimg else "step"
    return axis, {key: (np.asarray(x, float), np.asarray(y)) for key, (x, y) in points.items()}


def _panels(keys: Mapping[str, Series]) -> list[tuple[str, list[str]]]:
    """Groups keys by what they measure: the part after the player, but for `_real` and `_fake`."""
    panels: dict[str, list[str]] = {}
    for key in sorted(keys, key=lambda key: (key.endswith("_fake"), key)):
        prefix, _, what = key.rpartition("/")
        name = key if prefix == "eval" else what.removesuffix("_real").removesuffix("_fake")
        panels.setdefault(name, []).append(key)
    rank = {name: index - len(FIRST) for index, name in enumerate(FIRST)}
    rank |= {name: index + 2 for index, name in enumerate(LAST)}
    return sorted(panels.items(), key=lambda panel: (rank.get(panel[0], int(panel[0].startswith("eval/"))), panel[0]))


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
            axes.plot(x, _smooth(y), color=color, linewidth=1.6, label=key)
    if broken:
        axes.plot(broken, np.full(len(broken), 0.02), "x", color="#c1121f", markersize=5, clip_on=False, zorder=5,
                  transform=axes.get_xaxis_transform(), label="not finite")
    if name == "sign":
        axes.set_ylim(-1.05, 1.05)
    _dress(axes, next(iter(lines)) if len(lines) == 1 and name not in lines else TITLES.get(name, name))


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


def _smooth(y: np.ndarray) -> np.ndarray:
    """Centred moving average over a thirtieth of the points; NaN stays NaN and weighs nothing."""
    window = np.ones(2 * max(1, len(y) // 60) + 1)
    finite = np.isfinite(y)
    total = np.convolve(np.where(finite, y, 0.0), window, mode="same")
    count = np.convolve(finite, window, mode="same")
    return np.where(finite, total / np.maximum(count, 1), np.nan)
