"""Consistency regularization: the discriminator should not care about a flip, a shift, or a small step of the latent.

Squared differences are means over the batch (and, between images, over their values), as in the reference code. The
discriminator's own augmentation, if the run has one, stays in place on both sides of a comparison.
"""

import jax
import jax.numpy as jnp

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule, at
from jaxgan.terms import Regularizer, stateless
from jaxgan.typing import Array, View


def cr(weight: float | Schedule = 10.0, flip: bool = True, shift: float = 0.125) -> Regularizer:
    """weight E (D(x) - D(T(x)))^2 over real images (CR-GAN, Zhang et al. 2020).

    T: a horizontal flip with probability one half, unless `flip` is off (as it should be for digits and text), and a
    shift of up to the fraction `shift` of each side, the border reflected. No gradient is stopped, as in the paper.
    """
    transform = _transform("cr", flip, shift)

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        moved = view.discriminator(transform(keys.stream(view.key, "cr"), view.real), view.label)
        return at(weight, view.images) * _distance(view.real_output.logit, moved.logit), {}

    return stateless(penalty, player="discriminator")


def bcr(real_weight: float | Schedule = 10.0, fake_weight: float | Schedule = 10.0, flip: bool = True,
        shift: float = 0.125) -> Regularizer:
    """Balanced consistency (Zhao et al. 2021, algorithm 1): `cr` on real images, and the same on fake ones."""
    transform = _transform("bcr", flip, shift)

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        real = _distance(view.real_output.logit, view.discriminator(
            transform(keys.stream(view.key, "bcr/real"), view.real), view.label).logit)
        fake = _distance(view.fake_output.logit, view.discriminator(
            transform(keys.stream(view.key, "bcr/fake"), view.fake), view.label).logit)
        value = at(real_weight, view.images) * real + at(fake_weight, view.images) * fake
        return value, {"real": real, "fake": fake}

    return stateless(penalty, player="discriminator")


def zcr(weight: float | Schedule = 5.0, generator_weight: float | Schedule = 0.5,
        sigma: float = 0.05) -> tuple[Regularizer, Regularizer]:
    """Latent consistency, e ~ N(0, sigma^2) (Zhao et al. 2021, algorithm 2): two terms, one for each player.

    The discriminator's weight E (D(G(z)) - D(G(z + e)))^2, and the generator's
    -generator_weight E ||G(z) - G(z + e)||^2 / (H W C), which keeps it from answering the first by ignoring z. That is
    negative and unbounded below but for the range of images: a large weight tears the pictures apart.
    """

    def discriminator(view: View) -> tuple[Array, dict[str, Array]]:
        near = view.discriminator(jax.lax.stop_gradient(view.generator(_near(view, sigma), view.label)), view.label)
        return at(weight, view.images) * _distance(view.fake_output.logit, near.logit), {}

    def generator(view: View) -> tuple[Array, dict[str, Array]]:
        moved = view.generator(_near(view, sigma), view.label)
        return -at(generator_weight, view.images) * _distance(view.fake, moved), {}

    return stateless(discriminator, "discriminator"), stateless(generator, "generator")


def icr(real_weight: float | Schedule = 10.0, fake_weight: float | Schedule = 10.0,
        latent_weight: float | Schedule = 5.0, generator_weight: float | Schedule = 0.5, sigma: float = 0.05,
        flip: bool = True, shift: float = 0.125) -> tuple[Regularizer, Regularizer]:
    """Improved consistency (Zhao et al. 2021): `bcr` and both terms of `zcr`, whose weight is latent_weight here."""
    balanced = bcr(real_weight, fake_weight, flip, shift)
    latent, generator = zcr(latent_weight, generator_weight, sigma)

    def discriminator(view: View) -> tuple[Array, dict[str, Array]]:
        images, _, metrics = balanced.apply((), view)
        latents, _, _ = latent.apply((), view)
        return images + latents, metrics | {"latent": latents}

    return stateless(discriminator, "discriminator"), generator


def flip_and_shift(key: Array, image: Array, flip: bool, shift: float) -> Array:
    """Each image [H, W, C] flipped or not, and moved by whole pixels up to `shift` of its sides; borders reflect."""
    batch, height, width = image.shape[:3]
    rows, columns = (_moved(keys.stream(key, name), batch, size, int(size * shift))
                     for name, size in (("down", height), ("right", width)))
    if flip:
        mirrored = jax.random.bernoulli(keys.stream(key, "flip"), 0.5, (batch, 1))
        columns = jnp.where(mirrored, width - 1 - columns, columns)
    image = jnp.take_along_axis(image, rows[:, :, None, None], axis=1)
    return jnp.take_along_axis(image, columns[:, None, :, None], axis=2)


def _moved(key: Array, batch: int, size: int, most: int) -> Array:
    """[batch, size]: which line each line of the moved image shows."""
    offset = jax.random.randint(key, (batch, 1), -most, most + 1)
    return (size - 1) - jnp.abs((size - 1) - jnp.abs(jnp.arange(size) - offset))


def _transform(name: str, flip: bool, shift: float):
    if not 0 <= shift < 1:
        raise InputError(f"{name}: shift is {shift}; give the fraction of a side to move by, from 0 to below 1.")
    return lambda key, image: flip_and_shift(key, image, flip, shift)


def _near(view: View, sigma: float) -> Array:
    return view.z + sigma * jax.random.normal(keys.stream(view.key, "zcr"), view.z.shape, view.z.dtype)


def _distance(one: Array, other: Array) -> Array:
    difference = one.astype(jnp.float32) - other.astype(jnp.float32)
    return jnp.mean(difference**2)
