"""How far the generator's image is from the one it should have made."""

import jax.numpy as jnp

from jaxgan import catalogue
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule, at
from jaxgan.terms import Regularizer, stateless
from jaxgan.typing import Array, View

DISTANCES = {
    "l1": lambda gap, epsilon: jnp.abs(gap),
    "l2": lambda gap, epsilon: gap**2,
    "charbonnier": lambda gap, epsilon: jnp.sqrt(gap**2 + epsilon**2),
}


def pixel(weight: float | Schedule = 1.0, distance: str = "l1", epsilon: float = 1e-3) -> Regularizer:
    """weight times the mean over pixels of |G(z, x') - x|, x' being what was made of x.

    distance: "l1", after pix2pix (Isola et al. 2017); "l2"; or "charbonnier", sqrt(gap^2 + epsilon^2), an L1 that is
    smooth at 0 (Lai et al. 2017). Only where labels are images, each of which belongs to one real image.
    """
    if distance not in DISTANCES:
        raise InputError(f"config.regularizers: pixel.distance: there is no {distance!r}. "
                         f"{catalogue.suggest(distance, DISTANCES)}")

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        if view.label is None or view.label.ndim != 4:
            raise InputError("config.regularizers: pixel compares each fake with the real image it should be, which "
                             "there is only where images are made from images: set config.degradation.")
        gap = view.fake - view.real
        metrics = {"psnr": 20 * jnp.log10(2.0) - 10 * jnp.log10(jnp.maximum(jnp.mean(gap**2), 1e-10))}
        return at(weight, view.images) * jnp.mean(DISTANCES[distance](gap, epsilon)), metrics

    return stateless(penalty, player="generator")
