"""Fakes among the reals, and instance noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import schedules
from jaxgan.augmentation import AUGMENTATIONS
from jaxgan.errors import InputError

REAL, FAKE = jnp.ones((1000, 1, 1, 1)), -jnp.ones((1000, 1, 1, 1))


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_apa_replaces_a_share_p_of_the_reals(p):
    part = AUGMENTATIONS["apa"](p=p)
    mixed = part.mix(part.init(), REAL, FAKE, jax.random.key(0))
    np.testing.assert_allclose(jnp.mean(mixed < 0), p, atol=0.05 * (0 < p < 1))
    assert part.apply(part.init(), FAKE, jax.random.key(0)) is FAKE


def test_apa_passes_no_gradient_to_the_generator():
    part = AUGMENTATIONS["apa"](p=1.0)
    gradient = jax.grad(lambda fake: part.mix((), REAL, fake, jax.random.key(0)).sum())(FAKE)
    np.testing.assert_array_equal(gradient, 0)


def test_apa_adapts():
    part = AUGMENTATIONS["apa"](adjust_kimg=1.0, interval=1)
    state = part.init()
    for _ in range(3):
        state = part.control(state, jnp.float32(0.9), 200)
    np.testing.assert_allclose(jnp.mean(part.mix(state, REAL, FAKE, jax.random.key(0)) < 0), 0.6, atol=0.06)


@pytest.mark.parametrize(("arguments", "stds"), [
    ({"std": 0.5}, [0.5, 0.5, 0.5]), ({"std": 0.5, "kimg": 1.0}, [0.5, 0.25, 0.0]), ({"std": 0.0}, [0, 0, 0]),
    ({"std": schedules.linear(0.2, 0.4, 0.5)}, [0.2, 0.4, 0.4])])
def test_noise_of_a_level_that_follows_the_images(arguments, stds):
    part = AUGMENTATIONS["instance_noise"](**arguments)
    state = part.init()
    for std in stds:
        added = part.apply(state, jnp.zeros((64, 8, 8, 3)), jax.random.key(0))
        np.testing.assert_allclose(added.std(), std, rtol=0.03)
        state = part.control(state, jnp.float32(0), 500)


def test_noise_that_is_refused():
    with pytest.raises(InputError, match="negative"):
        AUGMENTATIONS["instance_noise"](std=-1.0)
    with pytest.raises(InputError, match="kimg"):
        AUGMENTATIONS["instance_noise"](std=schedules.constant(0.1), kimg=1.0)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_part_keeps_shapes_and_the_structure_of_its_state(name):
    part = AUGMENTATIONS[name]()
    state, image = part.init(), jnp.zeros((2, 4, 6, 3))
    assert jax.eval_shape(part.apply, state, image, jax.random.key(0)).shape == image.shape
    after = jax.eval_shape(lambda state, sign: part.control(state, sign, 2), state, jnp.float32(0))
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert all(a.dtype == b.dtype for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(state)))
