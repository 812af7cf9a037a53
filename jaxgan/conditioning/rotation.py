"""The rotation task of SSGAN."""

import jax
import jax.numpy as jnp

from jaxgan import keys
from jaxgan.conditioning import base
from jaxgan.conditioning.base import Conditioning
from jaxgan.conditioning.heads import Classifier
from jaxgan.conditioning.likelihoods import cross_entropy
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule, at
from jaxgan.typing import Array, View


def rotation(*, weight: float | Schedule = 1.0, generator_weight: float | Schedule = 0.2, spectral: bool = False,
             info=None) -> Conditioning:
    """The discriminator also tells by how many quarter turns an image was rotated: labels that cost nothing.

    Chen et al. 2019 (SSGAN): D minimises -E log Q(r | real rotated by r), G -E log Q(r | fake rotated by r), with the
    paper's weights. Only unrotated images are told real from fake. Every image is rotated once, by a turn that walks
    through the four over the batch from a random start: one more pass of B images. The authors rotate a part of the
    batch all four ways instead, with the same expectation.
    Only for square images. Those that look alike when turned (0, 1, 8 among digits) put a floor under the loss.
    spectral: see `heads`.
    """
    if info is not None:
        _check_square(info.shape)

    def value(view: View, image: Array) -> tuple[Array, Array]:
        start = jax.random.randint(keys.stream(view.key, "rotation"), (), 0, 4)
        turns = (start + jnp.arange(image.shape[0])) % 4
        logit = view.discriminator(rotate(image, turns), view.label).extra["rotation"]
        return jnp.mean(cross_entropy(logit, turns)), jnp.mean(logit.argmax(axis=1) == turns)

    def discriminator(view: View) -> tuple[Array, dict[str, Array]]:
        loss, accuracy = value(view, view.real)
        return at(weight, view.images) * loss, {"accuracy": accuracy}

    def generator(view: View) -> tuple[Array, dict[str, Array]]:
        loss, accuracy = value(view, view.fake)
        return at(generator_weight, view.images) * loss, {"accuracy": accuracy}

    return Conditioning(base.both(discriminator, generator), {"rotation": Classifier(4, spectral)})


def rotate(image: Array, turns: Array) -> Array:
    """Image i rotated counter-clockwise by turns[i] quarter turns; image [B, S, S, C], turns int [B] in 0..3."""
    _check_square(image.shape[1:])
    turned = [jnp.rot90(image, k, axes=(1, 2)) for k in range(4)]
    return jnp.select([turns[:, None, None, None] == k for k in range(4)], turned)


def _check_square(shape: tuple[int, ...]) -> None:
    if shape[0] != shape[1]:
        raise InputError(f"config.conditioning: rotation needs square images, not {shape[0]}x{shape[1]}.")
