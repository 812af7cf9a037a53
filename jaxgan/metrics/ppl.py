"""Perceptual path length: how fast the image moves as its latent does."""

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Sides, Space

ENDS = {"full": 1.0, "end": 0.0}  # where on the path a step is taken: anywhere, or at its beginning
BATCH = 64


def ppl(num_samples: int = 10_000, epsilon: float = 1e-4) -> Metric:
    """Mean over random paths of ‖f(G(t)) − f(G(t + ε))‖² / ε² (Karras et al. 2019, section 4.1).

    Paths are great arcs in a Gaussian z and straight lines in w, where the generator has one; t is uniform on [0, 1]
    (full) or 0 (end). Noise inside the generator is the same all along. Values under the 1st or over the 99th
    percentile are left out. f are features of the images as they leave the generator, not quantised. The paper's are
    LPIPS on VGG16, of another scale: values compare with one another only.
    """
    if num_samples < 2 or not 0 < epsilon < 1:
        raise InputError("config.metrics.ppl needs num_samples of at least 2 and epsilon between 0 and 1.")

    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        if not sides.spaces:
            raise InputError("ppl walks through latent space: it needs a run with its generator, not images alone.")
        return {f"ppl_{name}_{end}": trimmed_mean(distances(space, far * rng.random(num_samples), epsilon, rng))
                for name, space in sides.spaces.items() for end, far in ENDS.items()}

    def score(values: dict[str, float]) -> float:
        return values["ppl_w_end"] if "ppl_w_end" in values else values["ppl_z_end"]
    return Metric(compute, score, (), num_samples)


def distances(space: Space, t: np.ndarray, epsilon: float, rng: np.random.Generator) -> np.ndarray:
    """‖f(G(t)) − f(G(t + ε))‖² / ε², one path for each t; both its ends are of one label."""
    seeds = rng.integers(2**32, size=(2, len(t)), dtype=np.uint32)
    interpolate, found = slerp if space.spherical else lerp, []
    for start in range(0, len(t), BATCH):
        part = slice(start, start + BATCH)
        labels = space.labels(seeds[0, part])
        begin, end = (space.codes(ends[part], labels) for ends in seeds)
        here, there = (np.asarray(space.features(space.synthesize(interpolate(begin, end, where), labels)), np.float64)
                       for where in (t[part], t[part] + epsilon))
        found.append(np.sum((here - there).reshape(len(here), -1) ** 2, axis=1) / epsilon**2)
    return np.concatenate(found)


def lerp(begin: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    """begin + t (end − begin) of arrays [N, ...] with a t each, in float64."""
    begin, end = np.asarray(begin, np.float64), np.asarray(end, np.float64)
    return begin + (end - begin) * np.reshape(t, (-1, *[1] * (begin.ndim - 1)))


def slerp(begin: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Along the great arc (Shoemake 1985) between rows of any length, whose lengths it interpolates by the way.

    Rows that are parallel, opposite or zero leave no arc: a straight line there.
    """
    straight = lerp(begin, end, t)
    begin, end, t = np.asarray(begin, np.float64), np.asarray(end, np.float64), np.reshape(t, (-1, 1))
    lengths = [np.linalg.norm(rows, axis=1, keepdims=True) for rows in (begin, end)]
    safe = [np.maximum(length, 1e-7) for length in lengths]
    cosine = np.sum(begin / safe[0] * (end / safe[1]), axis=1, keepdims=True)
    line = (np.minimum(*lengths) < 1e-7) | (np.abs(cosine) > 1 - 1e-7)
    omega = np.arccos(np.where(line, 0, cosine))
    arc = (np.sin((1 - t) * omega) * begin + np.sin(t * omega) * end) / np.sin(omega)
    return np.where(line, straight, arc)


def trimmed_mean(values: np.ndarray) -> float:
    """Mean of what lies between two of the values themselves: those at the 1st and the 99th percentile, included."""
    low, high = np.percentile(values, 1, method="lower"), np.percentile(values, 99, method="higher")
    return float(np.mean(values[(values >= low) & (values <= high)], dtype=np.float64))
