"""What becomes of images that are translated there and back, or into what they are (CycleGAN, Zhu et al. 2017)."""

import jax.numpy as jnp

from jaxgan.errors import InputError
from jaxgan.schedules import Schedule, at
from jaxgan.terms import Regularizer, stateless
from jaxgan.typing import Array, View


def cycle(weight: float | Schedule = 10.0) -> Regularizer:
    """weight times the mean over pixels of |G(z, G(z, x)) - x|: translated and back again, an image is what it was.

    As the identity, only for generators of two halves, each of which is made from the other.
    """

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        check("cycle", view)
        return at(weight, view.images) * jnp.mean(jnp.abs(view.generator(view.z, view.fake) - view.real)), {}

    return stateless(penalty, player="generator")


def identity(weight: float | Schedule = 5.0) -> Regularizer:
    """weight times the mean over pixels of |G(z, x') - x|, x' being x with its halves exchanged: an image that is of
    the wanted kind already stays as it is (Zhu et al. 2017, section 5.2, after Taigman et al. 2017)."""

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        check("identity", view)
        exchanged = jnp.concatenate(jnp.split(view.real, 2, axis=1)[::-1], axis=1)
        return at(weight, view.images) * jnp.mean(jnp.abs(view.generator(view.z, exchanged) - view.real)), {}

    return stateless(penalty, player="generator")


def check(name: str, view: View) -> None:
    """Raises InputError where images are not given in the places of others, in halves that can be exchanged."""
    if view.label is None or view.label.shape != view.real.shape or view.real.shape[1] % 2:
        raise InputError(f"config.regularizers: {name} is of images of two kinds that are translated into each other: "
                         "take data of config.data.name=unpaired and networks such as cyclegan.")
