"""The contract of a metric."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np


class Metric(NamedTuple):
    """num_samples: images to generate. compute: (real, fake), both as the data come (uint8 images, float32 points),
    -> named values, each name carrying its protocol. score: those values -> one number, lower is better."""

    num_samples: int
    compute: Callable[[np.ndarray, np.ndarray], dict[str, float]]
    score: Callable[[Mapping[str, float]], float]
