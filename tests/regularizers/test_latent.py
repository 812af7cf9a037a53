"""Top-k selection, and LOGAN's latent step against its closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.regularizers import REGULARIZERS


@pytest.mark.parametrize(("step", "chosen"), [(0, 10), (9, 10), (10, 9), (20, 8), (69, 5), (70, 4), (10**6, 4)])
def test_top_k_keeps_the_best_rated_of_a_shrinking_share(step, chosen):
    """k = 10 0.9^(step // 10), not below 0.4 of 10: 10, 9, 8.1, ... 5.3, 4.8, 4."""
    part = REGULARIZERS["top_k"](decay=0.9, decay_every=10, minimum=0.4)
    logit = jnp.asarray(np.random.default_rng(step).permutation(10), jnp.float32)
    weights = jax.jit(part.weigh)(part.init(), logit, jnp.int32(step))
    np.testing.assert_array_equal(weights, logit >= 10 - chosen)


def test_top_k_breaks_ties_and_never_keeps_none():
    part = REGULARIZERS["top_k"](decay_every=1, minimum=0.3)
    weights = part.weigh((), jnp.zeros(2), jnp.int32(10**5))
    assert weights.sum() == 1
    weights = part.weigh((), jnp.zeros(10), jnp.int32(10**5))
    assert weights.sum() == 3


@pytest.mark.parametrize("arguments", [{"minimum": 0.0}, {"decay": 1.5}, {"decay_every": 0}])
def test_top_k_refuses_schedules_that_are_none(arguments):
    with pytest.raises(InputError, match="top_k"):
        REGULARIZERS["top_k"](**arguments)


def linear_view(view, z, slope, seed=0):
    """D(G(z)) = <slope, z>, so that the gradient is `slope` everywhere."""
    return view(generator=lambda z: z, discriminator=lambda z: z @ slope, z=z, seed=seed)


@pytest.fixture
def z():
    return jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (64, 3)), jnp.float32)


SLOPE = jnp.array([0.6, -0.8, 2.4])  # squared norm 6.76


def test_logan_takes_a_damped_natural_gradient_step(view, z):
    part = REGULARIZERS["logan"](step_size=0.9, damping=5.0, fraction=1.0)
    moved, _ = part.latent((), linear_view(view, z, SLOPE))
    np.testing.assert_allclose(moved - z, np.broadcast_to(0.9 / 11.76 * SLOPE, z.shape), rtol=1e-5, atol=1e-7)
    thrice = REGULARIZERS["logan"](step_size=0.9, damping=5.0, fraction=1.0, num_steps=3)
    np.testing.assert_allclose(thrice.latent((), linear_view(view, z, SLOPE))[0], z + 2.7 / 11.76 * SLOPE, rtol=1e-5,
                               atol=1e-6)


def test_logan_moves_a_share_of_the_examples_whole(view, z):
    moved = np.asarray(REGULARIZERS["logan"](fraction=0.5).latent((), linear_view(view, z, SLOPE))[0] != z)
    assert 16 < moved.any(1).sum() < 48
    assert (moved.any(1) == moved.all(1)).all()


def test_logan_clips_to_the_prior_it_is_told_of(view, z):
    part = REGULARIZERS["logan"](step_size=100.0, fraction=1.0, limit=1.0)
    np.testing.assert_array_equal(part.latent((), linear_view(view, z, SLOPE))[0],
                                  np.broadcast_to([1.0, -1.0, 1.0], z.shape))


def test_logan_carries_gradient_through_the_step(view, z):
    """z' = z + s w / (b + |w|^2) depends on D's weights w: d sum(z') / d w by hand."""
    part = REGULARIZERS["logan"](step_size=0.9, damping=5.0, fraction=1.0)
    gradient = jax.jit(jax.grad(lambda slope: part.latent((), linear_view(view, z[:1], slope))[0].sum()))(SLOPE)
    expected = 0.9 * (1 / 11.76 - 2 * SLOPE * SLOPE.sum() / 11.76**2)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4)


def test_logan_weighs_the_squared_length_of_the_step(view, z):
    part = REGULARIZERS["logan"](step_size=0.9, damping=5.0, fraction=1.0, weight=2.0)
    _, cost = part.latent((), linear_view(view, z, SLOPE))
    assert cost == pytest.approx(2 * (0.9 / 11.76) ** 2 * 6.76, rel=1e-5)


def test_logan_needs_damping():
    with pytest.raises(InputError, match="logan: damping is 0"):
        REGULARIZERS["logan"](damping=0.0)
