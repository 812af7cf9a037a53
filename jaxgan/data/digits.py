"""The handwritten digits that come with scikit-learn: 1,797 grey images of 8x8, ten classes, no download."""

import dataclasses
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxgan.data.source import ArraySource, Info, Source, check_split, mirrored
from jaxgan.data.transforms import Transform, fit_array


def digits(*, split: str = "train", labels: bool = True, resolution: int | Sequence[int] | None = 28,
           channels: int | None = 1, resize: str = "bicubic", crop: str = "center", mirror: bool = False) -> Source:
    """All 1,797 images, resized from 8x8. A resolution of 8 gives the originals; None means 28.

    labels=False leaves the classes out.
    """
    check_split(split, ("train",), "digits")
    transform = Transform(28 if resolution is None else resolution, 1 if channels is None else channels, resize, crop)
    table = _table()
    originals = np.round(table[:, :64] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    info = Info(name="digits", shape=transform.shape, splits={"train": len(originals)}, licence="CC BY 4.0")
    if not labels:
        return mirrored(ArraySource(fit_array(originals, transform), None, info), mirror)
    info = dataclasses.replace(info, num_classes=10, class_names=tuple("0123456789"), label_kind="class")
    return mirrored(ArraySource(fit_array(originals, transform), table[:, 64].astype(np.int32), info), mirror)


def _table() -> np.ndarray:
    """The rows that sklearn.datasets.load_digits reads: 64 values from 0 to 16, and the digit."""
    # Read directly, because importing scikit-learn takes longer than everything else here together.
    package = importlib.util.find_spec("sklearn").submodule_search_locations[0]
    return np.loadtxt(Path(package, "datasets", "data", "digits.csv.gz"), delimiter=",")
