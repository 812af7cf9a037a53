"""Path length against closed forms and StyleGAN2-ADA's own numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.regularizers import REGULARIZERS
from jaxgan.regularizers.path_length import path_lengths


def test_lengths_of_a_linear_generator():
    """G = A z: J^T y = A^T y / sqrt(H W), each example with its own noise."""
    rng = np.random.default_rng(0)
    matrix, z, noise = (jnp.asarray(rng.standard_normal(shape), jnp.float32)
                        for shape in ((3, 4 * 2 * 5), (6, 3), (6, 4, 2, 5)))
    lengths = path_lengths(lambda z: (z @ matrix).reshape(-1, 4, 2, 5), z, noise)
    expected = np.linalg.norm(np.asarray(noise).reshape(6, -1) @ matrix.T, axis=1) / np.sqrt(8)
    np.testing.assert_allclose(lengths, expected, rtol=1e-5)


@pytest.mark.parametrize("fixture", ["sg2_uncond_skip_resnet_32", "sg2_cond_skip_resnet_32",
                                     "sg2_uncond_Gresnet_Dorig_clamp_32"])
def test_stylegan2_ada(view, shared, monkeypatch, fixture):
    """Lengths, their average and the penalty of the official loss class, given its Jacobian products over styles."""
    arrays = np.load(shared(f"reference/{fixture}.npz"))
    products = jnp.asarray(arrays["pl_grads_ws"])
    monkeypatch.setattr(jax.random, "normal", lambda key, shape: jnp.ones(shape))
    part = REGULARIZERS["path_length"](weight=2.0, decay=0.99, batch_shrink=2)
    count = len(products)
    styles = jnp.zeros((2 * count, *products.shape[1:]))

    def generator(styles):  # one pixel whose gradient is the given product
        return jnp.sum(styles * products, axis=(1, 2)).reshape(-1, 1, 1, 1)

    value, state, _ = part.apply(part.init(), view(generator=generator, z=styles, fake=jnp.zeros((2 * count, 1, 1, 1))))
    lengths = path_lengths(generator, styles[:count], jnp.ones((count, 1, 1, 1)))
    np.testing.assert_allclose(lengths, arrays["pl_lengths_f64"], rtol=1e-5)
    np.testing.assert_allclose(state["mean"], arrays["pl_mean_after_f64"], rtol=1e-5)
    np.testing.assert_allclose(value / 2, arrays["Greg:pl_penalty_f64"].mean(), rtol=1e-5)


def test_the_average_moves_and_takes_part_in_the_gradient(view):
    """G = s z with one latent and one pixel: |J^T y| = s |y|; the penalty is mean (s|y| - 0.1 mean s|y|)^2."""
    part = REGULARIZERS["path_length"](weight=1.0, decay=0.9, batch_shrink=1)

    def value(scale):
        def generator(z):
            return (scale * z).reshape(-1, 1, 1, 1)
        result, state, metrics = part.apply(
            part.init(), view(generator=generator, z=jnp.zeros((256, 1)), fake=jnp.zeros((256, 1, 1, 1))))
        return result, (state, metrics)

    (result, (state, metrics)), gradient = jax.jit(jax.value_and_grad(value, has_aux=True))(3.0)
    assert metrics["mean"] == state["mean"] == pytest.approx(0.3 * np.sqrt(2 / np.pi), rel=0.1)
    # The penalty is s^2 times a constant, but only if the average follows s.
    assert gradient == pytest.approx(2 * float(result) / 3, rel=1e-4)


def test_a_flat_generator_has_a_finite_gradient(view):
    part = REGULARIZERS["path_length"]()
    gradient = jax.jit(jax.grad(lambda scale: part.apply(part.init(), view(
        generator=lambda z: scale * z.reshape(-1, 1, 1, 2), z=jnp.ones((4, 2)), fake=jnp.zeros((4, 1, 1, 2))))[0]))(0.0)
    assert gradient == 0


def test_shrinking_below_one_is_refused():
    with pytest.raises(InputError, match="batch_shrink is 0"):
        REGULARIZERS["path_length"](batch_shrink=0)


def test_it_is_measured_in_w_where_there_is_one(view):
    """A mapping z -> 5 z in front changes where the length is taken, and not the length."""
    noise, maps = jnp.arange(1.0, 9).reshape(8, 1, 1, 1), {"mapping": lambda z, label: 5 * z}

    def synthesis(w):
        return (3 * w).reshape(-1, 1, 1, 1)

    part = REGULARIZERS["path_length"](batch_shrink=1)
    inputs = {"z": jnp.ones((8, 1)), "fake": noise, "generator": lambda z: synthesis(5 * z)}
    in_z, in_w = (part.apply(part.init(), view(**inputs, **halves))[2]["mean"]
                  for halves in ({}, maps | {"synthesis": synthesis}))
    assert float(in_z) == pytest.approx(5 * float(in_w), rel=1e-5)
