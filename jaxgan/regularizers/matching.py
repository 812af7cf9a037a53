"""What the generator's images should share with the data, and what they should not share with each other."""

import jax.numpy as jnp

from jaxgan.errors import InputError
from jaxgan.schedules import Schedule, at
from jaxgan.terms import Regularizer, stateless
from jaxgan.typing import Array, DiscriminatorOutput, View


def feature_matching(weight: float | Schedule = 1.0) -> Regularizer:
    """weight mean |E h(G(z)) - E h(x)|, h the discriminator's features (Salimans et al. 2016, section 3.1).

    E over the batch, the mean over features. The paper squares the difference; its widespread reimplementation takes
    the absolute value and is followed. Under `parallel="pmap"` E is over each device's part.
    """

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        real = view.real_output or view.discriminator(view.real, view.label)
        gaps = jnp.abs(_mean_features(view.fake_output) - _mean_features(real))
        return at(weight, view.images) * gaps.mean(), {}

    return stateless(penalty, player="generator")


def mode_seeking(weight: float | Schedule = 1.0, epsilon: float = 1e-5) -> Regularizer:
    """weight / (mean |G(z1) - G(z2)| / mean |z1 - z2| + epsilon) (MSGAN, Mao et al. 2019).

    Two latents under one label should give two images. z2 is the latent of the next example of the batch, so that it
    has the prior's own distribution whatever that is. The paper maximises the mean ratio; its code minimises the
    inverse of the ratio of means, as here. Needs two examples a device.
    """

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        if view.z.shape[0] < 2:
            raise InputError("mode_seeking compares the examples of a batch: raise config.batch_size, "
                             "to two a device at least.")
        other = jnp.roll(view.z, 1, axis=0)
        images = jnp.mean(jnp.abs(view.fake - view.generator(other, view.label)))
        ratio = images / jnp.mean(jnp.abs(view.z - other))
        return at(weight, view.images) / (ratio + epsilon), {"ratio": ratio}

    return stateless(penalty, player="generator")


def _mean_features(output: DiscriminatorOutput) -> Array:
    if output.features is None:
        raise InputError("feature_matching: this discriminator gives no features. Return them, or drop the term.")
    return output.features.astype(jnp.float32).mean(axis=0)
