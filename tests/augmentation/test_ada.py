"""ADA: parity with the reference transforms, and what they promise on their own."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erfinv

from jaxgan.augmentation import ada_geometry, ada_pixels
from jaxgan.augmentation.ada import (
    NORMAL,
    NUM_GATES,
    NUM_VALUES,
    PRESETS,
    TRANSFORMS,
    Draws,
    Ranges,
    Roll,
    ada,
    augment,
    draw,
)
from jaxgan.errors import InputError

SETS = ("ada_single", "ada_sets", "ada_gray")
HURRIED = {"xla_backend_optimization_level": 0}
EVERYTHING = dict.fromkeys(TRANSFORMS, 1.0)


def nhwc(array):
    return jnp.asarray(array).transpose(0, 2, 3, 1)


def at_percentile(q: float, transforms, noise) -> Draws:
    """The reference code's debugging mode: these gates open, every number at one quantile (erfinv without √2, as there;
    the noise's from the positive half), no second rotation."""
    batch = noise.shape[0]
    values = {name: jnp.full((batch, NUM_VALUES[name]), erfinv(2 * q - 1) if name in NORMAL else q, jnp.float32)
              for name in TRANSFORMS}
    values["noise"] = jnp.full((batch, 1), erfinv(q), jnp.float32)
    values["rotate"] = values["rotate"].at[:, 1].set(0.5)
    return Draws({name: jnp.full((batch, NUM_GATES[name]), float(name not in transforms)) for name in TRANSFORMS},
                 values, noise)


def value_and_gradient(image, cotangent, draws):
    output, pull = jax.vjp(lambda x: augment(x, draws, 1.0, EVERYTHING, Ranges()), image)
    return output, pull(cotangent)[0]


@pytest.mark.parametrize("fixture", SETS)
def test_outputs_and_gradients_are_the_reference_ones(shared, fixture):
    data = np.load(shared(f"reference/{fixture}.npz"))
    specs = json.loads(shared(f"reference/{fixture}.json").read_text())["specs"]
    image, cotangent = nhwc(data["images"]), nhwc(data["cotangent"])
    noise = nhwc(data["noise_normal"]) if "noise_normal" in data else jnp.zeros_like(image)
    run = jax.jit(value_and_gradient, compiler_options=HURRIED)
    checked = 0
    for key in data:
        kind, _, case = key.partition(":")
        if kind == "out":
            name, percentile = case.split(":")
            output, gradient = run(image, cotangent, at_percentile(float(percentile), specs[name], noise))
            np.testing.assert_allclose(output, nhwc(data[key]), atol=2e-5, err_msg=key)
            np.testing.assert_allclose(gradient, nhwc(data[f"grad:{case}"]), atol=1e-4, err_msg=key)
            checked += 1
    assert checked >= 4


def test_filters_are_the_reference_ones(shared):
    data = np.load(shared("reference/ada_sets.npz"))
    np.testing.assert_allclose(ada_geometry.SYM6, data["Hz_geom"], atol=1e-12)
    np.testing.assert_allclose(ada_pixels.band_filters(), data["Hz_fbank"], atol=1e-12)


def test_warp_shows_reflections_and_nothing_beyond_them():
    """Zoomed out five times, a constant image and its reflections fill three of its sides; the rest is 0."""
    affine = ada_geometry.identity(1).scale(jnp.array([5.0]), jnp.array([5.0]))
    warp = jax.jit(ada_geometry.warp, compiler_options=HURRIED)
    seen = warp(jnp.ones((1, 24, 40, 1)), affine)[0, :, :, 0]
    np.testing.assert_allclose(seen[8:16, 11:29], 1, atol=1e-4)
    np.testing.assert_array_equal(seen[:2], 0)
    np.testing.assert_array_equal(seen[:, :5], 0)


@pytest.mark.parametrize("shape", [(6, 9, 1), (8, 5, 3), (5, 5, 4)])
def test_without_probability_it_is_the_identity_to_the_bit(shape):
    image = jax.random.normal(jax.random.key(0), (2, *shape))
    part = ada("bgcfnc", p=0.0)
    changed = jax.jit(part.apply, compiler_options=HURRIED)(part.init(), image, jax.random.key(1))
    assert np.asarray(changed).tobytes() == np.asarray(image).tobytes()


def test_an_image_is_changed_on_its_own_and_each_differently():
    part = ada("bgcfnc", p=1.0)
    apply = jax.jit(lambda image: part.apply((), image, jax.random.key(1)), compiler_options=HURRIED)
    one = jnp.broadcast_to(jax.random.normal(jax.random.key(0), (8, 9, 3)), (3, 8, 9, 3))
    other = one.at[0].set(-one[0])
    first, second = apply(one), apply(other)
    np.testing.assert_array_equal(first[1:], second[1:])
    assert jnp.abs(first[0] - second[0]).max() > 0.1
    assert jnp.abs(first[1] - first[2]).max() > 0.1


def test_colour_spares_alpha_and_moves_the_rest():
    image = jax.random.normal(jax.random.key(0), (2, 4, 4, 4))
    changed = jax.jit(ada("color", p=1.0).apply, compiler_options=HURRIED)((), image, jax.random.key(1))
    np.testing.assert_array_equal(changed[..., 3], image[..., 3])
    assert jnp.abs(changed[..., :3] - image[..., :3]).max() > 0.1


def test_gates_open_with_the_chance_asked_for():
    draws = jax.jit(draw, compiler_options=HURRIED)(jax.random.key(0), jnp.zeros((20000, 1, 1, 1)))
    roll = Roll(draws, 0.4, EVERYTHING | {"hue": 0.5, "xflip": 0.0}, Ranges(imgfilter_bands=(1.0, 1.0, 0.0, 1.0)))
    for name, chance in {"scale": 0.4, "hue": 0.2, "xflip": 0.0, "rotate": 0.4}.items():
        np.testing.assert_allclose(roll.gate(name).any(-1).mean(), chance, atol=0.015, err_msg=name)
    np.testing.assert_allclose(roll.gate("imgfilter").mean(0), [0.4, 0.4, 0, 0.4], atol=0.015)
    np.testing.assert_allclose(jnp.log2(roll.factor("scale", 0.2)).std(), 0.2 * 0.4**0.5, rtol=0.05)


def test_a_penalty_on_the_gradient_can_be_differentiated():
    """R1 through the augmentation: the gradient of a squared gradient, against finite differences."""
    part = ada("bgc", p=1.0)

    def penalty(weight):
        gradient = jax.grad(lambda x: jnp.tanh(weight * part.apply((), x, jax.random.key(1))).sum())(image)
        return (gradient**2).sum()
    image = 0.5 * jax.random.normal(jax.random.key(0), (2, 6, 6, 3))
    both = jax.jit(jax.value_and_grad(penalty), compiler_options=HURRIED)
    slope = (both(0.71)[0] - both(0.69)[0]) / 0.02
    np.testing.assert_allclose(both(0.7)[1], slope, rtol=1e-2)


def test_presets_and_what_is_refused():
    assert set(PRESETS["bgcfnc"]) == set(TRANSFORMS)
    assert set(PRESETS["bg"]) == {"xflip", "rotate90", "xint", "scale", "rotate", "aniso", "xfrac"}
    for arguments, message in [
            ({"preset": "bgd"}, "bgc"), ({"strengths": {"hues": 1.0}}, "hue"), ({"p": 2.0}, "p must"),
            ({"ranges": {"hue_mx": 1}}, "hue_max"), ({"strengths": {"hue": -1.0}}, "hue must"),
            ({"p": "adaptiv"}, "adaptive")]:
        with pytest.raises(InputError, match=message):
            ada(**arguments)
