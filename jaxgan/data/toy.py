"""Mixtures of Gaussians in the plane, whose modes can be counted.

The ring of 8 (radius 2, standard deviation 0.02) and the grid of 25 (spacing 2, standard deviation 0.05) that mode
collapse is usually shown on (Metz et al. 2017; Srivastava et al. 2017).
"""

import numpy as np

from jaxgan.data.source import ArraySource, Info, check_choice, check_split
from jaxgan.errors import InputError

STD = {"ring": 0.02, "grid": 0.05}


def toy(*, layout: str = "ring", num_examples: int = 100_000, std: float | None = None, seed: int = 0,
        labels: bool = False, split: str = "train") -> ArraySource:
    """Points drawn once from equally likely modes.

    std is given in the usual units (ring radius 2, grid spacing 2; None: 0.02 and 0.05); then everything is scaled so
    that the outermost modes lie at 0.8, and points beyond 1 are clipped. labels=True labels each point by its mode.
    """
    check_choice(layout, tuple(STD), "layout")
    check_split(split, ("train",), "toy")
    std = STD[layout] if std is None else std
    if not 0 < std < np.inf or num_examples < 1 or seed < 0:
        raise InputError(f"config.data: toy needs std above 0, num_examples from 1 and seed from 0; "
                         f"got std={std}, num_examples={num_examples}, seed={seed}.")
    centres = _ring() if layout == "ring" else _grid()
    extent = np.abs(centres).max()
    scale = max(1.25 * extent, extent + 5 * std)
    rng = np.random.default_rng(seed)
    modes = rng.integers(len(centres), size=num_examples)
    points = (centres[modes] + std * rng.standard_normal((num_examples, 2))) / scale
    points = np.clip(points, -1, 1).astype(np.float32)[:, None, None, :]
    info = Info(name=f"toy-{layout}", shape=(1, 1, 2), splits={"train": num_examples}, licence="made by jaxgan",
                kind="point", num_classes=len(centres) if labels else 0, label_kind="class" if labels else "none",
                class_names=tuple(map(str, range(len(centres)))) if labels else (),
                centres=tuple(map(tuple, (centres / scale).tolist())), std=float(std / scale))
    return ArraySource(points, modes.astype(np.int32) if labels else None, info)


def _ring() -> np.ndarray:
    angles = 2 * np.pi * np.arange(8) / 8
    return 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _grid() -> np.ndarray:
    side = 2 * np.arange(-2, 3)
    return np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(25, 2).astype(np.float64)
