"""Fréchet distance between two Gaussians, in float64."""

import numpy as np


def frechet_distance(real: np.ndarray, fake: np.ndarray) -> float:
    """‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½) of two feature sets [N, D] and [M, D] (Heusel et al. 2017, eq. 6).

    With centred features X/√(n−1) = A and B, tr (Σ₁Σ₂)^½ is the nuclear norm of A Bᵀ, which is D×D or N×M, whichever
    is smaller. No matrix square root is taken, so n < D, singular covariances and identical sets are exact; identical
    sets give 0 up to rounding, never a negative number.
    """
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    factors = [(x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (real, fake)]
    trace = sum(float(np.sum(factor**2)) for factor in factors)
    dim = real.shape[1]
    # Rows can be rotated freely: R of QR has the covariance of the factor itself, in at most D rows.
    small = [np.linalg.qr(factor, mode="r") if len(factor) > dim else factor for factor in factors]
    nuclear = np.linalg.svd(small[0] @ small[1].T, compute_uv=False).sum()
    return max(float(np.sum((real.mean(0) - fake.mean(0)) ** 2)) + trace - 2 * float(nuclear), 0.0)
