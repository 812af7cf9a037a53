"""Penalties on the gradient of the discriminator's logit with respect to its input.

The gradient of each example is read off the gradient of the summed logits, which is exact as long as no layer mixes
examples. Batch normalization does: with it these penalties bound something, but not what the papers write.
Images are not augmented before the gradient is taken; the augmentation belongs to the function that is differentiated.
"""

import jax
import jax.numpy as jnp

from jaxgan import keys
from jaxgan.terms import Regularizer, stateless
from jaxgan.typing import Array, View


def r1(gamma: float = 10.0) -> Regularizer:
    """gamma/2 E ||grad D(real)||^2 (Mescheder et al. 2018, eq. 9).

    The gradient has one entry a pixel, so the gamma that suits a data set grows or shrinks with its resolution.
    """

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        squared = squared_gradient_norm(view, view.real)
        return gamma / 2 * squared.mean(), {"grad_norm": _mean_norm(squared)}

    return stateless(penalty, player="discriminator")


def gradient_penalty(gamma: float = 10.0) -> Regularizer:
    """gamma E (||grad D(x)|| - 1)^2, x between a fake and a real image (WGAN-GP, Gulrajani et al. 2017, eq. 3).

    x is uniform on the segment, one draw an example. The norm's own gradient is taken as 0 where the norm is 0.
    """

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        image = interpolate(keys.stream(view.key, "gradient_penalty"), view.real, view.fake)
        squared = squared_gradient_norm(view, image)
        return gamma * jnp.mean((_sqrt(squared) - 1) ** 2), {"grad_norm": _mean_norm(squared)}

    return stateless(penalty, player="discriminator")


def interpolate(key: Array, real: Array, fake: Array) -> Array:
    """alpha real + (1 - alpha) fake, with one alpha ~ U[0, 1) an example."""
    alpha = jax.random.uniform(key, (real.shape[0],) + (1,) * (real.ndim - 1), real.dtype)
    return alpha * real + (1 - alpha) * fake


def squared_gradient_norm(view: View, image: Array) -> Array:
    """||d logit_i / d image_i||^2, [B], at least float32."""
    gradient = jax.grad(lambda x: view.discriminator(x, view.label).logit.sum())(image)
    gradient = gradient.astype(jnp.promote_types(gradient.dtype, jnp.float32))
    return jnp.sum(gradient**2, axis=tuple(range(1, gradient.ndim)))


def _sqrt(squared: Array) -> Array:
    # The derivative of sqrt is infinite at 0, and times a zero cotangent that is NaN: the inner `where` keeps 0 out.
    positive = squared > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1)), 0)


def _mean_norm(squared: Array) -> Array:
    return jnp.sqrt(jax.lax.stop_gradient(squared)).mean()
