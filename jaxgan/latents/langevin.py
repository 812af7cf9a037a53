"""Discriminator-driven latent sampling (Che et al. 2020): latents that walk to where images pass for real."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgan import keys
from jaxgan.latents.critic import Calibration, alone
from jaxgan.latents.sampling import Sampler, seed_key
from jaxgan.typing import Array, PyTree

STEP_SIZE = 0.01


def langevin(sampler: Sampler, discriminator: nn.Module, weights: dict[str, PyTree], calibration: Calibration,
             seeds: Sequence[int], labels: np.ndarray | None, num_steps: int,
             step_size: float = STEP_SIZE) -> np.ndarray:
    """The codes of seeds, z or w, after `num_steps` steps of Langevin dynamics of z.

    A step is z − (ε/2) ∇E(z) + √ε noise on the energy E(z) = ‖z‖²/2 − d(G(z)), with d the calibrated logit and ε =
    step_size (algorithm 1): in the long run latents are drawn from e^−E, whose images are distributed as real ones,
    if the logit is right. For standard normal z. weights: {"generator", "discriminator"}. A seed's noise is its own,
    so where its walk ends does not depend on the others.
    """
    judge = alone(discriminator)

    def walk(weights: dict[str, PyTree], seeds: Array, labels: Array | None) -> Array:
        def energy(z: Array) -> Array:
            images = sampler.image(weights["generator"], sampler.code(weights["generator"], z, labels), labels)
            logits = judge(weights["discriminator"], images, labels).logit
            return jnp.sum(z**2) / 2 - jnp.sum(weights["scale"] * logits)  # the offset has no slope

        def noise(seed: Array, step: Array) -> Array:
            return jax.random.normal(jax.random.fold_in(keys.stream(seed_key(seed), "langevin"), step),
                                     (sampler.prior.dim,))

        def move(z: Array, step: Array) -> tuple[Array, None]:
            noises = jax.vmap(noise, in_axes=(0, None))(seeds, step)
            return z - step_size / 2 * jax.grad(energy)(z) + jnp.sqrt(step_size) * noises, None
        z, _ = jax.lax.scan(move, jax.vmap(sampler.latent)(seeds), jnp.arange(num_steps))
        return sampler.code(weights["generator"], z, labels)

    scale = np.float32(calibration.scale)
    return sampler.compile(walk)(weights | {"scale": scale}, np.asarray(seeds, np.uint32), labels)
