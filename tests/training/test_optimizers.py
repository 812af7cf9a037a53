"""Optimizers by name, and the correction for lazy phases."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgan.errors import InputError
from jaxgan.training import optimizers


def updates(optimizer, steps=3):
    params = jnp.array([1.0, -2.0])
    state, made = optimizer.init(params), []
    compiled = jax.jit(optimizer.update)
    for step in range(steps):
        update, state = compiled(jnp.array([0.5, 1.0]) * (step + 1), state, params)
        made.append(update)
    return np.asarray(made)


def test_a_lazy_phase_scales_the_rate_and_the_betas():
    spec = {"name": "adam", "learning_rate": 0.002, "b1": 0.5, "b2": 0.99}
    c = 16 / 17
    expected = optax.adam(0.002 * c, b1=0.5**c, b2=0.99**c)
    np.testing.assert_allclose(updates(optimizers.build(spec, "x", [16])), updates(expected), rtol=1e-6)


def test_the_correction_reaches_defaults_the_config_leaves_out():
    c = 1 / (1 + 1 / 16 + 1 / 4)
    expected = optax.adam(2e-4 * c, b1=0.5**c, b2=0.999**c)
    np.testing.assert_allclose(updates(optimizers.build("adam", "x", [16, 4])), updates(expected), rtol=1e-6)


def test_without_lazy_phases_nothing_is_scaled():
    spec = {"name": "sgd", "learning_rate": 0.1}
    np.testing.assert_array_equal(updates(optimizers.build(spec, "x")), updates(optax.sgd(0.1)))


@pytest.mark.parametrize(("spec", "message"), [
    ("adma", "optimizers.generator: there is no 'adma'. Did you mean 'adam'"),
    ({"name": "adam", "lr": 1e-3}, "optimizers.generator.lr: adam takes no such argument"),
    ({"name": "adam", "learning_rate": "fast"}, "learning_rate must be a number; got 'fast'"),
])
def test_refusals_name_the_key(spec, message):
    with pytest.raises(InputError, match=message):
        optimizers.build(spec, "optimizers.generator")


def test_a_schedule_follows_the_images_a_turn_stands_for():
    spec = {"name": "sgd", "learning_rate": {"name": "linear", "start": 1.0, "end": 0.0, "kimg": 0.2}}
    moved = updates(optimizers.build(spec, "x", images=50), steps=5)
    np.testing.assert_allclose(moved[:, 0], -0.5 * np.array([1.0, 2 * 0.75, 3 * 0.5, 4 * 0.25, 0]), rtol=1e-6)


def test_a_lazy_phase_corrects_a_schedule_too():
    spec = {"name": "adam", "b2": {"name": "constant", "value": 0.9},
            "learning_rate": {"name": "constant", "value": 0.1}}
    c = 4 / 5
    expected = optax.adam(0.1 * c, b1=0.5**c, b2=0.9**c)
    np.testing.assert_allclose(updates(optimizers.build(spec, "x", [4])), updates(expected), rtol=1e-5)


def test_a_schedule_without_a_length_spans_the_run():
    spec = {"name": "sgd", "learning_rate": {"name": "linear", "start": 1.0, "end": 0.0}}
    moved = updates(optimizers.build(spec, "x", images=50, total_kimg=0.1), steps=3)
    np.testing.assert_allclose(moved[:, 0], -0.5 * np.array([1.0, 2 * 0.5, 0]), rtol=1e-6)
    with pytest.raises(InputError, match="needs kimg"):
        optimizers.build(spec, "x")


def test_frozen_parts_stay_and_the_others_train_as_ever():
    """FreezeD: the named modules keep their weights; the rest moves as it would without them."""
    params = {"block1": {"conv1": {"kernel": jnp.ones(2)}, "conv2": {"kernel": jnp.ones(2)}},
              "head": {"kernel": jnp.ones(2)}}
    grads = jax.tree.map(lambda leaf: 3 * leaf, params)
    spec = {"name": "adam", "learning_rate": {"name": "linear", "start": 0.1, "end": 0.0, "kimg": 1.0}}
    plain = optimizers.build(spec, "optimizers.discriminator", images=10.0, total_kimg=1.0)
    expected, _ = plain.update(grads, plain.init(params), params)
    for frozen, still in (("block1", ("conv1", "conv2")), (["block1/conv2"], ("conv2",))):
        some = optimizers.build(spec | {"freeze": frozen}, "optimizers.discriminator", images=10.0, total_kimg=1.0)
        updates, _ = some.update(grads, some.init(params), params)
        np.testing.assert_array_equal(updates["head"]["kernel"], expected["head"]["kernel"])
        for name in ("conv1", "conv2"):
            wanted = np.zeros(2) if name in still else expected["block1"][name]["kernel"]
            np.testing.assert_array_equal(updates["block1"][name]["kernel"], wanted)


@pytest.mark.parametrize(("names", "message"), [
    (["blok1"], "the network has no part 'blok1'. Did you mean 'block1'"), (3, "must be names of modules"),
    ([1], "must be names of modules")])
def test_refusals_of_freeze(names, message):
    with pytest.raises(InputError, match=f"config.optimizers.discriminator.freeze:? {message}"):
        optimizers.build({"name": "sgd", "freeze": names}, "optimizers.discriminator").init(
            {"block1": {"kernel": jnp.ones(1)}})


def test_rmsprop_takes_full_steps_on_small_gradients():
    """eps stands outside the root, as in PyTorch: a gradient of 1e-5 moves by rate / sqrt(1 - decay)."""
    params = jnp.ones(1)
    optimizer = optimizers.build({"name": "rmsprop", "learning_rate": 0.1}, "optimizers.generator")
    update, _ = optimizer.update(1e-5 * params, optimizer.init(params), params)
    np.testing.assert_allclose(update, -1.0, rtol=0.02)
