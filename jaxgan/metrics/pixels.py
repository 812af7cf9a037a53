"""Fréchet distance on the pixels themselves: no network, no weights, seconds on a CPU."""

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Sides
from jaxgan.metrics.frechet import frechet_distance


def fd_pixels(num_samples: int = 1000, size: int = 8) -> Metric:
    """Distance of images averaged down to about `size` × `size` and scaled to [0, 1].

    It sees brightness, layout and their spread, not texture: a guard against collapse and a way to tell checkpoints
    of one run apart, not a measure to compare papers by. At most 10,000 real images are read.
    """
    if num_samples < 2 or size < 1:
        raise InputError("config.metrics.fd_pixels needs num_samples of at least 2 and size of at least 1.")
    name = f"fd{num_samples}_pixels{size}"

    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        return {name: frechet_distance(shrink(sides.real.images[:10_000], size), shrink(sides.fake.images, size))}
    return Metric(compute, lambda values: values[name], ("images",), num_samples)


def shrink(images: np.ndarray, size: int) -> np.ndarray:
    """Box-averages images [N, H, W, C] to features [N, D] in [0, 1]; uint8, or float32 in [-1, 1]."""
    scaled = images.astype(np.float64) / 255 if images.dtype == np.uint8 else (images.astype(np.float64) + 1) / 2
    for axis in (1, 2):
        edges = np.unique(np.linspace(0, scaled.shape[axis], size + 1).round().astype(int))
        counts = np.diff(edges).reshape([-1 if a == axis else 1 for a in range(4)])
        scaled = np.add.reduceat(scaled, edges[:-1], axis=axis) / counts
    return scaled.reshape(len(scaled), -1)
