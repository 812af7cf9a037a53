"""Scores of generated images. A metric takes images, never a model.

METRICS: name -> factory; the factory may take `info`, what the data are.
"""

from collections.abc import Callable

from jaxgan.metrics.base import Metric
from jaxgan.metrics.modes import modes
from jaxgan.metrics.pixels import fd_pixels

METRICS: dict[str, Callable[..., Metric]] = {"fd_pixels": fd_pixels, "modes": modes}

__all__ = ["METRICS", "Metric"]
