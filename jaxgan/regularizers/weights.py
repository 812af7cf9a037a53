"""Terms on the weights themselves."""

import jax
import jax.numpy as jnp

from jaxgan.errors import InputError
from jaxgan.schedules import Schedule, at
from jaxgan.terms import Regularizer, nothing, stateless
from jaxgan.typing import Array, PyTree, View


def weight_clip(limit: float = 0.01) -> Regularizer:
    """Every parameter of the discriminator is held in [-limit, limit] after each of its updates (WGAN, algorithm 1).

    Arjovsky et al. 2017. Biases and normalization gains are parameters too: a discriminator with gains of 1 by
    design wants another way to stay Lipschitz.
    """
    if limit <= 0:
        raise InputError(f"weight_clip: limit is {limit}; give a positive number.")

    def constrain(params: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf: jnp.clip(leaf, -limit, limit), params)

    return Regularizer(init=lambda: (), apply=nothing, player="discriminator", constrain=constrain)


def orthogonal(weight: float | Schedule = 1e-4, player: str = "generator") -> Regularizer:
    """weight sum ||W^T W - diag(W^T W)||^2 over all kernels W [inputs, outputs] (BigGAN, Brock et al. 2019, eq. 3).

    It asks the filters of a layer to be orthogonal and leaves their norms free. Every parameter called "kernel" takes
    part, its last axis being the outputs; biases, gains and embeddings do not. Brock's code adds 2 weight (W W^T - ...)
    W to the gradient, half the derivative of what the paper writes and this computes: his 1e-4 is 5e-5 here.
    """
    if player not in ("generator", "discriminator"):
        raise InputError(f"orthogonal: player is {player!r}; give 'generator' or 'discriminator'.")

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        leaves = jax.tree.leaves_with_path(view.params)
        kernels = [leaf for path, leaf in leaves if jax.tree_util.keystr(path[-1:], simple=True) == "kernel"]
        return at(weight, view.images) * sum((overlap(kernel) for kernel in kernels), jnp.float32(0)), {}

    return stateless(penalty, player=player)


def overlap(kernel: Array) -> Array:
    """The sum of squared inner products of different filters of `kernel` [..., outputs]."""
    filters = kernel.reshape(-1, kernel.shape[-1]).astype(jnp.float32)
    inputs, outputs = filters.shape
    if outputs > 4 * inputs:  # the small product has the same sum of squares, and then little of it is the diagonal's
        return jnp.sum((filters @ filters.T) ** 2) - jnp.sum(jnp.sum(filters**2, axis=0) ** 2)
    products = filters.T @ filters
    return jnp.sum((products * (1 - jnp.eye(products.shape[0]))) ** 2)
