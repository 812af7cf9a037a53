"""What of a metrics file is drawn, and what shares a panel: for the picture `curves.png` and the run page alike."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Series = tuple[np.ndarray, np.ndarray]  # x, y of the records that hold a key; y may be NaN

SMOOTH_FROM = 60  # points: from there on the raw line is faint and a moving average is drawn over it
TITLES = {"loss": "loss", "sign": "mean sign of D's logit", "logit": "mean of D's logit",
          "images_per_second": "images a second", "grad_norm": "gradient norm"}
FIRST, LAST = ("loss", "sign", "logit"), ("grad_norm", "images_per_second")
NOT_CURVES, SHARES = ("step", "kimg"), "time/"


def series(records: Sequence[Mapping[str, Any]]) -> tuple[str, dict[str, Series]]:
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


def panels(keys: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Groups keys by what they measure: the part after the player, but for `_real` and `_fake`."""
    found: dict[str, list[str]] = {}
    for key in sorted(keys, key=lambda key: (key.endswith("_fake"), key)):
        prefix, _, what = key.rpartition("/")
        name = key if prefix == "eval" else what.removesuffix("_real").removesuffix("_fake")
        found.setdefault(name, []).append(key)
    rank = {name: index - len(FIRST) for index, name in enumerate(FIRST)}
    rank |= {name: index + 2 for index, name in enumerate(LAST)}
    return sorted(found.items(), key=lambda panel: (rank.get(panel[0], int(panel[0].startswith("eval/"))), panel[0]))


def title(name: str, keys: Sequence[str]) -> str:
    """The heading of a panel: the key itself where it is alone and has no better name."""
    return keys[0] if len(keys) == 1 and name not in keys else TITLES.get(name, name)


def smooth(y: np.ndarray) -> np.ndarray:
    """Centred moving average over a thirtieth of the points; NaN stays NaN and weighs nothing."""
    window = np.ones(2 * max(1, len(y) // 60) + 1)
    finite = np.isfinite(y)
    total = np.convolve(np.where(finite, y, 0.0), window, mode="same")
    count = np.convolve(finite, window, mode="same")
    return np.where(finite, total / np.maximum(count, 1), np.nan)
