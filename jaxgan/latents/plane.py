"""Images over a plane through codes: what a page lets a person walk about in without the generator."""

from collections.abc import Callable, Sequence

import numpy as np

from jaxgan.errors import InputError
from jaxgan.images import to_uint8
from jaxgan.latents.directions import find
from jaxgan.latents.sampling import Sampler, Truncation
from jaxgan.typing import Array, PyTree

COUNT = 11  # places along each direction
REACH = {"z": 4.0, "w": 2.5}  # of the outermost, in standard deviations of codes along the direction
PSIS = (1.0, 0.7, 0.4)  # truncations to choose from, the first of them none


def axes(sampler: Sampler, weights: PyTree, draw_labels: Callable[[Sequence[int]], np.ndarray] | None) -> np.ndarray:
    """The two directions in which images change most, [2, D], each one standard deviation long: PCA."""
    try:
        return find("pca", sampler, weights, draw_labels, 2).vectors
    except InputError as error:
        raise InputError("The plane needs two latent directions, and this run's latent has one.") from error


def psis(sampler: Sampler) -> tuple[float, ...]:
    """The truncations this generator knows."""
    return PSIS if sampler.has_w or sampler.prior.truncated is not None else PSIS[:1]


def cells(sampler: Sampler, weights: PyTree, vectors: np.ndarray, seed: int, label: Array | None,
          psi: float) -> np.ndarray:
    """Images uint8 [COUNT, COUNT, H, W, C] around the code of a seed, the first direction to the right, the second up.

    psi: draws the code, and the steps from it with it, together. label: of the seed, [1] or [1, L].
    """
    truncation = None if psi == 1 else Truncation(psi)
    code = sampler.codes(weights, [seed], label, truncation)
    steps = np.linspace(-1, 1, COUNT) * REACH["w" if sampler.has_w else "z"] * psi
    across, up = np.meshgrid(steps, steps[::-1])
    moves = across[..., None] * vectors[0] + up[..., None] * vectors[1]
    moves = moves.reshape(COUNT**2, *[1] * (code.ndim - 2), -1)
    labels = None if label is None else np.repeat(label, COUNT**2, axis=0)
    made = to_uint8(sampler.synthesize(weights, (code + moves).astype(np.float32), labels))
    return made.reshape(COUNT, COUNT, *made.shape[1:])
