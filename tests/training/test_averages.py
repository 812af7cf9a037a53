"""The exponential moving average against its closed form."""

import jax.numpy as jnp
import numpy as np

from jaxgan.training.averages import exponential


def test_half_is_forgotten_in_a_half_life():
    average = exponential(half_life_kimg=1.0, rampup=0.0)
    tree = average.init({"w": jnp.zeros(2)})
    for _ in range(10):
        tree = average.update(tree, {"w": jnp.ones(2)}, jnp.int32(0), 100)
    np.testing.assert_allclose(tree["w"], 0.5, rtol=1e-6)


def test_ramp_up_shortens_the_half_life_early():
    average = exponential(half_life_kimg=1.0, rampup=0.05)
    tree = average.update({"w": jnp.zeros(())}, {"w": jnp.ones(())}, jnp.int32(2000), 100)
    np.testing.assert_allclose(tree["w"], 1 - 0.5 ** (100 / 100), rtol=1e-6)


def test_integers_are_taken_over_and_nothing_is_aliased():
    average = exponential(1.0)
    weights = {"w": jnp.ones(3), "n": jnp.int32(7)}
    tree = average.init(weights)
    assert tree["w"].unsafe_buffer_pointer() != weights["w"].unsafe_buffer_pointer()
    assert average.update(tree, {"w": jnp.ones(3), "n": jnp.int32(9)}, jnp.int32(1), 1)["n"] == 9
