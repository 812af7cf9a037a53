"""Inception score: a classifier sure of each image, and undecided over all of them."""

import itertools

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Sides
from jaxgan.metrics.checks import check_finite


def inception_score(splits: int = 10, num_samples: int = 50_000) -> Metric:
    """exp of the mean KL divergence of p(y|x) from p(y) (Salimans et al. 2016): mean and population standard deviation
    over `splits` of the fakes, shuffled first, so that images in order of class do no harm. Real images are not read.
    """
    if splits < 1:
        raise InputError(f"is: splits must be at least 1; got {splits}.")

    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        logits = sides.fake.logits
        if len(logits) < splits:
            raise InputError(f"is: {splits} splits need as many images; there are {len(logits)} generated.")
        check_finite(logits, "generated")
        scores = split_scores(logits[rng.permutation(len(logits))], splits)
        return {"is": float(scores.mean()), "is_std": float(scores.std())}
    return Metric(compute, lambda values: -values["is"], ("logits",), num_samples)


def split_scores(logits: np.ndarray, splits: int) -> np.ndarray:
    """The score of each of `splits` runs of rows, float64 [splits]; split i ends before row (i + 1) N // splits."""
    edges = [index * len(logits) // splits for index in range(splits + 1)]
    return np.array([_score(np.asarray(logits[start:stop], np.float64)) for start, stop in itertools.pairwise(edges)])


def _score(logits: np.ndarray) -> float:
    shifted = logits - logits.max(1, keepdims=True)
    log_share = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    share = np.exp(log_share)
    overall = share.mean(0)
    overall = overall[overall > 0]  # 0 log 0 = 0
    return float(np.exp((share * log_share).sum(1).mean() - (overall * np.log(overall)).sum()))
