"""Multimodal truncation: codes drawn towards the nearest of several centres, so that not all become one mean image."""

from collections.abc import Iterable

import numpy as np

from jaxgan.errors import InputError
from jaxgan.latents.sampling import Sampler
from jaxgan.metrics.kmeans import kmeans
from jaxgan.typing import PyTree

NUM_CODES = 4096  # of a class, that centres are found among


def find_centres(sampler: Sampler, weights: PyTree, num: int, labels: Iterable | None) -> dict[int | None, np.ndarray]:
    """The k-means centres of w (Mokady et al. 2022, section 3.3): `num` of each class asked for, [num, w_dim].

    labels: classes, each once; None for an unlabelled generator, whose centres are then under None. Always found among
    the same seeds, so they depend on the weights and `num` alone.
    """
    if not sampler.has_w:
        raise InputError("Centres of truncation are of w, and this run's generator has no w: leave them out.")
    if not 0 < num <= NUM_CODES:
        raise InputError(f"{num} centres of truncation: give a number from 1 to {NUM_CODES}, such as 64.")

    def centres(label: int | None) -> np.ndarray:
        given = None if label is None else np.full(NUM_CODES, label, np.int32)
        codes = sampler.codes(weights, range(NUM_CODES), given)[:, 0]
        return kmeans(codes, num, np.random.default_rng(0))[0].astype(np.float32)
    return {label: centres(label) for label in ([None] if labels is None else labels)}
