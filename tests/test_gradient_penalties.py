"""R1 and the gradient penalty against discriminators whose gradients are known by hand, and against StudioGAN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import keys
from jaxgan.layers.convolution import conv
from jaxgan.regularizers import REGULARIZERS
from jaxgan.regularizers.gradient import interpolate
from jaxgan.typing import DiscriminatorOutput, View

SHAPE = (4, 3, 2, 2)


def make_view(discriminator, real, fake, seed=0):
    """A discriminator's view: `discriminator(image) -> logit [B]`."""
    key = keys.root(seed)
    return View(generator=None, discriminator=lambda image, label: DiscriminatorOutput(discriminator(image)),
                params=None, real=real, fake=fake, label=None, z=None, real_output=None, fake_output=None, key=key,
                step=jnp.zeros((), jnp.int32))


def penalty(name, discriminator, real, fake, seed=0, **arguments):
    regularizer = REGULARIZERS[name](**arguments)
    return regularizer.apply(regularizer.init(), make_view(discriminator, real, fake, seed))


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.uniform(-1, 1, SHAPE), jnp.float32) for _ in range(2)]


@pytest.fixture
def weight():
    return jnp.asarray(np.random.default_rng(1).standard_normal(SHAPE[1:]), jnp.float32)


def linear(w):
    return lambda image: (image * w).sum((1, 2, 3)) + 3.0


def quadratic(a):
    return lambda image: a / 2 * (image**2).sum((1, 2, 3))


@pytest.mark.parametrize("name", REGULARIZERS)
def test_contract(name, images, weight):
    regularizer = REGULARIZERS[name]()
    assert regularizer.player in ("generator", "discriminator")
    state = regularizer.init()
    value, new_state, metrics = jax.jit(
        lambda state, w: regularizer.apply(state, make_view(linear(w), *images)))(state, weight)
    assert value.shape == ()
    assert value.dtype == jnp.float32
    assert jax.tree.structure(new_state) == jax.tree.structure(state)
    assert metrics
    assert all(np.shape(metric) == () for metric in metrics.values())


def test_r1_of_a_linear_discriminator(images, weight):
    """D = <w, x> + b: R1 = gamma/2 |w|^2 wherever it is looked at, with gradient gamma w."""
    real, fake = images
    value, by_weight = jax.jit(jax.value_and_grad(lambda w: penalty("r1", linear(w), real, fake, gamma=3.0)[0]))(weight)
    np.testing.assert_allclose(value, 1.5 * (weight**2).sum(), rtol=1e-5)
    np.testing.assert_allclose(by_weight, 3.0 * weight, rtol=1e-5)


def test_r1_of_a_quadratic_discriminator(images):
    """D = a/2 |x|^2: R1 = gamma/2 a^2 E|x|^2 over the reals alone, with derivative gamma a E|x|^2."""
    real, fake = images
    moment = (np.asarray(real, np.float64) ** 2).sum((1, 2, 3)).mean()
    (value, metrics), by_a = jax.jit(jax.value_and_grad(
        lambda a: penalty("r1", quadratic(a), real, fake, gamma=10.0)[::2], has_aux=True))(0.7)
    np.testing.assert_allclose(value, 5 * 0.7**2 * moment, rtol=1e-5)
    np.testing.assert_allclose(by_a, 10 * 0.7 * moment, rtol=1e-5)
    norms = np.sqrt((np.asarray(real, np.float64) ** 2).sum((1, 2, 3)))
    np.testing.assert_allclose(metrics["grad_norm"], 0.7 * norms.mean(), rtol=1e-5)


def test_gradient_penalty_of_a_linear_discriminator(images, weight):
    """GP = gamma (|w| - 1)^2 whatever the interpolates, with gradient 2 gamma (|w| - 1) w / |w|."""
    real, fake = images
    norm = np.linalg.norm(weight)
    (value, metrics), by_weight = jax.jit(jax.value_and_grad(
        lambda w: penalty("gradient_penalty", linear(w), real, fake)[::2], has_aux=True))(weight)
    np.testing.assert_allclose(value, 10 * (norm - 1) ** 2, rtol=1e-5)
    np.testing.assert_allclose(by_weight, 20 * (norm - 1) * weight / norm, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(metrics["grad_norm"], norm, rtol=1e-5)


def test_gradient_penalty_looks_between_fake_and_real(images):
    """D = a/2 |x|^2 has |grad| = a |x|: with reals at 2 and fakes at 0, E over alpha in [0, 1) of (a|x| - 1)^2."""
    real, fake = jnp.full((512, 1, 1, 1), 2.0), jnp.zeros((512, 1, 1, 1))
    value, _, metrics = jax.jit(lambda: penalty("gradient_penalty", quadratic(1.0), real, fake, gamma=1.0))()
    assert value == pytest.approx(1 / 3, abs=0.05)  # x ~ U[0, 2): E (x - 1)^2
    assert metrics["grad_norm"] == pytest.approx(1, abs=0.08)


def test_interpolates_are_one_draw_an_example_and_follow_the_key(images):
    real, fake = images
    first, again, other = (interpolate(keys.root(seed), real, fake) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    alpha = np.asarray((first - fake) / (real - fake))
    assert ((alpha > -1e-3) & (alpha < 1.001)).all()
    np.testing.assert_allclose(alpha, np.broadcast_to(alpha[:, :1, :1, :1], SHAPE), atol=1e-3)
    assert np.unique(alpha[:, 0, 0, 0].round(3)).size == SHAPE[0]
    values = [penalty("gradient_penalty", quadratic(1.0), real, fake, seed)[0] for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


@pytest.mark.parametrize("name", REGULARIZERS)
def test_a_flat_discriminator_gives_finite_gradients(name, images):
    """The norm's derivative at a zero gradient would be NaN; it is 0 here, and stays so inside a scan."""
    real, fake = images

    def loss(w):
        def body(carry, _):
            value, _, metrics = penalty(name, linear(w), real, fake)
            return carry + value, metrics
        total, _ = jax.lax.scan(body, 0.0, None, length=2)
        return total

    value, gradient = jax.jit(jax.value_and_grad(loss))(jnp.zeros(SHAPE[1:]))
    assert jnp.isfinite(value)
    np.testing.assert_array_equal(gradient, np.zeros(SHAPE[1:]))


def test_gradients_are_of_each_example_alone(images):
    """Doubling one image's gradient changes that image's share of R1 only: no cross terms between examples."""
    real, fake = images
    scale = jnp.array([1.0, 1.0, 1.0, 2.0])
    value = penalty("r1", lambda image: scale * image.sum((1, 2, 3)), real, fake, gamma=2.0)[0]
    np.testing.assert_allclose(value, 12 * (scale**2).mean(), rtol=1e-6)


@pytest.mark.parametrize(("name", "reference", "gamma"), [
    ("r1", "R1_studiogan", 1.0), ("r1", "R1_stylegan", 1.0), ("gradient_penalty", "GP", 1.0)])
def test_studiogan(shared, name, reference, gamma):
    """Values and second-order weight gradients of a small convolutional discriminator."""
    arrays = np.load(shared("reference/losses_studiogan.npz"))
    real, fake = (jnp.asarray(arrays[key].transpose(0, 2, 3, 1)) for key in ("real", "fake"))
    weights = {key: jnp.asarray(arrays[f"tinyD/{key}"]) for key in ("conv_weight", "conv_bias", "fc_weight", "fc_bias")}
    if name == "gradient_penalty":  # StudioGAN's own interpolates; what lies between x and x is x, whatever our draw
        alpha = arrays["gp_alpha"][:, :, None, None]
        real = fake = alpha * real + (1 - alpha) * fake

    def value(weights):
        def discriminator(image):
            kernel = weights["conv_weight"].transpose(2, 3, 1, 0)
            x = jnp.tanh(conv(image, kernel, stride=2, padding=1) + weights["conv_bias"])
            flat = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
            return (flat @ weights["fc_weight"].T + weights["fc_bias"])[:, 0]
        return penalty(name, discriminator, real, fake, gamma=gamma)[0]

    result, gradients = jax.jit(jax.value_and_grad(value))(weights)
    np.testing.assert_allclose(result, arrays[f"{reference}_f64"], rtol=1e-5)
    for key, gradient in gradients.items():
        expected = arrays[f"{reference}:d_{key}_f64"]
        np.testing.assert_allclose(gradient, expected, atol=1e-5 * max(np.abs(expected).max(), 1e-6), err_msg=key)
