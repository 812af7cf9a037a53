"""What scenes are to be like. Imports no jax: wrong options are to be answered at once."""

from typing import NamedTuple

import numpy as np


class Settings(NamedTuple):
    """What scenes are like. size: (height, width). count: the fewest and the most objects of one. scale: the smallest
    and the largest object, its longer side as a share of the scene's shorter one. overlap: see `cutouts.compose`."""

    num: int
    size: tuple[int, int]
    count: tuple[int, int]
    scale: tuple[float, float]
    overlap: float
    cut: str
    feather: float
    backgrounds: str
    masks: bool
    seed: int

    def counts(self) -> np.ndarray:
        """Objects wanted in each scene, int [num]."""
        return np.random.default_rng([self.seed, 0]).integers(self.count[0], self.count[1] + 1, self.num)
