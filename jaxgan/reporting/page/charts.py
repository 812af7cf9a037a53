"""Curves as a page's script draws them: what is in a chart, thinned to what a screen can show."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxgan.reporting.panels import SMOOTH_FROM, Series, panels, series, smooth, title

MOST_POINTS = 500  # of a line: more cannot be told apart on a screen
DIGITS = 5  # significant ones
ROLES = {"_real": "real", "_fake": "fake", "d/": "d", "g/": "g", "": "other0"}
OTHERS = tuple(f"other{index}" for index in range(5))
RUN_TONES = 8
BORDER_AT_ZERO = ("non_saturating", "logistic", "minimax", "hinge")  # losses whose logit is above 0 for what D takes
# for real; the others compare logits, or aim them at other numbers

HEALTH = {"health/accuracy_real", "health/accuracy_fake"}


class Balance(NamedTuple):
    """What the logits say of the two players: in words, and drawn."""

    words: str
    charts: list[dict[str, Any]]


def charts(records: Sequence[Mapping[str, Any]], without: Sequence[str] = ()) -> list[dict[str, Any]]:
    """A chart for each thing that was measured, as in `curves.png`. without: panels that are drawn elsewhere."""
    axis, found = series(records)
    drawn = []
    for name, keys in panels(found):
        if name in without:
            continue
        tones: list[str] = []
        for key in keys:
            tones.append(_tone(key, tones))
        drawn.append(chart(title(name, keys), axis, [line(key, tone, found[key]) for key, tone in zip(keys, tones)]))
    return drawn


def overlaid(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """A chart for each metric, with a line for each run that has it."""
    found = {name: series(records) for name, records in runs.items()}
    axes = {axis for axis, lines in found.values() if lines}
    keys = dict.fromkeys(key for _, lines in found.values() for key in lines)
    drawn = []
    for _, group in panels(keys):
        for key in group:
            lines = [line(name, f"run{index % RUN_TONES}", lines[key])
                     for index, (name, (_, lines)) in enumerate(found.items()) if key in lines]
            drawn.append(chart(title("", [key]), "thousand images" if len(axes) > 1 else next(iter(axes)), lines))
    return drawn


def balance(records: Sequence[Mapping[str, Any]], loss: str) -> Balance | None:
    """How often D is right, where 0 is the border of its logits; else how far they are apart."""
    axis, found = series(records)
    if loss in BORDER_AT_ZERO and {"d/sign_real", "d/sign_fake"} <= found.keys():
        real, fake = ((x, (1 + way * y) / 2) for way, (x, y) in ((1, found["d/sign_real"]), (-1, found["d/sign_fake"])))
        right = float(np.mean([_end(real), _end(fake)]))
        lines = [line("of real images", "real", real), line("of fakes", "fake", fake)]
        return Balance(f"At the end D is right about {_end(real):.0%} of real images and {_end(fake):.0%} of fakes; "
                       f"half each would be guessing. {_verdict(right)}",
                       [chart("share that D is right about", axis, lines, (0.0, 1.0)), *_gap(axis, found)])
    gap = _gap(axis, found)
    if found.keys() >= HEALTH:
        names = {"real images": "real", "fakes": "fake", "held-out images": "other0"}
        keys = {"real images": "health/accuracy_real", "fakes": "health/accuracy_fake",
                "held-out images": "health/accuracy_held_out"}
        lines = [line(f"of {name}", names[name], found[key]) for name, key in keys.items() if key in found]
        right = float(np.mean([_end(found[key]) for key in HEALTH]))
        return Balance("This loss has no border between real and fake at a logit of 0. With one midway between the "
                       f"medians, D is right about {right:.0%} at the end. {_verdict(right)}",
                       [chart("share that D is right about", axis, lines, (0.0, 1.0)), *gap])
    return Balance("This loss has no border between real and fake at a logit of 0, so only the distance between the "
                   "logits of real images and of fakes is drawn: where it grows without end, D is winning.",
                   gap) if gap else None


def _gap(axis: str, found: Mapping[str, Series]) -> list[dict[str, Any]]:
    if not {"d/logit_real", "d/logit_fake"} <= found.keys():
        return []
    x, real = found["d/logit_real"]
    other, fake = found["d/logit_fake"]
    if len(x) != len(other):
        return []
    return [chart("D's logit of real images less that of fakes", axis, [line("distance", "d", (x, real - fake))])]


def _end(points: Series) -> float:
    """The mean over the last tenth; NaN where nothing there is finite."""
    last = points[1][-max(1, len(points[1]) // 10):]
    last = last[np.isfinite(last)]
    return float(last.mean()) if len(last) else math.nan


def _verdict(right: float) -> str:
    if math.isnan(right):
        return "The last values are not finite: the run has diverged."
    if right > 0.95:
        return "That is nearly always: fakes are told apart without effort, and G may learn little from it."
    if right < 0.55:
        return "That is little better than guessing: G is good, or D too weak to say so."
    return "Neither has won."


def chart(heading: str, axis: str, lines: Sequence[dict[str, Any]],
          limits: tuple[float, float] | None = None) -> dict[str, Any]:
    """limits: of the y axis; None for those of the lines."""
    return {"title": heading, "axis": axis, "lines": list(lines), "limits": limits}


def line(name: str, tone: str, points: Series) -> dict[str, Any]:
    """One line: raw values `y`, null where they were not finite, and where there are many a moving average `s`."""
    x, y = points
    rows = _telling(y)
    found = {"name": name, "tone": tone, "x": _numbers(x[rows]), "y": _numbers(y[rows])}
    return found | ({"s": _numbers(smooth(y)[rows])} if len(y) >= SMOOTH_FROM else {})


def _telling(y: np.ndarray) -> np.ndarray:
    """Rows of at most `MOST_POINTS` values: the lowest and the highest of each of as many stretches as that allows, and
    both ends. Values that are not finite count as the highest, so that none is lost."""
    if len(y) <= MOST_POINTS:
        return np.arange(len(y))
    edges = np.linspace(0, len(y), (MOST_POINTS - 2) // 2 + 1).astype(int)
    seen = np.where(np.isfinite(y), y, np.inf)
    rows = [start + pick(seen[start:stop]) for start, stop in itertools.pairwise(edges)
            for pick in (np.argmin, np.argmax)]
    return np.unique([0, len(y) - 1, *rows])


def _numbers(values: np.ndarray) -> list[float | None]:
    return [float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None for value in values.tolist()]


def _tone(key: str, used: Sequence[str]) -> str:
    """The tone of a role (real, fake, D, G), or the first of the others that the chart does not use yet."""
    role = next(tone for part, tone in ROLES.items()
                if (key.endswith(part) if part.startswith("_") else key.startswith(part)))
    return next((tone for tone in (role, *OTHERS) if tone not in used), role)
