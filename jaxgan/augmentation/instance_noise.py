"""Instance noise (Sønderby et al. 2017; Arjovsky and Bottou 2017): noise on everything the discriminator sees."""

import jax

from jaxgan import keys, schedules
from jaxgan.augmentation import probability
from jaxgan.augmentation.base import Augmentation
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule
from jaxgan.typing import Array, PyTree


def instance_noise(std: float | Schedule = 0.1, kimg: float | None = None) -> Augmentation:
    """Adds normal noise of standard deviation `std`, where images span 2, to every channel.

    kimg: goes down to 0 in a straight line over that many thousand images; None keeps `std`, or follows its schedule.
    """
    if callable(std) and kimg is not None:
        raise InputError("instance_noise: give kimg with a number for std, or a schedule for std without kimg.")
    if not callable(std) and std < 0:
        raise InputError(f"instance_noise: std must not be negative; got {std}.")
    level = std if kimg is None else schedules.linear(std, 0.0, kimg)
    counter = probability.scheduled(level) if callable(level) else None

    def apply(state: PyTree, image: Array, key: Array) -> Array:
        now = counter.value(state) if counter else level
        return image + now * jax.random.normal(keys.stream(key, "instance_noise"), image.shape, image.dtype)

    return Augmentation(init=counter.init if counter else lambda: (), apply=apply,
                        control=counter.control if counter else lambda state, sign, num_images: state)
