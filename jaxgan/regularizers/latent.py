"""Choosing latents by what the discriminator says of their images."""

import jax
import jax.numpy as jnp

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule, at
from jaxgan.terms import Regularizer, nothing
from jaxgan.typing import Array, PyTree, View


def top_k(decay: float = 0.99, decay_every: int = 1000, minimum: float = 0.5) -> Regularizer:
    """The generator learns only from the k fakes of each batch that the discriminator rates best (Sinha et al. 2020).

    k starts at the batch size and is multiplied by `decay` every `decay_every` steps, down to the fraction `minimum`
    of the batch. The paper counts epochs where this counts steps. Under `parallel="pmap"` each device chooses k of
    its own part.
    """
    if not 0 < minimum <= 1 or not 0 < decay <= 1:
        raise InputError(f"top_k: decay is {decay} and minimum {minimum}; both must be above 0 and at most 1.")
    if decay_every < 1:
        raise InputError(f"top_k: decay_every is {decay_every}; give a number of steps, 1 or more.")

    def weigh(state: PyTree, fake_logit: Array, step: Array) -> Array:
        share = jnp.maximum(decay ** (step // decay_every).astype(jnp.float32), minimum)
        # The small number lets an exact share of a batch survive rounding.
        k = jnp.maximum(jnp.floor(share * fake_logit.shape[0] + 1e-4), 1)
        rank = jnp.argsort(jnp.argsort(-fake_logit))
        return (rank < k).astype(jnp.float32)

    return Regularizer(init=lambda: (), apply=nothing, player="generator", weigh=weigh)


def logan(step_size: float = 0.9, damping: float = 0.1, fraction: float = 0.8, num_steps: int = 1,
          limit: float | None = None, weight: float | Schedule = 0.1) -> Regularizer:
    """Both players train on z' = z + step_size g / (damping + ||g||^2), g = d D(G(z)) / dz (LOGAN, Wu et al. 2019).

    A natural-gradient step uphill: g g^T + damping I stands for the Fisher matrix. Only a `fraction` of
    the examples, chosen at random, moves. limit: z' is clipped to [-limit, limit]; 1 with the uniform prior, as in
    the paper; None for a normal one.
    z' carries gradient to both networks, which the paper shows to matter. weight: of E ||z' - z||^2, added to the
    losses of both players. The numbers are PyTorch-StudioGAN's, whose cost counts the examples that stay, too.
    """
    if damping <= 0 or num_steps < 1 or not 0 <= fraction <= 1:
        raise InputError(f"logan: damping is {damping}, num_steps {num_steps}, fraction {fraction}; they must be "
                         "above 0, at least 1, and from 0 to 1.")

    def latent(state: PyTree, view: View) -> tuple[Array, Array]:
        moves = jax.random.bernoulli(keys.stream(view.key, "logan"), fraction, (view.z.shape[0], 1))
        uphill = jax.grad(lambda z: view.discriminator(view.generator(z, view.label), view.label).logit.sum())
        z = view.z
        for _ in range(num_steps):
            gradient = uphill(z)
            step = step_size * gradient / (damping + jnp.sum(gradient**2, axis=-1, keepdims=True))
            z = z + jnp.where(moves, step, 0)
            z = z if limit is None else jnp.clip(z, -limit, limit)
        return z, at(weight, view.images) * jnp.mean(jnp.sum((z - view.z) ** 2, axis=-1))

    return Regularizer(init=lambda: (), apply=nothing, player="generator", latent=latent)
