"""DiffAugment: parity with the reference, and its promises for any channel count."""

import jax
import numpy as np
import pytest

from jaxgan.augmentation.diffaugment import Draws, augment, colour, diffaugment
from jaxgan.errors import InputError


def nhwc(array):
    return array.transpose(0, 2, 3, 1)


def noise(*shape):
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def changed_by(part, image, seed=1):
    return np.asarray(jax.jit(part.apply)((), image, jax.random.key(seed)))


@pytest.fixture(scope="module")
def reference(shared):
    return np.load(shared("reference/diffaugment.npz"))


def draws(data, **replaced):
    """Uniform numbers that give the reference's parameters: the middle of the interval of each whole number."""
    def pair(name, offset, count):
        return np.stack([(data[f"{name}_{axis}"].reshape(-1) + offset + 0.5) / count for axis in "xy"], -1)
    changes = np.stack([data[f"u_{name}"].reshape(-1) for name in ("brightness", "saturation", "contrast")], -1)
    drawn = {"colour": changes, "translation": pair("translation", 2, 5), "cutout": pair("cutout_offset", 0, 17)}
    return Draws(**{name: values.astype(np.float32) for name, values in (drawn | replaced).items()})


@pytest.mark.parametrize("policy", ["color", "translation", "cutout", "color,translation,cutout"])
def test_outputs_and_gradients_are_the_reference_ones(reference, policy):
    @jax.jit
    def run(image, cotangent, draws):
        output, pull = jax.vjp(lambda x: augment(x, draws, policy.split(",")), image)
        return output, *pull(cotangent)
    output, gradient = run(nhwc(reference["images"]), nhwc(reference["cotangent"]), draws(reference))
    np.testing.assert_allclose(output, nhwc(reference[f"out:{policy}"]), atol=1e-5)
    np.testing.assert_allclose(gradient, nhwc(reference[f"grad:{policy}"]), atol=1e-5)


@pytest.mark.parametrize(("name", "column"), [("brightness", 0), ("saturation", 1), ("contrast", 2)])
def test_each_colour_change_alone_is_the_reference_one(reference, name, column):
    neutral = np.full((5, 3), 0.5)
    neutral[:, column] = reference[f"u_{name}"].reshape(-1)
    output = jax.jit(colour)(nhwc(reference["images"]), draws(reference, colour=neutral))
    np.testing.assert_allclose(output, nhwc(reference[f"out:{name}"]), atol=1e-5)


@pytest.mark.parametrize("shape", [(7, 10, 1), (6, 6, 4), (9, 4, 5)])
def test_any_size_and_channel_count(shape):
    image = noise(4, *shape)
    changed = changed_by(diffaugment("color"), image)
    assert np.abs(changed - image).max() > 0.05
    if shape[-1] == 4:
        np.testing.assert_array_equal(changed[..., 3], image[..., 3])
    assert jax.eval_shape(diffaugment().apply, (), image, jax.random.key(1)).shape == image.shape


def test_saturation_leaves_one_colour_alone():
    image = noise(2, 4, 4, 1)
    neutral = np.tile(np.float32([0.5, 0.9, 0.5]), (2, 1))
    np.testing.assert_allclose(jax.jit(colour)(image, Draws(neutral, None, None)), image, atol=1e-6)


def test_shifts_reach_an_eighth_both_ways_and_each_image_has_its_own():
    image = np.zeros((400, 16, 8, 1), np.float32)
    image[:, 8, 4] = 1
    places = np.argwhere(changed_by(diffaugment("translation"), image, seed=0)[..., 0])
    assert set(places[:, 1]) == {6, 7, 8, 9, 10}
    assert set(places[:, 2]) == {3, 4, 5}


def test_p_is_the_chance_of_any_change_and_0_changes_no_bit():
    image = noise(500, 3, 3, 1)
    for p in (0.0, 0.3):
        share = np.mean(np.any(changed_by(diffaugment("color", p=p), image) != image, axis=(1, 2, 3)))
        assert abs(share - p) < (0.08 if p else 1e-9)


def test_what_is_refused():
    for arguments, message in [({"policy": "colour"}, "color"), ({"p": "adaptive"}, "ada"), ({"p": -1.0}, "p must")]:
        with pytest.raises(InputError, match=message):
            diffaugment(**arguments)
