"""Differentiable changes of what the discriminator sees."""

from collections.abc import Callable

from jaxgan.augmentation.base import Augmentation

AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {}
