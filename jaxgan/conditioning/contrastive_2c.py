"""The conditional contrastive (2C) loss of ContraGAN."""

import jax
import jax.numpy as jnp

from jaxgan.conditioning import base
from jaxgan.conditioning.base import Conditioning
from jaxgan.conditioning.heads import Embedding, similarities
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule, at
from jaxgan.typing import Array, View


def contrastive_2c(*, num_classes: int, weight: float | Schedule = 1.0, generator_weight: float | Schedule = 1.0,
                   temperature: float = 1.0, dim: int = 512, spectral: bool = False, info=None) -> Conditioning:
    """Images of one class and their proxy gather on a sphere of `dim` dimensions, images of other classes part.

    Kang & Park 2020: D minimises `contrastive_2c_loss` over a batch of real images, G over a batch of fakes. Every
    image is compared with the rest of its batch: the whole batch under parallel="jit", a device's share under "pmap".
    Only for one class an example. spectral: see `heads`.
    """
    base.check_labels("contrastive_2c", num_classes, ("class",), info)
    if not temperature > 0:
        raise InputError(f"config.conditioning: temperature must be above 0; got {temperature}.")

    def value(output, label: Array) -> Array:
        head = output.extra["contrastive_2c"]
        return jnp.mean(contrastive_2c_loss(head["image"], head["proxy"], label, temperature))

    def discriminator(view: View) -> tuple[Array, dict[str, Array]]:
        return at(weight, view.images) * value(view.real_output, view.label), {}

    def generator(view: View) -> tuple[Array, dict[str, Array]]:
        return at(generator_weight, view.images) * value(view.fake_output, view.label), {}

    return Conditioning(base.both(discriminator, generator), {"contrastive_2c": Embedding(num_classes, dim, spectral)},
                        hides_label=True)


def contrastive_2c_loss(image: Array, proxy: Array, label: Array, temperature: float) -> Array:
    """[B]: -log of the share, in exp(similarity / temperature), that the proxy and the images of i's own class have
    among the proxy and all other images.

    image, proxy: unit vectors [B, dim], proxy i that of image i's class. label: int [B].
    """
    label = base.class_label(label)
    to_proxy = jnp.sum(image * proxy, axis=1, keepdims=True) / temperature
    others = jnp.where(jnp.eye(len(label), dtype=bool), -jnp.inf, similarities(image) / temperature)
    same = jnp.where(label[:, None] == label, others, -jnp.inf)
    # The proxy's column keeps at least one finite entry in every row.
    together = [jax.nn.logsumexp(jnp.concatenate([to_proxy, columns], axis=1), axis=1) for columns in (others, same)]
    return together[0] - together[1]
