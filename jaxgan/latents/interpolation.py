"""Paths through codes: each picture leads to the next, and where they are closed the last back to the first."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from jaxgan.latents.sampling import Sampler
from jaxgan.metrics.ppl import lerp, slerp
from jaxgan.typing import PyTree

KINDS = {"linear": "straight line", "spherical": "great arc"}


class Path(NamedTuple):
    """codes [N, ...], labels [N, ...] or None, and a caption for each of the N pictures."""

    codes: np.ndarray
    labels: np.ndarray | None
    captions: list[str]


def walk(sampler: Sampler, weights: PyTree, seeds: Sequence[int], codes: np.ndarray, labels: np.ndarray | None,
         num_classes: int, num_steps: int, kind: str | None = None, closed: bool = True) -> Path:
    """The way through the codes of seeds, `num_steps` pictures from one to the next.

    kind: of KINDS; None for great arcs between normal z, straight lines between other z and between w. closed: the
    last leads back to the first, else the way ends with it. Labels change by the way, where the generator takes
    mixtures of them; else each is kept until the next code.
    """
    kind = kind or ("spherical" if sampler.prior.spherical and not sampler.has_w else "linear")
    path = closed_loop(codes, num_steps, kind == "spherical")
    along = None
    if labels is not None:
        mixed = sampler.has_w or labels.ndim > 1 or takes_mixtures(sampler, weights, num_classes)
        along = label_loop(labels, num_steps, num_classes, mixed)
    words = [f"{caption} · {KINDS[kind]}" for caption in captions(seeds, labels, num_steps)]
    if closed:
        return Path(path, along, words)
    count = (len(seeds) - 1) * num_steps
    last = captions(seeds[-1:], None if labels is None else labels[-1:], 1)
    return Path(path[:count + 1], None if along is None else along[:count + 1], words[:count] + last)


def closed_loop(codes: np.ndarray, num_steps: int, spherical: bool) -> np.ndarray:
    """Codes [K, ...] -> [K num_steps, ...]: picture i num_steps is code i itself, and the last leads to the first.

    spherical: along great arcs, for z that lie near a sphere, else along straight lines. float32, computed in float64.
    """
    begin, end, t = _segments(codes, num_steps)
    path = (slerp if spherical else lerp)(begin.reshape(len(t), -1), end.reshape(len(t), -1), t)
    return path.reshape(begin.shape).astype(np.float32)


def label_loop(labels: np.ndarray, num_steps: int, num_classes: int, mixed: bool) -> np.ndarray:
    """The labels along `closed_loop`: int [K] or float [K, L] -> [K num_steps, ...].

    mixed: from one to the next, as float32 weights over the classes. Otherwise each is kept until the next code is
    reached, and so are classes where all are the same.
    """
    if not mixed or (labels == labels[0]).all():
        return np.repeat(labels, num_steps, axis=0)
    vectors = np.eye(num_classes, dtype=np.float32)[labels] if labels.ndim == 1 else labels
    return lerp(*_segments(vectors, num_steps)).astype(np.float32)


def captions(seeds: Sequence[int], labels: np.ndarray | None, num_steps: int) -> list[str]:
    """What each picture of a loop shows: `"seed 3 → 7 · class 1 → 9"`."""
    classes = None if labels is None or labels.ndim > 1 else labels.tolist()

    def segment(index: int) -> str:
        other = (index + 1) % len(seeds)
        label = "" if classes is None else f" · class {_arrow(classes[index], classes[other])}"
        return f"seed {_arrow(seeds[index], seeds[other])}{label}"
    return [segment(index) for index in range(len(seeds)) for _ in range(num_steps)]


def takes_mixtures(sampler: Sampler, weights: PyTree, num_classes: int) -> bool:
    """Whether the generator takes labels as weights over the classes, which lie on the way from one to another."""
    z = jax.ShapeDtypeStruct((3, sampler.prior.dim), "float32")
    label = jax.ShapeDtypeStruct((3, num_classes), "float32")
    try:
        return jax.eval_shape(sampler.image, weights, z, label).shape[0] == 3
    except Exception:  # a network from outside that knows whole classes alone may fail in any way
        return False


def _segments(points: np.ndarray, num_steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each picture's segment begins and ends, and how far along it is."""
    begin, end = (np.repeat(each, num_steps, axis=0) for each in (points, np.roll(points, -1, axis=0)))
    return begin, end, np.tile(np.arange(num_steps) / num_steps, len(points))


def _arrow(one: int, other: int) -> str:
    return str(one) if one == other else f"{one} → {other}"
