"""Latent priors: shapes, moments, and dependence on the key alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import catalogue, keys
from jaxgan.errors import InputError
from jaxgan.latents import PRIORS


def draw(name, dim, shape, *seeds):
    prior = catalogue.build(PRIORS, {"name": name, "dim": dim}, "latent")
    sample = jax.jit(lambda seed: prior.sample(keys.root(seed), shape))
    return [np.asarray(sample(seed)) for seed in seeds]


@pytest.mark.parametrize("wide", [False, True], ids=["x32", "x64"])
@pytest.mark.parametrize("name", ["normal", "uniform"])
def test_shapes(name, wide):
    prior = catalogue.build(PRIORS, {"name": name, "dim": 5}, "latent")
    assert prior.dim == 5
    with jax.enable_x64(wide):
        for shape in [(), (7,), (2, 3)]:
            z = jax.eval_shape(lambda shape=shape: prior.sample(keys.root(0), shape))
            assert z.shape == (*shape, 5)
            assert z.dtype == jnp.float32


@pytest.mark.parametrize("name", ["normal", "uniform"])
def test_a_key_is_all_a_latent_depends_on(name):
    one, same, other = draw(name, 5, (4,), 0, 0, 1)
    np.testing.assert_array_equal(one, same)
    assert not np.intersect1d(one, other).size


def test_normal_moments():
    z, = draw("normal", 8, (4096,), 3)
    assert abs(z.mean()) < 0.02
    assert z.std() == pytest.approx(1, abs=0.02)


def test_uniform_range():
    z, = draw("uniform", 8, (4096,), 3)
    assert -1 <= z.min() < -0.99
    assert 0.99 < z.max() < 1
    assert abs(z.mean()) < 0.02


@pytest.mark.parametrize("name", PRIORS)
def test_a_latent_needs_a_dimension(name):
    with pytest.raises(InputError, match=r"config\.latent\.dim is 0"):
        PRIORS[name](0)
