"""Schedules against their formulas, and on their way to those who use them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgan import schedules
from jaxgan.errors import InputError


def values(schedule, *kimg):
    return [float(schedule(jnp.int32(k * 1000))) for k in kimg]


def test_linear_and_constant():
    np.testing.assert_allclose(values(schedules.linear(1.0, 3.0, 10.0), 0, 5, 10, 99), [1, 2, 3, 3])
    np.testing.assert_allclose(values(schedules.linear(1.0, 0.0, 10.0, hold_kimg=5.0), 0, 5, 6, 10, 99),
                               [1, 1, 0.8, 0, 0], atol=1e-6)
    np.testing.assert_allclose(values(schedules.constant(0.5), 0, 7), [0.5, 0.5])


def test_cosine_is_half_a_period_and_then_its_end():
    np.testing.assert_allclose(values(schedules.cosine(2.0, 1.0, 12.0), 0, 4, 6, 12, 20), [2, 1.75, 1.5, 1, 1],
                               rtol=1e-6)


def test_cosine_with_warm_up_and_hold():
    schedule = schedules.cosine(2.0, 0.0, 10.0, warmup_kimg=2.0, warmup_start=1.0, hold_kimg=4.0)
    np.testing.assert_allclose(values(schedule, 0, 1, 2, 4, 6, 8, 10, 11), [1, 1.5, 2, 2, 2, 1, 0, 0], atol=1e-6)


def test_images_beyond_32_bits_of_counting_are_no_problem():
    schedule = schedules.per_update(schedules.linear(0.0, 1.0, 1e7), images=512)
    np.testing.assert_allclose(schedule(jnp.int32(10_000_000)), 0.512, rtol=1e-5)


def test_specs_become_schedules_and_the_rest_stays():
    spec = {"name": "linear", "start": 0.0, "end": 1.0, "kimg": 2.0}
    resolved = schedules.resolve({"gamma": spec, "every": 4, "strengths": {"hue": 1.0}}, "regularizers.r1")
    assert resolved["every"] == 4
    assert resolved["strengths"] == {"hue": 1.0}
    assert schedules.at(resolved["gamma"], jnp.int32(500)) == 0.25
    assert schedules.at(3.0, jnp.int32(500)) == 3.0
    with pytest.raises(InputError, match=r"regularizers\.r1\.gamma.*cosine"):
        schedules.resolve({"gamma": spec | {"name": "cosin"}}, "regularizers.r1")
    with pytest.raises(InputError, match="kimg"):
        schedules.resolve({"gamma": spec | {"kimg": 0.0}}, "regularizers.r1")
    with pytest.raises(InputError, match="warm-up"):
        schedules.cosine(1.0, 0.0, 10.0, warmup_kimg=10.0)


def test_an_optimizer_follows_a_schedule_in_images():
    rate = schedules.per_update(schedules.linear(1.0, 0.0, 1.0), images=250)
    optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=rate)

    @jax.jit
    def step(weight, state):
        updates, state = optimizer.update(jnp.ones(()), state, weight)
        return optax.apply_updates(weight, updates), state
    weight, moves = jnp.zeros(()), []
    state = optimizer.init(weight)
    for _ in range(5):
        new, state = step(weight, state)
        moves.append(float(weight - new))
        weight = new
    np.testing.assert_allclose(moves, [1, 0.75, 0.5, 0.25, 0], atol=1e-6)


def test_transform_applies_to_numbers_and_schedules():
    assert schedules.transform(lambda b: b**2, 3.0) == 9.0
    assert schedules.transform(lambda b: b**2, schedules.constant(3.0))(jnp.int32(0)) == 9.0
