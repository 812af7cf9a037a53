"""Latent spaces that can be walked: what path lengths are measured on."""

import functools
from collections.abc import Callable

import numpy as np

from jaxgan.latents.sampling import Sampler
from jaxgan.metrics.base import Space
from jaxgan.typing import PyTree


def latent_spaces(sampler: Sampler, weights: PyTree, draw_labels: Callable[[np.ndarray], np.ndarray] | None,
                  features: Callable[[np.ndarray], np.ndarray]) -> dict[str, Space]:
    """"z", what the generator is fed, and "w", what its mapping makes of that, where it has one.

    The codes of seed i are those that image i is made of. draw_labels: labels for seeds; None for an unlabelled
    generator. features: what distances between images are taken on.
    """
    walked = {"z": through_z(sampler), "w": sampler} if sampler.has_w else {"z": sampler}

    def space(name: str, sampler: Sampler) -> Space:
        return Space(labels=draw_labels or (lambda seeds: None),
                     codes=lambda seeds, labels: sampler.codes(weights, seeds, labels),
                     synthesize=lambda codes, labels: sampler.synthesize(weights, codes, labels),
                     spherical=name == "z" and sampler.prior.spherical, features=features)
    return {name: space(name, sampler) for name, sampler in walked.items()}


class Whole:
    """A generator of which only the way from z to image is seen: its codes are z."""

    def __init__(self, generator):
        self.apply = generator.apply


@functools.lru_cache(maxsize=1)
def through_z(sampler: Sampler) -> Sampler:
    """A sampler of the same images whose codes are z. Kept: what it compiles serves every evaluation of a run."""
    return Sampler(Whole(sampler.generator), sampler.prior, sampler.mesh)
