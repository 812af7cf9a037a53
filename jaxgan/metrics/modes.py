"""Modes found on data whose modes are known: the ring and the grid of Gaussians."""

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Sides


def modes(info, num_samples: int = 2500) -> Metric:
    """Modes found, share of high-quality samples, and reverse KL (Srivastava et al. 2017, VEEGAN, section 4.1).

    A sample is of high quality within three standard deviations of its nearest centre; a mode is found if at least one
    such sample falls to it. The reverse KL divergence, in nats, is of the samples' distribution over nearest centres
    from the uniform one.
    """
    if not info.centres:
        raise InputError("config.metrics: modes needs data whose modes are known, such as config.data.name=toy.")
    centres, std = np.asarray(info.centres, np.float64), info.std

    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        images = np.asarray(sides.fake.images, np.float64)
        points = images.reshape(len(images), -1)
        distance = np.linalg.norm(points[:, None] - centres[None], axis=-1)
        nearest, good = distance.argmin(1), distance.min(1) <= 3 * std
        share = np.bincount(nearest, minlength=len(centres)) / len(points)
        occupied = share[share > 0]
        return {"modes": float(len(np.unique(nearest[good]))), "high_quality": float(good.mean()),
                "reverse_kl": float(np.sum(occupied * np.log(occupied * len(centres))))}
    return Metric(compute, lambda values: values["reverse_kl"] - values["high_quality"] - values["modes"], ("images",),
                  num_samples)
