"""Penalties on the gradient of the discriminator's logit with respect to its input.

The gradient of each example is read off the gradient of the summed logits, which is exact as long as no layer mixes
examples. Batch normalization does: with it these penalties bound something, but not what the papers write.
Images are not augmented before the gradient is taken; the augmentation belongs to the function that is differentiated.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule, at
from jaxgan.terms import Regularizer, stateless
from jaxgan.typing import Array, View


def r1(gamma: float | Schedule = 10.0, epsilon: float | None = None) -> Regularizer:
    """gamma/2 E ||grad D(real)||^2 (Mescheder et al. 2018, eq. 9).

    The gradient has one entry a pixel, so the gamma that suits a data set grows or shrinks with its resolution.
    epsilon: None differentiates twice, and is exact. A number estimates the squared norm from two forward passes, as
    E_n ((D(real + epsilon n) - D(real - epsilon n)) / (2 epsilon))^2 with one n ~ N(0, I) an image: cheaper, and it
    asks for no second derivative. It is unbiased up to O(epsilon^2), noisy (one draw has a relative deviation of
    sqrt(2)), and wants logits in float32. After Lin et al. 2025 (APT), who take a one-sided difference and do not
    divide by epsilon^2: their weight is gamma / (2 epsilon^2) here.
    """
    return _zero_centred("r1", lambda view: view.real, lambda view: view.real_gradient, gamma, epsilon)


def r2(gamma: float | Schedule = 10.0, epsilon: float | None = None) -> Regularizer:
    """gamma/2 E ||grad D(fake)||^2 (Mescheder et al. 2018, eq. 10): `r1` on the images of the generator.

    Beside `r1` it makes relativistic losses converge (Huang et al. 2024, R3GAN). A fake has the label of the real
    image beside it.
    """
    return _zero_centred("r2", lambda view: jax.lax.stop_gradient(view.fake), lambda view: view.fake_gradient, gamma,
                         epsilon)


def gradient_penalty(gamma: float | Schedule = 10.0) -> Regularizer:
    """gamma E (||grad D(x)|| - 1)^2, x between a fake and a real image (WGAN-GP, Gulrajani et al. 2017, eq. 3).

    x is uniform on the segment, one draw an example. The norm's own gradient is taken as 0 where the norm is 0.
    """

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        squared = squared_gradient_norm(view, _between(view, "gradient_penalty"))
        return at(gamma, view.images) * jnp.mean((root(squared) - 1) ** 2), {"grad_norm": _mean_norm(squared)}

    return stateless(penalty, player="discriminator")


def max_gradient_penalty(gamma: float | Schedule = 10.0) -> Regularizer:
    """gamma max ||grad D(x)||^2 over the batch, x as in `gradient_penalty` (Lipschitz GANs, Zhou et al. 2019).

    It bounds the steepest slope rather than the usual one. Under `parallel="pmap"` the maximum is over each device's
    part of the batch.
    """

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        squared = squared_gradient_norm(view, _between(view, "max_gradient_penalty"))
        return at(gamma, view.images) * squared.max(), {"grad_norm": _mean_norm(squared)}

    return stateless(penalty, player="discriminator")


def dragan(gamma: float | Schedule = 10.0, spread: float = 0.5) -> Regularizer:
    """gamma E (||grad D(x)|| - 1)^2 around the data: x = real + alpha spread std(real) u (Kodali et al. 2017).

    std over all values of the batch (n - 1), alpha ~ U[0, 1) an example, u ~ U[0, 1) a value. The paper writes
    Gaussian noise; its code, followed here, draws it uniform, so that x is also brighter than the real image.
    """

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        key = keys.stream(view.key, "dragan")
        alpha = _one_each(keys.stream(key, "alpha"), view.real)
        noise = jax.random.uniform(keys.stream(key, "noise"), view.real.shape, view.real.dtype)
        squared = squared_gradient_norm(view, perturb(view.real, alpha, noise, spread))
        return at(gamma, view.images) * jnp.mean((root(squared) - 1) ** 2), {"grad_norm": _mean_norm(squared)}

    return stateless(penalty, player="discriminator")


def interpolate(key: Array, real: Array, fake: Array) -> Array:
    """alpha real + (1 - alpha) fake, with one alpha ~ U[0, 1) an example."""
    alpha = _one_each(key, real)
    return alpha * real + (1 - alpha) * fake


def perturb(real: Array, alpha: Array, noise: Array, spread: float) -> Array:
    """real + alpha spread std(real) noise."""
    return real + alpha * spread * jnp.std(real, ddof=1) * noise


def squared_gradient_norm(view: View, image: Array) -> Array:
    """||d logit_i / d image_i||^2, [B], at least float32, by a pass of its own."""
    return squared_norm(jax.grad(lambda x: view.discriminator(x, view.label).logit.sum())(image))


def squared_norm(gradient: Array) -> Array:
    """[B, ...] -> [B], at least float32."""
    gradient = gradient.astype(jnp.promote_types(gradient.dtype, jnp.float32))
    return jnp.sum(gradient**2, axis=tuple(range(1, gradient.ndim)))


def estimated_squared_gradient_norm(view: View, image: Array, key: Array, epsilon: float) -> Array:
    """The squared central difference of the logit along one Gaussian direction an example, [B]."""
    direction = jax.random.normal(key, image.shape, image.dtype)
    ahead, behind = (view.discriminator(image + side * epsilon * direction, view.label).logit for side in (1, -1))
    ahead, behind = (logit.astype(jnp.promote_types(logit.dtype, jnp.float32)) for logit in (ahead, behind))
    return ((ahead - behind) / (2 * epsilon)) ** 2


def root(squared: Array) -> Array:
    """The square root, with derivative 0 at 0."""
    # The derivative of sqrt is infinite at 0, and times a zero cotangent that is NaN: the inner `where` keeps 0 out.
    positive = squared > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1)), 0)


def _zero_centred(name: str, image_of: Callable[[View], Array], gradient_of: Callable[[View], Callable[[], Array]],
                  gamma: float | Schedule, epsilon: float | None) -> Regularizer:
    if epsilon is not None and epsilon <= 0:
        raise InputError(f"{name}: epsilon is {epsilon}; give a positive step, or none for the exact gradient.")

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        squared = (squared_norm(gradient_of(view)()) if epsilon is None else
                   estimated_squared_gradient_norm(view, image_of(view), keys.stream(view.key, name), epsilon))
        return at(gamma, view.images) / 2 * squared.mean(), {"grad_norm": _mean_norm(squared)}

    return stateless(penalty, player="discriminator")


def _between(view: View, name: str) -> Array:
    return interpolate(keys.stream(view.key, name), view.real, view.fake)


def _one_each(key: Array, image: Array) -> Array:
    return jax.random.uniform(key, (image.shape[0],) + (1,) * (image.ndim - 1), image.dtype)


def _mean_norm(squared: Array) -> Array:
    return jnp.sqrt(jax.lax.stop_gradient(squared)).mean()
