"""The exponential moving average against its closed form, and what no average is taken of."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.training.averages import exponential, power


def weights(w, **variables):
    return {"params": {"w": w}, "variables": variables}


def test_half_is_forgotten_in_a_half_life():
    average = exponential(half_life_kimg=1.0, rampup=0.0)
    tree = average.init(weights(jnp.zeros(2)))
    for _ in range(10):
        tree = average.update(tree, weights(jnp.ones(2)), jnp.int32(0), 100)
    np.testing.assert_allclose(tree["params"]["w"], 0.5, rtol=1e-6)


def test_ramp_up_shortens_the_half_life_early():
    average = exponential(half_life_kimg=1.0, rampup=0.05)
    tree = average.update(weights(jnp.zeros(())), weights(jnp.ones(())), jnp.int32(2000), 100)
    np.testing.assert_allclose(tree["params"]["w"], 1 - 0.5 ** (100 / 100), rtol=1e-6)


def test_nothing_is_aliased():
    given = weights(jnp.ones(3))
    tree = exponential(1.0).init(given)
    assert tree["params"]["w"].unsafe_buffer_pointer() != given["params"]["w"].unsafe_buffer_pointer()


@pytest.mark.parametrize("average", [exponential(10.0, rampup=0.0), power(0.1)])
def test_statistics_are_averaged_and_singular_vectors_are_not(average):
    """A mean of singular vectors is none, so spectral normalization would divide by anything."""
    def variables(value):
        return {"batch_stats": {"mean": jnp.full(2, value)},
                "spectral": {"u": jnp.full(2, value), "n": jnp.int32(value)}}
    tree = average.update(weights(jnp.zeros(2), **variables(0.0)), weights(jnp.ones(2), **variables(1.0)),
                          jnp.int32(1000), 100)
    assert 0 < tree["variables"]["batch_stats"]["mean"][0] < 1
    np.testing.assert_array_equal(tree["variables"]["batch_stats"]["mean"], tree["params"]["w"])
    np.testing.assert_array_equal(tree["variables"]["spectral"]["u"], jnp.ones(2))
    assert tree["variables"]["spectral"]["n"] == 1
