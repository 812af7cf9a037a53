"""Power-function averages, and any other profile reconstructed from stored ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.schedules import linear
from jaxgan.training.averages import exponential, power, power_exponent
from jaxgan.training.posthoc import Profile, combine, reconstruction

IMAGES, STEPS = 100, 2000
STDS = (0.05, 0.075, 0.1)


@pytest.fixture(scope="module")
def tracked():
    """A wandering weight vector, and the averages of each std after every step: {std: [STEPS, 4]}."""
    path = jnp.cumsum(jax.random.normal(jax.random.key(0), (STEPS, 4)), 0)
    out = {}
    for std in STDS:
        average = power(std)

        def step(tree, item, average=average):
            index, weights = item
            tree = average.update(tree, {"params": weights, "variables": {}}, (index + 1) * IMAGES, IMAGES)
            return tree, tree["params"]
        start = average.init({"params": jnp.full(4, 1e3), "variables": {}})
        out[std] = np.asarray(jax.lax.scan(step, start, (jnp.arange(STEPS), path))[1])
    return np.asarray(path), out


def test_exponents_of_the_paper():
    np.testing.assert_allclose([power_exponent(0.05), power_exponent(0.10)], [16.97, 6.94], atol=0.01)


@pytest.mark.parametrize("std", STDS)
def test_it_is_the_weighted_mean_of_its_profile(tracked, std):
    """Against the integral: step i stands for the profile's mass between i and i + 1. The start leaves no trace."""
    path, averages = tracked
    edges = (np.arange(STEPS + 1) / STEPS) ** (power_exponent(std) + 1)
    np.testing.assert_allclose(averages[std][-1], np.diff(edges) @ path, rtol=2e-3, atol=2e-3 * np.abs(path).max())


def test_a_profile_in_between_is_reconstructed_from_stored_ones(tracked):
    _, averages = tracked
    stored = [(std, step) for step in range(100, STEPS + 1, 100) for std in (0.05, 0.1)]
    profiles = [Profile(std, step * IMAGES) for std, step in stored]
    trees = [{"params": {"w": averages[std][step - 1]},
              "variables": {"batch_stats": averages[std][step - 1], "spectral": np.float32(step)}}
             for std, step in stored]
    for end in (STEPS, 1700):
        found = combine(trees, reconstruction(profiles, Profile(0.075, end * IMAGES)))
        assert found["params"]["w"].dtype == np.float32
        assert found["variables"]["spectral"] == STEPS
        np.testing.assert_array_equal(found["variables"]["batch_stats"], found["params"]["w"])
        error = np.abs(found["params"]["w"] - averages[0.075][end - 1]).max()
        assert error < 0.02 * np.abs(averages[0.05][end - 1] - averages[0.1][end - 1]).max()


def test_a_stored_profile_is_itself():
    profiles = [Profile(0.05, 1000.0), Profile(0.1, 1000.0), Profile(0.05, 2000.0), Profile(0.1, 2000.0)]
    np.testing.assert_allclose(reconstruction(profiles, profiles[2]), [0, 0, 1, 0], atol=1e-6)


def test_what_is_refused():
    with pytest.raises(InputError, match=r"0\.288"):
        power(0.3)
    with pytest.raises(InputError, match="reach as far"):
        reconstruction([Profile(0.05, 1000.0)], Profile(0.05, 2000.0))


def test_a_half_life_on_a_schedule():
    average = exponential(linear(0.0, 2.0, 1.0), rampup=0.0)
    tree = average.update({"params": jnp.zeros(()), "variables": {}}, {"params": jnp.ones(()), "variables": {}},
                          jnp.int32(500), 1000)
    np.testing.assert_allclose(tree["params"], 0.5, rtol=1e-6)
