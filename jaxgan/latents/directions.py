"""Directions in which codes change images most, found without labels, for any generator."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from jaxgan import compilation
from jaxgan.errors import InputError
from jaxgan.images import sheet, to_uint8
from jaxgan.latents.sampling import Sampler
from jaxgan.metrics.pixels import shrink
from jaxgan.typing import Array, PyTree

NUM_CODES = 2048  # that spreads and principal components are measured on
PCA_SIDE = 32  # pixels: larger images are averaged down to it
STEPS = {"z": (-6, -4, -2, 0, 2, 4, 6), "w": (-3, -2, -1, 0, 1, 2, 3)}  # along a direction, in spreads


class Directions(NamedTuple):
    """vectors: [K, D], each as long as codes spread along it, one standard deviation. shares: [K], what each makes up
    of all the change that the method sees."""

    vectors: np.ndarray
    shares: np.ndarray


class Drawn(NamedTuple):
    """A generator with codes of its own: what directions are found from. codes: z [N, D], or w [N, rows, D]."""

    sampler: Sampler
    weights: PyTree
    codes: np.ndarray
    labels: np.ndarray | None

    @property
    def points(self) -> np.ndarray:
        """The codes as [N, D]: all rows of a w are the same."""
        return self.codes[:, 0] if self.sampler.has_w else self.codes


def find(method: str, sampler: Sampler, weights: PyTree, draw_labels: Callable[[Sequence[int]], np.ndarray] | None,
         num: int) -> Directions:
    """The first `num` directions by a method of METHODS. draw_labels: None for an unlabelled generator."""
    seeds = range(NUM_CODES)
    labels = draw_labels(seeds) if draw_labels else None
    drawn = Drawn(sampler, weights, sampler.codes(weights, seeds, labels), labels)
    if not 0 < num <= drawn.points.shape[1]:
        raise InputError(f"There are {drawn.points.shape[1]} directions: ask for 1 to as many, not {num}.")
    vectors, shares = METHODS[method](drawn, num)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors *= np.sign(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(axis=1)])[:, None]
    spread = np.std(drawn.points @ vectors.T, axis=0, dtype=np.float64)
    return Directions((vectors * spread[:, None]).astype(np.float32), shares)


def sefa(drawn: Drawn, num: int) -> tuple[np.ndarray, np.ndarray]:
    """SeFa (Shen & Zhou 2021): the eigenvectors of AᵀA, for A the weights of the layers that read the code.

    Those are all dense layers that the code reaches by linear maps alone, whole or in parts: the first one in most
    generators, those of BigGAN's blocks as well, and for w the styles of all layers. Their matrices are stacked.
    """
    label = None if drawn.labels is None else drawn.labels[:1]
    slopes = compilation.jit(lambda *inputs: _slopes(drawn.sampler, *inputs))
    one, other = (jax.tree.map(np.asarray, slopes(drawn.weights, point, label)) for point in drawn.points[:2])
    gram = np.zeros((drawn.points.shape[1],) * 2)
    for name, slope in one.items():
        size = np.abs(slope).max()
        if size and np.abs(slope - other[name]).max() < 1e-3 * size:  # the same everywhere, so the map is linear
            matrix = slope.reshape(-1, slope.shape[-1]).astype(np.float64)
            gram += matrix.T @ matrix
    if not gram.any():
        raise InputError("SeFa finds no dense layer that reads this generator's code: use pca.")
    values, vectors = np.linalg.eigh(gram)
    return vectors.T[::-1][:num].copy(), values[::-1][:num] / values.sum()


def pca(drawn: Drawn, num: int) -> tuple[np.ndarray, np.ndarray]:
    """GANSpace (Härkönen et al. 2020): the principal components of w; without a w, what moves those of the images.

    Then, as the paper does with activations of a layer, z is regressed on the principal coordinates; here
    on those of the images themselves, small and less the mean of their class, for any generator has images.
    """
    if drawn.sampler.has_w:
        return _components(drawn.points.astype(np.float64), num)[:2]
    images = to_uint8(drawn.sampler.synthesize(drawn.weights, drawn.codes, drawn.labels))
    pixels = np.asarray(shrink(images, PCA_SIDE), np.float64).reshape(len(images), -1)
    if drawn.labels is not None and drawn.labels.ndim == 1:
        for label in np.unique(drawn.labels):
            pixels[drawn.labels == label] -= pixels[drawn.labels == label].mean(axis=0)
    axes, shares = _components(pixels, num)
    coordinates = (pixels - pixels.mean(axis=0)) @ axes.T
    return np.linalg.lstsq(coordinates, drawn.points - drawn.points.mean(axis=0), rcond=None)[0], shares


METHODS: dict[str, Callable[[Drawn, int], tuple[np.ndarray, np.ndarray]]] = {"sefa": sefa, "pca": pca}


def strip(sampler: Sampler, weights: PyTree, seeds: Sequence[int], codes: np.ndarray, labels: np.ndarray | None,
          found: Directions, title: str) -> np.ndarray:
    """A picture: a row for each direction and seed, in which the seed's code is moved along the direction."""
    space = "w" if sampler.has_w else "z"
    steps = np.reshape(STEPS[space], (1, 1, -1, *[1] * (codes.ndim - 1)))
    vectors = found.vectors.reshape(len(found.vectors), 1, 1, *[1] * (codes.ndim - 2), -1)
    moved = (codes[None, :, None] + steps * vectors).astype(np.float32)
    along = None
    if labels is not None:
        along = np.concatenate([np.repeat(labels, steps.size, axis=0)] * len(found.vectors))
    images = to_uint8(sampler.synthesize(weights, moved.reshape(-1, *codes.shape[1:]), along))
    rows = [f"direction {index + 1} ({share:.1%}) · seed {seed}"
            for index, share in enumerate(found.shares) for seed in seeds]
    columns = [f"{step:+d} σ".replace("-", "−") if step else f"{space} itself" for step in STEPS[space]]
    return sheet(images.reshape(len(rows), steps.size, *images.shape[1:]), rows, columns, title)


def _slopes(sampler: Sampler, weights: PyTree, point: Array, label: Array | None) -> dict[str, Any]:
    """What each dense layer's output changes by with the code [D]: name -> [..., D]."""
    def readings(point: Array) -> dict[str, Array]:
        found: dict[str, Array] = {}

        def watch(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
            output = call(*args, **kwargs)
            module = context.module
            if context.method_name == "__call__" and module.has_variable("params", "kernel"):
                kernel = module.get_variable("params", "kernel")
                if kernel.ndim == 2:
                    found[f"{'/'.join(module.path)} {len(found)}"] = output
            return output
        with nn.intercept_methods(watch):
            sampler.image(weights, point[None], label)
        return found
    return jax.jacfwd(readings)(point)


def _components(points: np.ndarray, num: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `num` principal axes [num, D] of points [N, D], and the share of the variance along each."""
    centred = points - points.mean(axis=0)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    return axes[:num].copy(), values[:num] ** 2 / np.sum(values**2)
