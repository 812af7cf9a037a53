"""Fréchet distance within each class."""

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Sides
from jaxgan.metrics.checks import check_finite
from jaxgan.metrics.frechet import distance, fit_features


def intra_fd(num_samples: int = 10_000) -> Metric:
    """Fréchet distance of `pool` between the real and generated images of each class, and their mean over classes
    (Miyato & Koyama 2018): the mean as "intra_fd", class 3 as "intra_fd_class3"."""
    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        real, fake = sides.real.pool, sides.fake.pool
        check_finite(real, "real")
        check_finite(fake, "generated")
        found = {f"intra_fd_class{label}": distance(fit_features(real[one]), fit_features(fake[two]))
                 for label, one, two in rows_by_class(sides.real.labels, sides.fake.labels)}
        return {"intra_fd": float(np.mean(list(found.values())))} | found
    return Metric(compute, lambda values: values["intra_fd"], ("pool", "labels"), num_samples)


def rows_by_class(real: np.ndarray | None, fake: np.ndarray | None) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """(class, rows of the real side, rows of the fake side) of every class that either side has."""
    for labels, side in ((real, "real"), (fake, "generated")):
        if labels is None or not np.issubdtype(labels.dtype, np.integer):
            raise InputError(f"intra_fd needs images of one class each; the {side} ones have "
                             f"{'no labels' if labels is None else 'several labels at once'}.")
    rows = [(int(label), np.flatnonzero(real == label), np.flatnonzero(fake == label))
            for label in np.union1d(real, fake)]
    short = [f"{label} ({len(one)} real, {len(two)} generated)" for label, one, two in rows
             if min(len(one), len(two)) < 2]
    if short:
        more = f" and {len(short) - 5} more" if len(short) > 5 else ""
        raise InputError(f"intra_fd needs two images of each class on both sides; too few of: {', '.join(short[:5])}"
                         f"{more}.")
    return rows
