"""Differentiable changes of what the discriminator sees; config.augmentation.NAME = {name, ...}."""

from collections.abc import Callable

from jaxgan.augmentation.ada import ada
from jaxgan.augmentation.apa import apa
from jaxgan.augmentation.base import Augmentation
from jaxgan.augmentation.blur import blur
from jaxgan.augmentation.diffaugment import diffaugment
from jaxgan.augmentation.instance_noise import instance_noise

AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {
    "ada": ada,
    "apa": apa,
    "blur": blur,
    "diffaugment": diffaugment,
    "instance_noise": instance_noise,
}

__all__ = ["AUGMENTATIONS", "Augmentation"]
