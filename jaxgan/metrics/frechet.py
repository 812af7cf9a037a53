"""Fréchet distance between the Gaussians that fit two sets of features, in float64 and without a matrix square root."""

from typing import NamedTuple

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Moments, Sample, Sides, moments
from jaxgan.metrics.checks import check_finite, check_lengths, check_sizes


class Gaussian(NamedTuple):
    """mean [D]; factor [R, D], of which factorᵀ factor is the covariance, R at most min(n, D)."""

    mean: np.ndarray
    factor: np.ndarray


def fd(num_samples: int = 10_000) -> Metric:
    """Fréchet distance of `pool`: the FID where that is the original Inception's (Heusel et al. 2017)."""
    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        check_sizes(sides.real.num, sides.fake.num, 2)
        return {"fd": distance(fit(sides.real, "real"), fit(sides.fake, "generated"))}
    return Metric(compute, lambda values: values["fd"], ("pool",), num_samples)


def sfd(num_samples: int = 10_000) -> Metric:
    """Fréchet distance of `spatial`, features that keep their place: sFID on Inception's (Nash et al. 2021)."""
    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        return {"sfd": frechet_distance(sides.real.spatial, sides.fake.spatial)}
    return Metric(compute, lambda values: values["sfd"], ("spatial",), num_samples)


def fd_infinity(num_points: int = 15, num_samples: int = 10_000) -> Metric:
    """The Fréchet distance that endless fakes would have (Chong & Forsyth 2020): FD falls as 1/n, so a line through
    `num_points` random subsets of growing size is followed to 1/n = 0. It can be negative."""
    if num_points < 2:
        raise InputError(f"fd_infinity: num_points must be at least 2; got {num_points}.")

    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        check_sizes(sides.real.num, sides.fake.num, 20)
        real, pool = fit(sides.real, "real"), sides.fake.pool
        check_finite(pool, "generated")
        sizes = subset_sizes(len(pool), num_points)
        drawn = (np.sort(rng.choice(len(pool), size, replace=False)) for size in sizes)
        return {"fd_infinity": extrapolate(sizes, [distance(real, fit_features(pool[rows])) for rows in drawn])}
    return Metric(compute, lambda values: values["fd_infinity"], ("pool",), num_samples)


def subset_sizes(num: int, num_points: int) -> np.ndarray:
    """From a tenth of `num`, though at most 5,000, to all of it."""
    return np.linspace(min(5000, max(num // 10, 2)), num, num_points).astype(int)


def extrapolate(sizes: np.ndarray, distances: list[float]) -> float:
    """The intercept of the least-squares line of distances over 1/size."""
    return float(np.polyfit(1 / np.asarray(sizes), distances, 1)[1])


def frechet_distance(real: np.ndarray, fake: np.ndarray) -> float:
    """The distance of two feature sets [N, D] and [M, D]."""
    check_sizes(len(real), len(fake), 2)
    for features, side in ((real, "real"), (fake, "generated")):
        check_finite(features, side)
    return distance(fit_features(real), fit_features(fake))


def fit(sample: Sample, side: str) -> Gaussian:
    """The Gaussian of a sample's `pool`, from its moments alone where there are more images than features."""
    with np.errstate(invalid="ignore"):  # features that are not finite are named below
        found = sample.moments
    if not np.isfinite(found.mean).all():
        check_finite(sample.pool, side)
    return fit_moments(found) if found.num > len(found.mean) else _of_rows(sample.pool)


def fit_features(features: np.ndarray) -> Gaussian:
    return fit_moments(moments(features)) if len(features) > features.shape[1] else _of_rows(features)


def distance(one: Gaussian, two: Gaussian) -> float:
    """‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½) (Heusel et al. 2017, eq. 6), never negative.

    With Σ = FᵀF, tr (Σ₁Σ₂)^½ is the nuclear norm of F₁F₂ᵀ. Nothing is inverted and no covariance has to be regular:
    sets smaller than their dimension, constant and repeated features, and identical sets are exact up to rounding.
    """
    check_lengths(len(one.mean), len(two.mean))
    traces = float(np.sum(one.factor**2) + np.sum(two.factor**2))
    cross = nuclear_norm(one.factor @ two.factor.T)
    return max(float(np.sum((one.mean - two.mean) ** 2)) + traces - 2 * cross, 0.0)


def nuclear_norm(matrix: np.ndarray) -> float:
    """The sum of the singular values.

    As roots of the eigenvalues of the Gram matrix, which takes a third of the time, unless rounding, of one ε of the
    largest eigenvalue in each, could reach the seventh digit of the sum: small values are what it hides.
    """
    if not matrix.size:
        return 0.0
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0))
    noise = np.finfo(np.float64).eps * values[-1] ** 2
    if noise > 0 and np.sum(noise / (values + np.sqrt(noise))) > 1e-7 * values.sum():
        values = np.linalg.svd(matrix, compute_uv=False)
    return float(values.sum())


def _of_rows(features: np.ndarray) -> Gaussian:
    features = np.asarray(features, np.float64)
    mean = features.mean(0)
    return Gaussian(mean, (features - mean) / np.sqrt(len(features) - 1))


def fit_moments(found: Moments) -> Gaussian:
    """By Cholesky; where the covariance is singular, by the slower one with pivots, which stops at the rank: what is
    left below it is rounding."""
    try:
        return Gaussian(found.mean, np.linalg.cholesky(found.covariance).T)
    except np.linalg.LinAlgError:
        pass
    from scipy.linalg import lapack  # not above: slow to import, and seldom wanted
    upper, pivots, rank, _ = lapack.dpstrf(found.covariance)
    factor = np.empty((rank, len(found.mean)))
    factor[:, pivots - 1] = np.triu(upper[:rank])
    return Gaussian(found.mean, factor)
