"""Networks whose features are compared.

BACKBONES: name -> factory; it may take `real`, a `Sample` of the real images.
"""

from collections.abc import Callable

from jaxgan.metrics.backbones import dinov2, inception
from jaxgan.metrics.backbones.base import Backbone
from jaxgan.metrics.backbones.classifier import classifier
from jaxgan.metrics.backbones.pixels import pixels
from jaxgan.metrics.backbones.random import random

BACKBONES: dict[str, Callable[..., Backbone]] = {
    "classifier": classifier,
    "dinov2-s": dinov2.dinov2_s,
    "dinov2-b": dinov2.dinov2_b,
    "dinov2-l": dinov2.dinov2_l,
    "dinov2-custom": dinov2.dinov2_custom,
    "inception": inception.inception,
    "inception-custom": inception.inception_custom,
    "pixels": pixels,
    "random": random,
}

# What `python -m jaxgan.prepare --weights` prepares.
WEIGHTS = {**inception.WEIGHTS, **dinov2.WEIGHTS}

__all__ = ["BACKBONES", "WEIGHTS", "Backbone"]
