"""The features of any backbone as functions of the image that have a gradient."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.backbones import Backbone
from jaxgan.typing import Array, PyTree

DARK, BRIGHT = 32, 224  # levels of a probe: what overshoots between them is not clipped
TOLERANCE = 2.0  # levels that the matrices may be off by, on average: preparations round


class Features(NamedTuple):
    """apply(weights, image float32 [B, H, W, C] in [-1, 1], label) -> [B, F]."""

    weights: PyTree
    apply: Callable[[PyTree, Array, Array | None], Array]


class Preparation(NamedTuple):
    """prepared = scale · rows (image − DARK) columnsᵀ + base: what a preparation does, as matrices.

    rows: [h, H]. columns: [w, W]. scale, base: [c].
    """

    rows: np.ndarray
    columns: np.ndarray
    scale: np.ndarray
    base: np.ndarray

    def __call__(self, levels: Array) -> Array:
        """levels: [B, H, W, C], from 0 to 255; a single channel goes to all of c."""
        resized = jnp.einsum("ih,bhwc,jw->bijc", self.rows, levels - DARK, self.columns)
        return self.scale * resized + self.base


def of_backbone(backbone: Backbone, shape: tuple[int, int, int]) -> Features:
    """`pool` of images [H, W, C]. Raises InputError where the preparation is not linear along each side."""
    preparation = read_off(backbone, shape)

    def apply(weights: PyTree, image: Array, label: Array | None) -> Array:
        return backbone.apply(weights, preparation(127.5 * image + 127.5))["pool"]
    return Features(backbone.weights, apply)


def read_off(backbone: Backbone, shape: tuple[int, int, int]) -> Preparation:
    """What `prepare`, which is NumPy and has no gradient, does to images [H, W, C]: read off what it makes of images
    with one bright row or column, and held to what it makes of another."""
    def prepared(image: np.ndarray) -> np.ndarray:
        return np.asarray(backbone.prepare(image[None])[0], np.float64)
    dark = np.full(shape, DARK, np.uint8)
    refused = InputError(f"The backbone {backbone.name} prepares such images in a way that has no gradient: choose "
                         "another --backbone.")
    base = prepared(dark).mean(axis=(0, 1))
    contrast = prepared(np.full(shape, BRIGHT, np.uint8)).mean(axis=(0, 1)) - base
    if not contrast.all():
        raise refused

    def responses(axis: int) -> np.ndarray:
        lines = []
        for place in range(shape[axis]):
            probe = dark.copy()
            probe[(slice(None),) * axis + (place,)] = BRIGHT
            lines.append(np.mean((prepared(probe) - base) / contrast, axis=(1 - axis, 2)))
        return np.stack(lines, axis=1).astype(np.float32)
    scale = contrast / (BRIGHT - DARK)
    found = Preparation(responses(0), responses(1), scale.astype(np.float32), base.astype(np.float32))
    image = np.random.default_rng(0).integers(64, 192, shape).astype(np.uint8)
    wanted, given = prepared(image), np.asarray(found(image[None].astype(np.float32))[0])
    if wanted.shape != given.shape or np.abs((wanted - given) / scale).mean() > TOLERANCE:
        raise refused
    return found
