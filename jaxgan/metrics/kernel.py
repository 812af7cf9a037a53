"""Maximum mean discrepancy with polynomial and Gaussian kernels: KID and CMMD. In float64, a tile at a time."""

from collections.abc import Callable

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Sides
from jaxgan.metrics.checks import check_pair

# (x [N, D], y [M, D], both float64) -> [N, M]
Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


def kid(num_subsets: int = 100, subset_size: int = 1000, num_samples: int = 10_000) -> Metric:
    """Kernel distance with k(x, y) = (x·y / D + 1)³ (Bińkowski et al. 2018): mean and population standard deviation of
    the unbiased estimate over random subsets, which are smaller where there are fewer images."""
    return _over_subsets("kid", polynomial(), num_subsets, subset_size, num_samples)


def kid_rbf(sigma: float = 10.0, num_subsets: int = 100, subset_size: int = 1000, num_samples: int = 10_000) -> Metric:
    """`kid` with k(x, y) = exp(−‖x − y‖² / 2σ²)."""
    if sigma <= 0:
        raise InputError(f"kid_rbf: sigma must be above 0; got {sigma}.")
    return _over_subsets("kid_rbf", gaussian(sigma), num_subsets, subset_size, num_samples)


def kid_full(num_samples: int = 10_000) -> Metric:
    """What the mean of `kid` estimates: the unbiased value of all images at once. No draw of subsets moves it."""
    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        check_pair(sides.real.pool, sides.fake.pool)
        return {"kid_full": mmd2(polynomial(), sides.real.pool, sides.fake.pool)}
    return Metric(compute, lambda values: values["kid_full"], ("pool",), num_samples)


def cmmd(sigma: float = 10.0, num_samples: int = 10_000) -> Metric:
    """1000 times the squared MMD, diagonal included, of features scaled to length 1, with a Gaussian kernel
    (Jayasumana et al. 2024; theirs are CLIP's, which come at that length)."""
    if sigma <= 0:
        raise InputError(f"cmmd: sigma must be above 0; got {sigma}.")

    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        check_pair(sides.real.pool, sides.fake.pool)
        kernel = gaussian(sigma)
        return {"cmmd": 1000 * mmd2(lambda x, y: kernel(unit(x), unit(y)), sides.real.pool, sides.fake.pool,
                                    unbiased=False)}
    return Metric(compute, lambda values: values["cmmd"], ("pool",), num_samples)


def polynomial(degree: int = 3, offset: float = 1.0) -> Kernel:
    """(x·y / D + offset)^degree."""
    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        base = x @ y.T
        base /= x.shape[1]
        base += offset
        power = base.copy()
        for _ in range(degree - 1):
            power *= base
        return power
    return kernel


def gaussian(sigma: float) -> Kernel:
    """exp(−‖x − y‖² / 2σ²)."""
    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        exponent = x @ y.T
        exponent -= np.sum(x**2, 1)[:, None] / 2
        exponent -= np.sum(y**2, 1) / 2
        exponent /= sigma**2
        return np.exp(exponent, out=exponent)
    return kernel


def unit(features: np.ndarray) -> np.ndarray:
    """Features of length 1 each; a row of zeros stays."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(length > 0, length, 1)


def mmd2(kernel: Kernel, x: np.ndarray, y: np.ndarray, unbiased: bool = True, rows: int = 2048) -> float:
    """Squared maximum mean discrepancy (Gretton et al. 2012): of the unbiased form (eq. 3, which may be negative) or of
    the one with the diagonals (eq. 5). Memory is a few tiles of `rows` × `rows`, however many images."""
    within = 0.0
    for side in (x, y):
        total, diagonal = _sums_within(kernel, side, rows)
        num = len(side)
        within += (total - diagonal) / (num * (num - 1)) if unbiased else total / num**2
    across = sum(float(kernel(a, b).sum()) for a in _tiles(x, rows) for b in _tiles(y, rows))
    return within - 2 * across / (len(x) * len(y))


def _sums_within(kernel: Kernel, x: np.ndarray, rows: int) -> tuple[float, float]:
    """The sum of k(xᵢ, xⱼ) over all pairs, each tile off the diagonal standing for two; and over i = j."""
    total = diagonal = 0.0
    for index, a in enumerate(_tiles(x, rows)):
        square = kernel(a, a)
        total, diagonal = total + float(square.sum()), diagonal + float(np.trace(square))
        total += 2 * sum(float(kernel(a, b).sum()) for b in _tiles(x[(index + 1) * rows:], rows))
    return total, diagonal


def _tiles(x: np.ndarray, rows: int):
    return (np.asarray(x[start:start + rows], np.float64) for start in range(0, len(x), rows))


def _over_subsets(name: str, kernel: Kernel, num_subsets: int, subset_size: int, num_samples: int) -> Metric:
    if num_subsets < 1 or subset_size < 2:
        raise InputError(f"{name}: num_subsets must be at least 1 and subset_size at least 2.")

    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        real, fake = sides.real.pool, sides.fake.pool
        check_pair(real, fake)
        size = min(subset_size, len(real), len(fake))
        drawn = [mmd2(kernel, real[rng.choice(len(real), size, replace=False)],
                      fake[rng.choice(len(fake), size, replace=False)]) for _ in range(num_subsets)]
        return {name: float(np.mean(drawn)), f"{name}_std": float(np.std(drawn)),
                f"{name}_subsets": float(num_subsets), f"{name}_subset_size": float(size)}
    return Metric(compute, lambda values: values[name], ("pool",), num_samples)
