"""Projection: the code whose image comes nearest to a given one."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxgan import compilation
from jaxgan.errors import InputError
from jaxgan.images import sheet, to_uint8
from jaxgan.latents.perceptual import Features
from jaxgan.latents.sampling import CHUNK, Sampler
from jaxgan.metrics.fidelity import psnr
from jaxgan.typing import Array, PyTree

POOL = 512  # seeds among which projections begin
RATE = 0.1  # Adam's, falling to 0 by a cosine
TOO_LONG = 0.1  # weight of the penalty on z that are longer than the longest drawn one
SHOWN = 32  # images of a picture
SPACES = ("z", "w", "w+")


class Projections(NamedTuple):
    """codes: z [N, D], or w [N, rows, D]. labels: [N, ...] or None. images: uint8. psnr: [N], decibels."""

    codes: np.ndarray
    labels: np.ndarray | None
    images: np.ndarray
    psnr: np.ndarray


def project(sampler: Sampler, weights: PyTree, targets: np.ndarray, labels: np.ndarray | None,
            draw_labels: Callable[[Sequence[int]], np.ndarray] | None, *, space: str, num_steps: int, restarts: int,
            features: Features | None = None, feature_weight: float = 0.0) -> Projections:
    """The nearest code of each of the targets, float32 [N, H, W, C] in [-1, 1], by Adam.

    Each is looked for from the `restarts` codes of POOL seeds whose images are nearest, and the best end is kept.
    The error is that of the pixels, mean square, plus `feature_weight` times that of the features relative to the
    target's. z may not grow longer than the longest drawn one. space: of SPACES; in w all rows are the same.
    labels: those of the targets; None where they are not known, and the label of the code started from is kept.
    draw_labels: None for an unlabelled generator. What an image gets does not depend on the others.
    """
    if (space == "z") == sampler.has_w:
        raise InputError(f"--space={space}: the codes of this run's generator are "
                         f"{'w: choose w or w+' if sampler.has_w else 'z'}.")
    drawn_labels = draw_labels(range(POOL)) if draw_labels else None
    codes = sampler.codes(weights, range(POOL), drawn_labels)
    rows = _nearest(sampler.synthesize(weights, codes, drawn_labels), targets, drawn_labels, labels, restarts)
    starts, known = codes[rows], None if drawn_labels is None else drawn_labels[rows]
    if labels is not None:
        known = np.repeat(labels, restarts, axis=0)
    starts = starts[:, 0] if space == "w" else starts
    longest = None if sampler.has_w else float(np.mean(np.square(codes), axis=1).max())
    fit = compilation.jit(_fitting(sampler, num_steps, longest, features, feature_weight))
    weights = {"generator": weights, "features": features.weights if features else None}
    inputs = [starts, np.repeat(targets, restarts, axis=0), known]
    ends, errors = zip(*(fit(weights, *chunk) for chunk in _chunks(inputs)))
    ends, errors = (np.concatenate(list(map(np.asarray, each)))[:len(starts)] for each in (ends, errors))
    best = np.arange(len(targets)) * restarts + errors.reshape(-1, restarts).argmin(axis=1)
    found = ends[best]
    if space == "w":
        found = np.repeat(found[:, None], codes.shape[1], axis=1)
    known = None if known is None else known[best]
    images = to_uint8(sampler.synthesize(weights["generator"], found, known))
    return Projections(found, known, images, psnr(images, to_uint8(targets)))


def picture(found: Projections, targets: np.ndarray, title: str) -> np.ndarray:
    """Targets, float in [-1, 1], beside their projections and the differences, the first SHOWN of them."""
    real = to_uint8(targets[:SHOWN])
    images = found.images[:SHOWN]
    difference = np.abs(real.astype(int) - images).astype(np.uint8)
    if difference.shape[-1] == 4:
        difference[..., 3] = 255
    rows = [f"image {index}" + (f" · class {found.labels[index]}" if np.ndim(found.labels) == 1 else "")
            + f" · {found.psnr[index]:.1f} dB" for index in range(len(real))]
    return sheet(np.stack([real, images, difference], axis=1), rows, ["given", "projection", "difference"], title)


def _nearest(images: np.ndarray, targets: np.ndarray, image_labels: np.ndarray | None, labels: np.ndarray | None,
             count: int) -> np.ndarray:
    """The rows of the `count` images nearest to each target, one target after the other; of its class, if known."""
    if not 0 < count <= len(images):
        raise InputError(f"--restarts={count}: give a number from 1 to {len(images)}.")
    flat = images.reshape(len(images), -1)
    rows = []
    for index, target in enumerate(targets):
        distances = np.square(flat - target.reshape(1, -1)).mean(axis=1)
        if labels is not None and labels.ndim == 1:
            distances = distances + np.where(image_labels == labels[index], 0, 4)  # farther than any two images are
        rows.append(np.argsort(distances, kind="stable")[:count])
    return np.concatenate(rows)


def _fitting(sampler: Sampler, num_steps: int, longest: float | None, features: Features | None,
             feature_weight: float) -> Callable:
    """(weights, codes, targets, labels) -> the best codes met on the way, and their errors [B]."""
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, num_steps))

    def error(codes: Array, weights: PyTree, targets: Array, wanted: Array, labels: Array | None) -> tuple:
        images = sampler.image(weights["generator"], codes, labels)
        errors = _mean_square(images - targets)
        if features is not None:
            found = features.apply(weights["features"], images, labels)
            errors += feature_weight * _mean_square(found - wanted) / _mean_square(wanted)
        if longest is not None:
            errors += TOO_LONG * jax.nn.relu(_mean_square(codes) / longest - 1) ** 2
        return errors.sum(), errors

    def fit(weights: PyTree, codes: Array, targets: Array, labels: Array | None) -> tuple[Array, Array]:
        wanted = features.apply(weights["features"], targets, labels) if features else None

        def step(carry: tuple, _: None) -> tuple[tuple, None]:
            codes, moments, best, least = carry
            slopes, errors = jax.grad(error, has_aux=True)(codes, weights, targets, wanted, labels)
            better = errors < least
            best = jnp.where(better.reshape(-1, *[1] * (codes.ndim - 1)), codes, best)
            updates, moments = optimizer.update(slopes, moments)
            return (codes + updates, moments, best, jnp.where(better, errors, least)), None
        start = codes, optimizer.init(codes), codes, jnp.full(len(codes), jnp.inf)
        (_, _, best, least), _ = jax.lax.scan(step, start, None, length=num_steps)
        return best, least
    return fit


def _mean_square(values: Array) -> Array:
    return jnp.mean(jnp.square(values.reshape(len(values), -1)), axis=1)


def _chunks(arrays: Sequence[np.ndarray | None]):
    """The arrays in parts of CHUNK rows, the last one padded: every part goes through the same program."""
    for start in range(0, len(arrays[0]), CHUNK):
        parts = [None if array is None else array[start:start + CHUNK] for array in arrays]
        yield [None if part is None else np.concatenate([part, np.repeat(part[-1:], CHUNK - len(part), axis=0)])
               for part in parts]
