"""Path length: equal steps of the latent should change the image equally."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.regularizers.gradient import root
from jaxgan.schedules import Schedule, at
from jaxgan.terms import Regularizer
from jaxgan.typing import Array, PyTree, View


def path_length(weight: float | Schedule = 2.0, decay: float = 0.99, batch_shrink: int = 2) -> Regularizer:
    """weight E (||J^T y|| - a)^2, y ~ N(0, I) over the image, a moving average (StyleGAN2, Karras et al. 2020, eq. 4).

    J is the Jacobian of the image with respect to w where the generator has a mapping (z -> w) in front, else to z.
    y is divided by sqrt(H W), so that lengths do not depend on resolution. batch_shrink: only one in so many examples
    is used, to save memory. As in the reference code the average takes the batch in first and carries its gradient.
    Meant to be lazy (`every` 4 in the paper).
    """
    if batch_shrink < 1:
        raise InputError(f"path_length: batch_shrink is {batch_shrink}; give 1 or more.")

    def apply(state: PyTree, view: View) -> tuple[Array, PyTree, dict[str, Array]]:
        count = max(view.z.shape[0] // batch_shrink, 1)
        z, label = view.z[:count], None if view.label is None else view.label[:count]
        noise = jax.random.normal(keys.stream(view.key, "path_length"), (count, *view.fake.shape[1:]))
        latent, synthesize = z, lambda latent: view.generator(latent, label)
        if view.synthesis:
            latent, synthesize = view.mapping(z, label), view.synthesis
        lengths = path_lengths(synthesize, latent, noise)
        mean = decay * state["mean"] + (1 - decay) * lengths.mean()
        penalty = at(weight, view.images) * jnp.mean((lengths - mean) ** 2)
        return penalty, {"mean": jax.lax.stop_gradient(mean)}, {"mean": mean}

    return Regularizer(init=lambda: {"mean": jnp.float32(0)}, apply=apply, player="generator")


def path_lengths(synthesize: Callable[[Array], Array], latent: Array, noise: Array) -> Array:
    """||J^T y|| with y = noise / sqrt(H W), [B].

    latent: [B, dim], or styles [B, layers, dim], whose squared norms are averaged over the layers.
    """
    image, pull_back = jax.vjp(synthesize, latent)
    (gradient,) = pull_back((noise / math.sqrt(image.shape[1] * image.shape[2])).astype(image.dtype))
    wide = jnp.promote_types(gradient.dtype, jnp.float32)
    squared = jnp.sum(gradient.astype(wide) ** 2, axis=-1)
    return root(squared.reshape(squared.shape[0], -1).mean(axis=1))
