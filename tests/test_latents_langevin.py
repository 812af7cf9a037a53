"""Langevin dynamics where the density they lead to is known."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.latents import PRIORS
from jaxgan.latents.critic import Calibration
from jaxgan.latents.langevin import langevin
from jaxgan.latents.sampling import Sampler
from jaxgan.typing import DiscriminatorOutput

DIM = 3
SLOPE = np.array([0.5, 0.0, -1.0], np.float32)


class Identity(nn.Module):
    """Images that are z."""

    def __call__(self, z, label=None, *, train):
        return z[:, None, None]


class Doubled(nn.Module):
    """w is twice z, in two rows; the image is the second."""

    def mapping(self, z, label=None, *, train):
        return jnp.repeat(2 * z[:, None], 2, axis=1)

    def synthesis(self, w, *, train):
        return w[:, 1][:, None, None]


class Linear(nn.Module):
    """A logit that rises along SLOPE by as much as the label says."""

    def __call__(self, image, label=None, *, train):
        strength = 1 if label is None else label
        return DiscriminatorOutput(strength * image[:, 0, 0] @ SLOPE)


def walked(generator, seeds, labels=None, num_steps=100, step_size=0.05):
    mesh = jax.make_mesh((1,), ("data",), devices=jax.devices()[:1])
    sampler = Sampler(generator, PRIORS["normal"](DIM), mesh)
    empty = {"params": {}, "variables": {}}
    return langevin(sampler, Linear(), {"generator": empty, "discriminator": empty}, Calibration(2.0, 5.0, 1.0), seeds,
                    labels, num_steps, step_size)


def test_latents_come_to_be_drawn_from_the_tilted_density():
    """e^(−‖z‖²/2 + a·z) is the normal density around a, here twice the slope; a step leaves (1 − ε/2) of the way."""
    z = walked(Identity(), range(4000))
    np.testing.assert_allclose(z.mean(axis=0), 2 * SLOPE * (1 - 0.975**100), atol=0.05)
    np.testing.assert_allclose(z.var(axis=0), 1 / (1 - 0.05 / 4), atol=0.06)
    np.testing.assert_allclose(np.cov(z.T)[0, 2], 0, atol=0.05)


def test_a_seed_walks_alone():
    labels = np.arange(20, dtype=np.float32) % 2
    many = walked(Identity(), range(20), labels, 5)
    np.testing.assert_array_equal(many[7:8], walked(Identity(), [7], labels[7:8], 5))
    assert (walked(Identity(), [7], labels[:1], 5) != many[7:8]).any(axis=1)


def test_w_is_what_the_mapping_makes_of_the_z_walked_to():
    w = walked(Doubled(), range(4), num_steps=1)
    slope = walked(Identity(), range(4), num_steps=1)  # by its own slope, half as steep
    assert w.shape == (4, 2, DIM)
    np.testing.assert_allclose(w[:, 0] / 2 - slope, 0.025 * 2 * np.tile(SLOPE, (4, 1)), atol=1e-5)
