"""Was this image trained on? What an attacker finds out who has a number for every image."""

from typing import Any

import numpy as np

RATES = (0.001, 0.01, 0.1)  # false positives at which true ones are counted (Carlini et al. 2022)
POINTS = 200  # of the curve that is kept


def roc(members: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates of "the number is at least t", for every t there is, from (0, 0) to (1, 1)."""
    thresholds = np.unique(np.concatenate([members, others]))[::-1]
    rates = [1 - np.searchsorted(np.sort(side), thresholds, "left") / len(side) for side in (others, members)]
    return np.concatenate([[0.0], rates[0]]), np.concatenate([[0.0], rates[1]])


def attack(members: np.ndarray, others: np.ndarray) -> dict[str, Any]:
    """How well a number tells training images [N] from others [M], larger meaning trained on; ready for JSON.

    advantage: the largest true minus false positive rate (Yeom et al. 2018); 0 is a coin, 1 is certainty. The best
    threshold is chosen on these very images, so numbers that say nothing have a little too: chance is what they stay
    below in 95 of 100 cases. auc: 0.5 is a coin. tpr: true positives where false ones are at most so many; with fewer
    than one over that rate of others, where there are none.
    """
    false, true = roc(np.asarray(members, np.float64), np.asarray(others, np.float64))
    sizes = len(members), len(others)
    kept = np.unique(np.linspace(0, len(false) - 1, POINTS).round().astype(int))
    return {"auc": float(np.trapezoid(true, false)), "advantage": float((true - false).max()),
            "chance": float(1.224 * np.sqrt(sum(1 / size for size in sizes))),  # Smirnov's, one-sided
            "tpr": {f"{rate:g}": float(true[false <= rate].max()) for rate in RATES},
            "n_members": sizes[0], "n_others": sizes[1],
            "curve": {"fpr": false[kept].tolist(), "tpr": true[kept].tolist()}}
