"""Adaptive pseudo augmentation (Jiang et al. 2021): some fakes are presented to the discriminator as real."""

import jax
import jax.numpy as jnp

from jaxgan import keys
from jaxgan.augmentation import probability
from jaxgan.augmentation.base import Augmentation
from jaxgan.schedules import Schedule
from jaxgan.typing import Array, PyTree


def apa(p: float | str | Schedule = "adaptive", target: float = 0.6, adjust_kimg: float = 500.0, interval: int = 4,
        initial_p: float = 0.0) -> Augmentation:
    """Each real image is replaced by a fake with probability p, in the discriminator's update only.

    p: "adaptive" (the other arguments are `probability.adaptive`'s), a number or a schedule. The sign that moves p is
    that of the mixed batch, as in the authors' code, so p settles where the discriminator calls it real often enough.
    """
    chance = probability.build(p, initial=initial_p, target=target, adjust_kimg=adjust_kimg, interval=interval)

    def mix(state: PyTree, real: Array, fake: Array, key: Array) -> Array:
        deceive = jax.random.uniform(keys.stream(key, "apa"), (real.shape[0],)) < chance.value(state)
        return jnp.where(deceive[:, None, None, None], jax.lax.stop_gradient(fake).astype(real.dtype), real)

    return Augmentation(init=chance.init, apply=lambda state, image, key: image, control=chance.control, mix=mix)
