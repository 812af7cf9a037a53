"""The last layer of a discriminator as a direction of its own (SAN)."""

import jax.numpy as jnp

from jaxgan.errors import InputError
from jaxgan.schedules import Schedule, at
from jaxgan.terms import Regularizer, stateless
from jaxgan.typing import Array, DiscriminatorOutput, View


def san(weight: float | Schedule = 1.0) -> Regularizer:
    """weight E (<w, sg h(fake)> - <w, sg h(real)>) for the unit direction w of the last layer (Takida et al. 2024).

    Slicing adversarial networks train the features h and the direction w apart: h by the adversarial loss, whichever
    it is, on the logit <sg w, h>; w by this Wasserstein term, which makes it the direction that separates best (sg:
    no gradient). A head built for it gives the first as `logit` and <w, sg h>, [B], as `extra["direction"]`; with any
    other head the term raises InputError. The generator's loss is unchanged.
    """

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        gap = _direction(view.fake_output).mean() - _direction(view.real_output).mean()
        return at(weight, view.images) * gap, {}

    return stateless(penalty, player="discriminator")


def _direction(output: DiscriminatorOutput) -> Array:
    if "direction" not in output.extra:
        raise InputError("san needs a discriminator whose head is made for it, config.discriminator.head='san' of the "
                         "models resnet, biggan and biggan_deep; this one gives no direction.")
    return output.extra["direction"].astype(jnp.float32)
