"""How likely held-out images are under a mixture of Gaussians centred on the fakes: quality, diversity, novelty."""

from typing import NamedTuple

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Sides
from jaxgan.metrics.checks import check_pair, held_out

ROWS = 256  # of the matrix of distances, worked on at a time


def fld(num_samples: int = 10_000, num_images: int = 2000) -> Metric:
    """Feature Likelihood Divergence (Jiralerspong et al. 2023), lower is better, 0 is as good as training images.

    fld: 100 (NLL of the held-out images − the same under a mixture on half of the training images) / D. Widths are
    fitted to the training images, so Gaussians on copies become spikes and the held-out images unlikely. fld_gap: 100
    (NLL of training − NLL of held-out images) / D; far below 0 is memorization. Neither has a bound: beyond ±1,000 the
    authors call it complete. At most `num_images` of each kind are drawn, twice that of training images (the paper's
    10,000 take minutes on a CPU); values of different numbers do not compare.
    """
    _check(num_images)

    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        train, test, fake = _drawn(sides, "fld", num_images, rng)
        centre, spread = test.mean(0), _spread(test)
        train, test, fake = ((features - centre) / spread for features in (train, test, fake))
        size = min(len(train) // 2, len(fake))
        base = Mixture(train[:size], divergence_widths(train[size:], train[:size])).nll(test)
        mixture = Mixture(fake, divergence_widths(train, fake))
        found, seen = mixture.nll(test), mixture.nll(train)
        scale = 100 / train.shape[1]
        return {"fld": scale * (found - base), "fld_gap": scale * (seen - found)}
    return Metric(compute, lambda values: values["fld"], ("pool",), num_samples)


def fls(num_samples: int = 10_000, num_images: int = 2000) -> Metric:
    """Feature Likelihood Score, the first form of FLD and the one that dgm-eval reports: up to 100, or a bit more.

    fls: 100 exp(−2 (NLL − NLL under a mixture on other training images) / D). fls_overfit: percent, less 50, of the
    fakes that are nearer, in likelihood, to training images than to held-out ones; far above 0 is memorization. The
    training images are split in two: those that widths are fitted to, and those of the other mixture. At most
    `num_images` of each kind are drawn, twice that of training images.
    """
    _check(num_images)

    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        train, test, fake = _drawn(sides, "fls", num_images, rng)
        half = len(train) // 2
        return likelihood_score(train[:half], train[half:], test, fake)
    return Metric(compute, lambda values: -values["fls"], ("pool",), num_samples)


def likelihood_score(train: np.ndarray, baseline: np.ndarray, test: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    """`fls` and `fls_overfit` of features [N, D]."""
    everything = np.concatenate([train, baseline, test, fake]).astype(np.float64)
    centre, spread = everything.mean(0), _spread(everything)
    train, baseline, test, fake = ((features - centre) / spread for features in (train, baseline, test, fake))
    mixture = Mixture(fake, score_widths(train, fake))
    difference = mixture.nll(test) - Mixture(baseline, score_widths(train, baseline)).nll(test)
    size = min(len(train), len(test))
    nearer = mixture.by_centre(train[:size]) > mixture.by_centre(test[:size])
    return {"fls": float(100 * np.exp(-2 * difference / train.shape[1])),
            "fls_overfit": float(100 * np.mean(nearer) - 50)}


class Mixture(NamedTuple):
    """Equally likely isotropic Gaussians. centres [M, D]; log_widths [M], the logarithms of their variances.

    The constant (D/2) log 2π is left out, as it cancels in every score.
    """

    centres: np.ndarray
    log_widths: np.ndarray

    def nll(self, points: np.ndarray) -> float:
        """Mean negative log likelihood of points [N, D]."""
        likelihoods = [_log_sum(self._exponents(block), axis=1) for block in _blocks(points, self.centres)]
        return float(np.log(len(self.centres)) - np.mean(np.concatenate(likelihoods)))

    def by_centre(self, points: np.ndarray) -> np.ndarray:
        """log Σ over points of each Gaussian's density there, [M]."""
        parts = [_log_sum(self._exponents(block), axis=0) for block in _blocks(points, self.centres)]
        return _log_sum(np.stack(parts), axis=0)

    def _exponents(self, squares: np.ndarray) -> np.ndarray:
        return -0.5 * squares * np.exp(-self.log_widths) - self.centres.shape[1] / 2 * self.log_widths


def score_widths(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Log variances that make points likely: 100 steps of Adam from 0, at rates of 0.5 and then 0.05."""
    rates = np.repeat([0.5, 0.05], 50)
    return _fit(_squares(points, centres), np.zeros(len(centres)), rates, -100.0, 1.0, points.shape[1])


def divergence_widths(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The same by FLD's rules: 50 steps from the distance to the nearest point, beside a broad Gaussian on the mean of
    the points, whose width is fitted too and which keeps outliers from pulling; it is dropped afterwards."""
    squares = _squares(points, centres)
    start = np.log((squares.min(0) + 1e-3) / points.shape[1])
    broad = 0.81 * np.sum((points - points.mean(0)) ** 2, axis=1)
    return _fit(squares, start, np.full(50, 0.5), -40.0, 1 / points.shape[1], points.shape[1], broad)


def _fit(squares: np.ndarray, start: np.ndarray, rates: np.ndarray, low: float, scale: float, dim: int,
         broad: np.ndarray | None = None) -> np.ndarray:
    """Log variances [M] after Adam on scale × mean NLL, given squared distances [N, M], within [low, 20].

    broad: squared distances [N] to one more Gaussian, of weight 1 where each other has 1/M.
    """
    count = squares.shape[1]
    shift = np.full(count, -np.log(count))
    if broad is not None:
        squares, shift = np.concatenate([squares, broad[:, None]], axis=1), np.append(shift, 0.0)
        start = np.append(start, 0.0)
    values, mean, square = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step, rate in enumerate(rates, 1):
        inverse, gradient = np.exp(-values), np.zeros_like(values)
        for row in range(0, len(squares), ROWS):
            scaled = 0.5 * squares[row:row + ROWS] * inverse
            exponents = shift - scaled - dim / 2 * values
            share = np.exp(exponents - _log_sum(exponents, axis=1)[:, None])
            gradient += np.sum(share * (dim / 2 - scaled), axis=0)
        gradient *= scale / len(squares)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        values = values - rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        values[:count] = np.clip(values[:count], low, 20.0)
    return values[:count]


def _drawn(sides: Sides, name: str, num_images: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Features of training, held-out and fake images in random order: `num_images` each, twice that of training."""
    most = ((sides.real, 2 * num_images), (held_out(sides, name), num_images), (sides.fake, num_images))
    drawn = [np.asarray(side.pool[rng.permutation(side.num)[:count]], np.float64) for side, count in most]
    check_pair(drawn[0], drawn[1])
    check_pair(drawn[0], drawn[2])
    return drawn


def _check(num_images: int) -> None:
    if num_images < 2:
        raise InputError(f"config.metrics: num_images must be at least 2; got {num_images}.")


def _spread(features: np.ndarray) -> np.ndarray:
    """Standard deviations [D]; 1 for entries that never change."""
    spread = features.std(0, ddof=1)
    return np.where(spread > 0, spread, 1.0)


def _squares(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.concatenate(list(_blocks(points, centres)))


def _blocks(points: np.ndarray, centres: np.ndarray):
    """Squared distances of `ROWS` points at a time to all centres; copies of each other at 0 up to rounding."""
    lengths = np.sum(centres**2, axis=1)
    for row in range(0, len(points), ROWS):
        block = points[row:row + ROWS]
        yield np.maximum(np.sum(block**2, axis=1)[:, None] + lengths - 2 * block @ centres.T, 0.0)


def _log_sum(exponents: np.ndarray, axis: int) -> np.ndarray:
    largest = exponents.max(axis=axis, keepdims=True)
    return np.log(np.sum(np.exp(exponents - largest), axis=axis)) + largest.squeeze(axis)
