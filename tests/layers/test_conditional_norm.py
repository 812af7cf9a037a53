"""Normalization with a condition, and labels as vectors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import WIDTHS

from jaxgan.errors import InputError
from jaxgan.layers.conditional_norm import CONDITIONAL, Norm, label_vector
from jaxgan.layers.spectral import Layers


@pytest.mark.parametrize("wide", WIDTHS)
def test_studiogan(shared, wide):
    arrays = np.load(shared("reference/layers_attention_cbn.npz"))
    dtype, suffix, tolerance = ("float64", "_f64", 1e-11) if wide else ("float32", "", 1e-5)

    def check(value, name):
        expected = arrays[name + suffix]
        expected = expected.transpose(0, 2, 3, 1) if expected.ndim == 4 else expected.T
        np.testing.assert_allclose(value, expected, rtol=0, atol=tolerance * np.abs(expected).max(), err_msg=name)

    with jax.enable_x64(wide):
        x, cotangent = (jnp.asarray(arrays[name].transpose(0, 2, 3, 1).astype(dtype)) for name in ("x", "ct"))
        condition = jnp.asarray(arrays["y"].astype(dtype))
        # The statistics stored are those after the training forward; evaluation came before it.
        batch = {"mean": arrays["x"].mean((0, 2, 3), dtype="float64"),
                 "var": arrays["x"].var((0, 2, 3), ddof=1, dtype="float64")}
        stats = {"batch": {name: jnp.asarray(
            (arrays[f"cbn_running_{name}_after_f64"] - 0.1 * value) / 0.9, dtype) for name, value in batch.items()}}
        params = {name: {"kernel": jnp.asarray(arrays[f"cbn/{name}.weight"].astype(dtype).T)}
                  for name in ("gain", "bias")}
        norm = Norm("conditional_batch", Layers(dtype=dtype), epsilon=1e-4)
        check(norm.apply({"params": params, "batch_stats": stats}, x, condition, train=False), "cbn_eval")

        @jax.jit
        def train(params, x, cotangent):
            def forward(params, x):
                return norm.apply({"params": params, "batch_stats": stats}, x, condition, train=True,
                                  mutable=["batch_stats"])
            y, pullback, changed = jax.vjp(forward, params, x, has_aux=True)
            return y, changed["batch_stats"]["batch"], pullback(cotangent)
        y, after, (gradients, gradient_x) = train(params, x, cotangent)
    check(y, "cbn_train")
    check(after["mean"], "cbn_running_mean_after")
    check(after["var"], "cbn_running_var_after")
    check(gradient_x, "cbn_grad_x")
    check(gradients["gain"]["kernel"], "cbn_grad_gain.weight")
    check(gradients["bias"]["kernel"], "cbn_grad_bias.weight")


@pytest.fixture
def x():
    return np.random.default_rng(0).normal([1.0, -2.0], [2.0, 0.5], (3, 4, 4, 2)).astype(np.float32)


def apply(kind, x, condition=None):
    """What it gives with its first variables, and those, in NumPy."""
    norm = Norm(kind, Layers())
    run = jax.jit(lambda *given: norm.init_with_output(*given, train=True))
    return jax.device_get(run(jax.random.key(0), x, condition))


def test_plain_kinds(x):
    np.testing.assert_array_equal(apply("none", x)[0], x)
    assert not apply("none", x)[1]
    layer, variables = apply("layer", x)
    np.testing.assert_allclose(layer.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(layer.var((1, 2, 3)), 1, atol=1e-4)
    assert variables["params"]["layer"]["scale"].shape == (2,)
    batch, variables = apply("batch", x)
    np.testing.assert_allclose(batch.mean((0, 1, 2)), 0, atol=1e-5)
    for kind in CONDITIONAL:
        np.testing.assert_array_equal(apply(kind, x)[0], batch)


def test_adain_sees_each_example_alone_and_modulation_follows_the_condition(x):
    condition = np.array([[0, 1, -1], [1, 1, 1], [-1, 0, 2]], np.float32)
    y, variables = apply("adain", x, condition)
    assert set(variables) == {"params"}
    others = np.concatenate([x[:1], 3 * x[1:]])
    among_others = jax.jit(lambda *given: Norm("adain", Layers()).apply(*given, train=True))(
        variables, others, condition)
    np.testing.assert_allclose(among_others[0], y[0], atol=1e-5)
    plain = apply("adain", x, np.zeros_like(condition))[0]  # no bias yet: a condition of zeros modulates nothing
    np.testing.assert_allclose(plain.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(plain.var((1, 2)), 1, atol=1e-3)
    params = variables["params"]
    hidden = np.maximum(condition @ params["hidden"]["kernel"] + params["hidden"]["bias"], 0)
    gain, bias = (hidden @ params[name]["kernel"] + params[name]["bias"] for name in ("gain", "bias"))
    np.testing.assert_allclose(y, plain * (1 + gain[:, None, None]) + bias[:, None, None], atol=1e-5)


def test_self_modulation_is_adain_over_batch_statistics(x):
    condition = np.array([[0, 1, -1], [1, 1, 1], [-1, 0, 2]], np.float32)
    y, variables = apply("self_modulation", x, condition)
    _, adain = apply("adain", x, condition)
    assert jax.tree.structure(adain["params"]) == jax.tree.structure(variables["params"])
    params, plain = variables["params"], apply("batch", x)[0]
    hidden = np.maximum(condition @ params["hidden"]["kernel"], 0)
    gain, bias = (hidden @ params[name]["kernel"] for name in ("gain", "bias"))
    np.testing.assert_allclose(y, plain * (1 + gain[:, None, None]) + bias[:, None, None], atol=1e-5)


def test_label_vector():
    np.testing.assert_array_equal(label_vector(jnp.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]])
    vector = jnp.array([[0.5, 0, 2.0]])
    np.testing.assert_array_equal(label_vector(vector, 3), vector)
    assert np.isnan(label_vector(jnp.array([3, -1]), 3)).all()
    with pytest.raises(InputError, match="give it a label"):
        label_vector(None, 3)
    with pytest.raises(InputError, match="does not fit 3 classes"):
        label_vector(jnp.ones((1, 4)), 3)
