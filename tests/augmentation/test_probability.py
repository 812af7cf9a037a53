"""p: fixed, on a schedule, adapted."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import schedules
from jaxgan.augmentation import probability
from jaxgan.errors import InputError


def follow(part, signs, num_images):
    state, values = part.init(), []
    for sign in signs:
        state = part.control(state, jnp.float32(sign), num_images)
        values.append(float(part.value(state)))
    return values


def test_p_rises_while_the_discriminator_is_too_sure_and_falls_while_it_is_not():
    part = probability.build("adaptive", target=0.6, adjust_kimg=1.0, interval=4)
    values = follow(part, [0.9] * 8 + [0.1] * 4, 25)
    np.testing.assert_allclose(values, [0, 0, 0, 0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.2, 0.2, 0.1], atol=1e-6)


def test_the_sign_is_that_of_the_interval_not_of_its_last_turn():
    part = probability.build("adaptive", target=0.6, adjust_kimg=1.0, interval=2)
    np.testing.assert_allclose(follow(part, [1.0, 0.4, 0.1, 1.0], 50), [0, 0.1, 0.1, 0.0], atol=1e-6)


def test_p_stays_in_its_range():
    part = probability.build("adaptive", adjust_kimg=0.1, interval=1)
    assert follow(part, [1.0] * 5 + [-1.0] * 6, 40)[4::6] == [1.0, 0.0]


def test_a_schedule_follows_the_images():
    part = probability.build(schedules.linear(0.0, 0.5, 1.0))
    np.testing.assert_allclose(follow(part, [0.0] * 4, 400), [0.2, 0.4, 0.5, 0.5], atol=1e-6)


def test_a_number_is_itself_and_checked():
    assert follow(probability.build(0.3), [1.0] * 3, 10) == [0.3] * 3
    for bad in (-0.1, 1.5, True, "often"):
        with pytest.raises(InputError, match="from 0 to 1"):
            probability.build(bad)
    with pytest.raises(InputError, match="adjust_kimg"):
        probability.build("adaptive", adjust_kimg=0.0)
