"""Gradient penalties: discriminators whose gradients are known by hand, finite differences, StudioGAN, R3GAN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.layers.convolution import conv
from jaxgan.losses import LOSSES
from jaxgan.regularizers import REGULARIZERS
from jaxgan.regularizers.gradient import estimated_squared_gradient_norm, interpolate

SHAPE = (4, 3, 2, 2)
NAMES = ("r1", "r2", "gradient_penalty", "max_gradient_penalty", "dragan")


@pytest.fixture
def penalty(apply):
    def run(name, discriminator, real, fake, seed=0, **arguments):
        return apply(name, arguments, discriminator=discriminator, real=real, fake=fake, seed=seed)
    return run


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


def test_r1_of_a_linear_discriminator(penalty, images, weight):
    """D = <w, x> + b: R1 = gamma/2 |w|^2 wherever it is looked at, with gradient gamma w."""
    real, fake = images
    value, by_weight = jax.jit(jax.value_and_grad(lambda w: penalty("r1", linear(w), real, fake, gamma=3.0)[0]))(weight)
    np.testing.assert_allclose(value, 1.5 * (weight**2).sum(), rtol=1e-5)
    np.testing.assert_allclose(by_weight, 3.0 * weight, rtol=1e-5)


def test_r1_of_a_quadratic_discriminator(penalty, images):
    """D = a/2 |x|^2: R1 = gamma/2 a^2 E|x|^2 over the reals alone, with derivative gamma a E|x|^2."""
    real, fake = images
    moment = (np.asarray(real, np.float64) ** 2).sum((1, 2, 3)).mean()
    (value, metrics), by_a = jax.jit(jax.value_and_grad(
        lambda a: penalty("r1", quadratic(a), real, fake, gamma=10.0)[::2], has_aux=True))(0.7)
    np.testing.assert_allclose(value, 5 * 0.7**2 * moment, rtol=1e-5)
    np.testing.assert_allclose(by_a, 10 * 0.7 * moment, rtol=1e-5)
    norms = np.sqrt((np.asarray(real, np.float64) ** 2).sum((1, 2, 3)))
    np.testing.assert_allclose(metrics["grad_norm"], 0.7 * norms.mean(), rtol=1e-5)


def test_gradient_penalty_of_a_linear_discriminator(penalty, images, weight):
    """GP = gamma (|w| - 1)^2 whatever the interpolates, with gradient 2 gamma (|w| - 1) w / |w|."""
    real, fake = images
    norm = np.linalg.norm(weight)
    (value, metrics), by_weight = jax.jit(jax.value_and_grad(
        lambda w: penalty("gradient_penalty", linear(w), real, fake)[::2], has_aux=True))(weight)
    np.testing.assert_allclose(value, 10 * (norm - 1) ** 2, rtol=1e-5)
    np.testing.assert_allclose(by_weight, 20 * (norm - 1) * weight / norm, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(metrics["grad_norm"], norm, rtol=1e-5)


def test_gradient_penalty_looks_between_fake_and_real(penalty, images):
    """D = a/2 |x|^2 has |grad| = a |x|: with reals at 2 and fakes at 0, E over alpha in [0, 1) of (a|x| - 1)^2."""
    real, fake = jnp.full((512, 1, 1, 1), 2.0), jnp.zeros((512, 1, 1, 1))
    value, _, metrics = jax.jit(lambda: penalty("gradient_penalty", quadratic(1.0), real, fake, gamma=1.0))()
    assert value == pytest.approx(1 / 3, abs=0.05)  # x ~ U[0, 2): E (x - 1)^2
    assert metrics["grad_norm"] == pytest.approx(1, abs=0.08)


def test_interpolates_are_one_draw_an_example_and_follow_the_key(penalty, images):
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


@pytest.mark.parametrize("name", NAMES)
def test_a_flat_discriminator_gives_finite_gradients(penalty, name, images):
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


def test_gradients_are_of_each_example_alone(penalty, images):
    """Doubling one image's gradient changes that image's share of R1 only: no cross terms between examples."""
    real, fake = images
    scale = jnp.array([1.0, 1.0, 1.0, 2.0])
    value = penalty("r1", lambda image: scale * image.sum((1, 2, 3)), real, fake, gamma=2.0)[0]
    np.testing.assert_allclose(value, 12 * (scale**2).mean(), rtol=1e-6)


def test_finite_differences_agree_with_the_exact_penalty(penalty, images, weight):
    """The mean over many directions is the exact penalty, and so is that of its gradient in the weights.

    sin bends enough for a step to matter: the bias is O(epsilon^2). The deviation of one estimate is sqrt(2) of the
    value, so that of the mean over 4 x 2048 is 1.6 %.
    """
    def value(w, seed, **arguments):
        def discriminator(image):
            return jnp.sin((image * w).sum((1, 2, 3)) / 4)
        return penalty("r1", discriminator, *images, seed, gamma=2.0, **arguments)[0]

    exact, exact_gradient = jax.jit(jax.value_and_grad(lambda w: value(w, 0)))(weight)
    estimate = jax.jit(lambda seeds: jax.tree.map(lambda leaf: leaf.mean(0), jax.vmap(
        lambda seed: jax.value_and_grad(lambda w: value(w, seed, epsilon=0.01))(weight))(seeds)))
    mean, gradient = estimate(jnp.arange(2048))
    np.testing.assert_allclose(mean, exact, rtol=0.06)
    np.testing.assert_allclose(gradient, exact_gradient, atol=0.08 * np.abs(exact_gradient).max())


def test_a_central_difference_has_no_second_order_error(view, images):
    """D = <w, x> + a |x|^2: the even part cancels, so the estimate along n is (<w + 2 a x, n>)^2 at any step."""
    real, _ = images
    slope = 1 + 2 * 3.0 * real
    direction = jax.random.normal(keys.root(5), SHAPE)
    for epsilon in (0.5, 0.05):
        estimate = estimated_squared_gradient_norm(
            view(discriminator=lambda x: (x + 3 * x**2).sum((1, 2, 3))), real, keys.root(5), epsilon)
        np.testing.assert_allclose(estimate, (slope * direction).sum((1, 2, 3)) ** 2, rtol=2e-3)


def test_r1_looks_at_reals_and_r2_at_fakes_alone(penalty, images):
    real, fake = images
    squares = [float((np.asarray(image, np.float64) ** 2).sum((1, 2, 3)).mean()) for image in (real, fake)]
    assert penalty("r1", quadratic(1.0), real, fake, gamma=2.0)[0] == pytest.approx(squares[0], rel=1e-5)
    assert penalty("r2", quadratic(1.0), real, fake, gamma=2.0)[0] == pytest.approx(squares[1], rel=1e-5)


def test_r2_sends_no_gradient_into_the_fakes(penalty, images):
    """Of the estimate; the engine sees to the exact one."""
    gradient = jax.grad(lambda fake: penalty("r2", quadratic(1.0), images[0], fake, epsilon=0.1)[0])(images[1])
    np.testing.assert_array_equal(gradient, 0)


def test_max_gradient_penalty_is_that_of_the_steepest_example(penalty, images):
    scale = jnp.array([1.0, 3.0, 2.0, 0.5])
    value, _, metrics = penalty("max_gradient_penalty", lambda x: scale * x.sum((1, 2, 3)), *images, gamma=2.0)
    np.testing.assert_allclose(value, 2 * 9 * 12, rtol=1e-6)
    np.testing.assert_allclose(metrics["grad_norm"], np.sqrt(12) * 6.5 / 4, rtol=1e-6)


def test_dragan_stays_around_the_data(penalty):
    """D = x^2 / 2 at one-pixel reals of 0 and 2 (deviation 1): |grad| = x = real + alpha u / 2, whose mean is 1.125."""
    real = jnp.zeros((4096, 1, 1, 1)).at[::2].set(2.0)
    _, _, metrics = penalty("dragan", quadratic(1.0), real, None)
    assert metrics["grad_norm"] == pytest.approx(1.125, abs=0.01)
    _, _, metrics = penalty("dragan", quadratic(1.0), real, None, spread=1.0)
    assert metrics["grad_norm"] == pytest.approx(1.25, abs=0.02)


def test_a_step_must_be_positive():
    with pytest.raises(InputError, match="r1: epsilon is 0"):
        REGULARIZERS["r1"](epsilon=0)


def studiogan_discriminator(weights):
    """The small discriminator behind StudioGAN's values, with its channels-first flattening."""
    def discriminator(image):
        kernel = weights["conv_weight"].transpose(2, 3, 1, 0)
        x = jnp.tanh(conv(image, kernel, stride=2, padding=1) + weights["conv_bias"])
        flat = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
        return (flat @ weights["fc_weight"].T + weights["fc_bias"])[:, 0]
    return discriminator


@pytest.mark.parametrize(("name", "reference"), [
    ("r1", "R1_studiogan"), ("r1", "R1_stylegan"), ("gradient_penalty", "GP"), ("max_gradient_penalty", "maxGP"),
    ("dragan", "DRAGAN")])
def test_studiogan(penalty, studiogan, monkeypatch, name, reference):
    """Values and second-order weight gradients, at StudioGAN's own random numbers."""
    real, fake = (jnp.asarray(studiogan[key].transpose(0, 2, 3, 1)) for key in ("real", "fake"))
    drawn = {(8, 1, 1, 1): studiogan["dra_alpha" if name == "dragan" else "gp_alpha"].reshape(8, 1, 1, 1),
             real.shape: studiogan["dra_noise"].transpose(0, 2, 3, 1)}
    monkeypatch.setattr(jax.random, "uniform", lambda key, shape, dtype: jnp.asarray(drawn[shape], dtype))
    weights = {key: jnp.asarray(studiogan[f"tinyD/{key}"])
               for key in ("conv_weight", "conv_bias", "fc_weight", "fc_bias")}
    result, gradients = jax.jit(jax.value_and_grad(
        lambda weights: penalty(name, studiogan_discriminator(weights), real, fake, gamma=1.0)[0]))(weights)
    np.testing.assert_allclose(result, studiogan[f"{reference}_f64"], rtol=1e-5)
    for key, gradient in gradients.items():
        expected = studiogan[f"{reference}:d_{key}_f64"]
        np.testing.assert_allclose(gradient, expected, atol=1e-5 * max(np.abs(expected).max(), 1e-6), err_msg=key)


def r3gan_discriminator(weights):
    """R3GAN's 8x8 discriminator, from its published weights: two stages, leaky ReLU without gain, no norm."""
    def kernel(name):
        return weights[f"Model.{name}.weight"].transpose(2, 3, 1, 0)

    def block(x, name, groups):
        y = conv(x, kernel(f"{name}.LinearLayer1.Layer"), padding=0)
        y = jax.nn.leaky_relu(y + weights[f"Model.{name}.NonLinearity1.Bias"], 0.2)
        y = conv(y, kernel(f"{name}.LinearLayer2.Layer"), padding=1, groups=groups)
        y = jax.nn.leaky_relu(y + weights[f"Model.{name}.NonLinearity2.Bias"], 0.2)
        return x + conv(y, kernel(f"{name}.LinearLayer3.Layer"), padding=0)

    def discriminator(image):
        x = conv(image, kernel("ExtractionLayer.Layer"), padding=0)
        for index in (0, 1):
            x = block(x, f"MainLayers.0.Layers.{index}", 2)
        smooth = jnp.outer(jnp.array([1.0, 3, 3, 1]), jnp.array([1.0, 3, 3, 1])) / 64
        x = conv(x, jnp.tile(smooth[:, :, None, None], (1, 1, 1, 16)), stride=2, padding=1, groups=16)
        x = conv(x, kernel("MainLayers.0.Layers.2.LinearLayer.Layer"), padding=0)
        x = block(x, "MainLayers.1.Layers.0", 4)
        x = conv(x, kernel("MainLayers.1.Layers.1.Basis"), padding=0, groups=32)
        return (x.reshape(-1, 32) @ weights["Model.MainLayers.1.Layers.1.LinearLayer.weight"].T)[:, 0]
    return discriminator


def test_r3gan(penalty, shared):
    """The whole loss of R3GAN's discriminator, RpGAN + R1 + R2, and its second-order gradient."""
    arrays = np.load(shared("reference/r3gan_uncond_8x8.npz"))
    real, fake = (jnp.asarray(arrays[name].transpose(0, 2, 3, 1)) for name in ("real", "fake"))
    weights = {name[2:]: jnp.asarray(arrays[name]) for name in arrays if name.startswith("D/")}

    def objective(weights):
        discriminator = r3gan_discriminator(weights)
        penalties = [penalty(name, discriminator, real, fake, gamma=1.5)[0] for name in ("r1", "r2")]
        adversarial = LOSSES["relativistic_paired"]().discriminator(discriminator(real), discriminator(fake))
        return adversarial.mean() + sum(penalties), penalties

    (value, penalties), gradients = jax.jit(jax.value_and_grad(objective, has_aux=True))(weights)
    for result, name in zip(penalties, ("R1_f64", "R2_f64")):
        np.testing.assert_allclose(result, 0.75 * arrays[name].mean(), rtol=1e-4)
    np.testing.assert_allclose(value, arrays["D_loss_f64"], rtol=1e-4)
    compared = [name for name in weights if f"grad_D_f64/{name}" in arrays]
    assert len(compared) == len(weights) - 1  # all but the fixed filter of the downsampling
    for name in compared:
        expected = arrays[f"grad_D_f64/{name}"]
        np.testing.assert_allclose(gradients[name], expected, atol=1e-4 * np.abs(expected).max(), err_msg=name)
