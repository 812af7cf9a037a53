"""Consistency terms: what the transformation may do, closed forms, and StudioGAN's values."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.regularizers import REGULARIZERS
from jaxgan.regularizers.consistency import flip_and_shift


@pytest.fixture(scope="module")
def image():
    return jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (64, 8, 16, 2)), jnp.float32)


def candidates(image, most, flip):
    """Every flipped and shifted version of one image, by numpy's own reflection."""
    (down, right), (height, width) = most, image.shape[:2]
    padded = np.pad(image, ((down, down), (right, right), (0, 0)), mode="reflect")
    moved = {(dy, dx): padded[dy:dy + height, dx:dx + width]
             for dy, dx in itertools.product(range(2 * down + 1), range(2 * right + 1))}
    return {(*where, False): one for where, one in moved.items()} | (
        {(*where, True): one[:, ::-1] for where, one in moved.items()} if flip else {})


@pytest.mark.parametrize("flip", [True, False])
def test_each_image_is_flipped_or_not_and_moved_by_its_own_draw(image, flip):
    result = np.asarray(jax.jit(lambda image: flip_and_shift(keys.root(3), image, flip, 0.125))(image))
    chosen = set()
    for before, after in zip(np.asarray(image), result):
        found = [where for where, one in candidates(before, (1, 2), flip).items() if np.array_equal(one, after)]
        assert len(found) == 1
        chosen.add(found[0])
    assert len(chosen) > (18 if flip else 11)  # of 30, or 15
    assert {where[0] for where in chosen} == set(range(3))
    assert {where[1] for where in chosen} == set(range(5))
    assert {where[2] for where in chosen} == ({True, False} if flip else {False})


def test_no_shift_and_no_flip_is_the_identity(image):
    np.testing.assert_array_equal(flip_and_shift(keys.root(0), image, False, 0.0), image)
    point = image[:, :1, :1]
    np.testing.assert_array_equal(flip_and_shift(keys.root(0), point, True, 0.5), point)


@pytest.mark.parametrize("name", ["cr", "bcr"])
def test_a_discriminator_that_does_not_care_pays_nothing(apply, image, name):
    value, _, _ = apply(name, {"shift": 0.0}, discriminator=lambda x: x.sum((1, 2, 3)), real=image, fake=image,
                        real_output=image.sum((1, 2, 3)), fake_output=image.sum((1, 2, 3)))
    assert value == pytest.approx(0, abs=1e-8)


def test_a_discriminator_that_sees_the_flip_pays_for_it(apply, image):
    """D = left - right: T turns its sign for the half of the images that are flipped, so E (2 D)^2 / 2 on average."""
    def discriminator(x):
        return x[:, :, :8].sum((1, 2, 3)) - x[:, :, 8:].sum((1, 2, 3))
    logit = discriminator(image)
    value, _, _ = apply("cr", {"weight": 3.0, "shift": 0.0}, discriminator=discriminator, real=image,
                        real_output=logit)
    flipped = np.asarray(jax.random.bernoulli(
        keys.stream(keys.stream(keys.root(0), "cr"), "flip"), 0.5, (64, 1)))[:, 0]
    assert 20 < flipped.sum() < 44
    np.testing.assert_allclose(value, 3 * np.mean(4 * np.asarray(logit) ** 2 * flipped), rtol=1e-4)


# The discriminator answers StudioGAN's logits in the order in which a term asks.
def answers(*logits):
    left = list(logits)
    return lambda image: left.pop(0)


@pytest.mark.parametrize(("reference", "name", "arguments"), [
    ("CR", "cr", {"weight": 1.0}), ("bCR", "bcr", {}), ("zCR_D", "zcr", {})])
def test_studiogan_discriminator(apply, studiogan, reference, name, arguments):
    """Values, and gradients in every logit: none is held fixed."""
    z, image = jnp.zeros((8, 2)), jnp.zeros((8, 8, 8, 3))

    def value(real, fake, partner):
        second = {"bcr": [partner, 0.5 * partner]}.get(name, [partner])
        return apply(name, arguments, discriminator=answers(*second), generator=lambda z: image, real=image, fake=image,
                     z=z, real_output=real, fake_output=fake)[0]

    logits = [jnp.asarray(studiogan[key]) for key in ("logits_real", "logits_fake", "prl")]
    result, gradients = jax.jit(jax.value_and_grad(value, (0, 1, 2)))(*logits)
    np.testing.assert_allclose(result, studiogan[f"{reference}_f64"], rtol=1e-5)
    for key, gradient in zip(("logits_real", "logits_fake", "prl"), gradients):
        expected = studiogan[f"{reference}:d_{key}_f64"] if f"{reference}:d_{key}_f64" in studiogan else np.zeros(8)
        np.testing.assert_allclose(gradient, expected, atol=1e-5 * max(np.abs(expected).max(), 1e-6), err_msg=key)


def test_studiogan_generator(apply, studiogan):
    fake, near = (jnp.asarray(studiogan[key]) for key in ("fake", "real"))
    result, gradients = jax.jit(jax.value_and_grad(lambda fake, near: apply(
        "zcr", None, "generator", generator=lambda z: near, fake=fake, z=jnp.zeros((8, 2)))[0], (0, 1)))(fake, near)
    np.testing.assert_allclose(result, studiogan["zCR_G_f64"], rtol=1e-5)
    for key, gradient in zip(("fake", "real"), gradients):
        expected = studiogan[f"zCR_G:d_{key}_f64"]
        np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max())


def test_the_latent_step_has_the_given_size(apply):
    """G = z: the generator's half is minus the mean square of the step, sigma^2."""
    z = jnp.zeros((64, 4, 4, 4))
    value, _, _ = apply("zcr", {"generator_weight": 2.0, "sigma": 0.3}, "generator", generator=lambda z: z, fake=z, z=z)
    assert value == pytest.approx(-2 * 0.09, rel=0.1)


def test_icr_is_bcr_and_zcr(apply, image):
    z = jnp.ones((8, 2))
    generators = [apply(name, {"generator_weight": 3.0}, "generator", generator=lambda z: z, fake=z, z=z)[0]
                  for name in ("icr", "zcr")]
    assert generators[0] == generators[1] < 0
    fields = {"discriminator": lambda x: (x * image[0]).sum((1, 2, 3)), "generator": lambda z: z, "real": image,
              "fake": image, "z": image, "real_output": jnp.ones(64), "fake_output": jnp.zeros(64)}
    both = apply("icr", {"latent_weight": 7.0, "sigma": 0.1}, **fields)
    parts = [apply("bcr", None, **fields)[0], apply("zcr", {"weight": 7.0, "sigma": 0.1}, **fields)[0]]
    np.testing.assert_allclose(both[0], sum(parts), rtol=1e-6)
    np.testing.assert_allclose(both[2]["latent"], parts[1], rtol=1e-6)


def test_a_shift_beyond_the_image_is_refused():
    for name in ("cr", "bcr", "icr"):
        with pytest.raises(InputError, match=r"shift is 1\.5"):
            REGULARIZERS[name](shift=1.5)
