"""The table and the figure of the finished cells."""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- written by run.py: begin -->", "<!-- written by run.py: end -->"
LAYOUTS = {"ring": ("Ring of 8", 8), "grid": ("Grid of 25", 25)}  # name -> title, modes
Cells = Mapping[tuple[str, str], Mapping[str, Any]]  # (regularizer, loss) -> what run.py wrote


class Measure(NamedTuple):
    """One of the values of a cell: what it is called, and what a number of it is multiplied by and written with."""

    name: str
    title: str
    scale: float
    digits: int


MODES = Measure("modes", "modes found", 1, 1)
QUALITY = Measure("high_quality", "samples of high quality, %", 100, 0)
DIVERGENCE = Measure("reverse_kl", "reverse KL, nats", 1, 2)


def mean_and_sd(cell: Mapping[str, Any], layout: str, measure: Measure) -> tuple[float, float]:
    """Over the seeds; the standard deviation is that of a sample (n - 1)."""
    values = measure.scale * np.asarray(cell["layouts"][layout][measure.name])
    return float(values.mean()), float(values.std(ddof=1))


def summary(cell: Mapping[str, Any]) -> str:
    """A cell in a line: the means."""
    parts = []
    for layout in LAYOUTS:
        modes, quality = (mean_and_sd(cell, layout, measure)[0] for measure in (MODES, QUALITY))
        parts.append(f"{layout} {modes:.1f} modes, {quality:.0f} %")
    return "; ".join(parts)


def words(name: str) -> str:
    return name.replace("_", " ")


def table(cells: Cells, rows: Sequence[str], columns: Sequence[str], layout: str, measure: Measure) -> list[str]:
    """Lines of Markdown: mean ± sd of one value, a regularizer a row, a loss a column."""
    def entry(row: str, column: str) -> str:
        if (row, column) not in cells:
            return "–"
        mean, sd = mean_and_sd(cells[row, column], layout, measure)
        return f"{mean:.{measure.digits}f} ± {sd:.{measure.digits}f}"
    title, modes = LAYOUTS[layout]
    of = f" (of {modes})" if measure is MODES else ""
    return [f"**{title}: {measure.title}{of}**", "", f"| | {' | '.join(map(words, columns))} |",
            "|---" * (len(columns) + 1) + "|",
            *(f"| {words(row)} | {' | '.join(entry(row, column) for column in columns)} |" for row in rows), ""]


def draw(cells: Cells, rows: Sequence[str], columns: Sequence[str], path: Path) -> None:
    """A heat map a layout and measure: means as colour and number, standard deviations below them."""
    figure = Figure(figsize=(11, 0.72 * len(rows) + 2.6), dpi=150, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(LAYOUTS), 2, sharex=True, sharey=True)
    for line, (layout, (title, modes)) in zip(panels, LAYOUTS.items(), strict=True):
        for axes, measure, most in zip(line, (MODES, QUALITY), (modes, 100), strict=True):
            values = np.full((len(rows), len(columns), 2), np.nan)
            for (row, column), cell in cells.items():
                values[rows.index(row), columns.index(column)] = mean_and_sd(cell, layout, measure)
            draw_panel(axes, values, most, measure.digits)
            of = f" of {modes}" if measure is MODES else ""
            axes.set_title(f"{title}: {measure.title}{of}", fontsize=11, loc="left")
    for axes in panels[:, 0]:
        axes.set_yticks(range(len(rows)), map(words, rows), fontsize=9.5)
    for axes in panels[-1]:
        axes.set_xticks(range(len(columns)), [words(name).replace(" ", "\n", 1) for name in columns], fontsize=8)
    figure.savefig(path)


def draw_panel(axes, values: np.ndarray, most: float, digits: int) -> None:
    """values [rows, columns, 2]: mean and standard deviation, NaN where there is none; colours span 0 to `most`."""
    axes.imshow(values[:, :, 0], cmap="YlGnBu", vmin=0, vmax=most * 1.15, aspect="auto")
    for row, column in np.argwhere(np.isfinite(values[:, :, 0])):
        mean, sd = values[row, column]
        ink = "white" if mean > 0.6 * most else "black"
        axes.text(column, row - 0.13, f"{mean:.{digits}f}", ha="center", va="center", fontsize=10, color=ink)
        axes.text(column, row + 0.25, f"± {sd:.{digits}f}", ha="center", va="center", fontsize=7.5, color=ink)
    axes.set_xticks(np.arange(values.shape[1] - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(values.shape[0] - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def write(found: Sequence[Mapping[str, Any]], rows: Sequence[str], columns: Sequence[str], machine: str) -> None:
    """The figure, and the tables between the marks of README.md."""
    cells = {(cell["regularizer"], cell["loss"]): cell for cell in found}
    draw(cells, rows, columns, HERE / "results" / "modes.png")
    lines = [line for layout in LAYOUTS for measure in (MODES, QUALITY, DIVERGENCE)
             for line in table(cells, rows, columns, layout, measure)]
    runs = [finite for cell in found for layout in LAYOUTS for finite in cell["layouts"][layout]["finite"]]
    lines.append(f"{len(cells)} of {len(rows) * len(columns)} cells, {len(runs)} runs, of which {runs.count(False)} "
                 f"ended in numbers that are not finite; {sum(cell['seconds'] for cell in found) / 60:.0f} minutes of "
                 f"one core's time. {machine}.")
    text = "\n".join(lines)
    readme = HERE / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")
    print(text)


def cpu() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
