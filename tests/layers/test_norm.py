"""BatchNorm against PyTorch's numbers and its own definition; label embeddings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.layers.embed import Embed
from jaxgan.layers.norm import BatchNorm


@pytest.fixture
def x():
    return np.random.default_rng(0).normal([1.0, -2.0, 0.5], [1.0, 3.0, 0.1], (4, 2, 3, 3)).astype(np.float32)


def variables(channels=3):
    zeros, ones = np.zeros(channels, np.float32), np.ones(channels, np.float32)
    return {"params": {"scale": ones, "bias": zeros}, "batch_stats": {"mean": zeros, "var": ones}}


def update(norm, state, x):
    y, changed = jax.jit(lambda state, x: norm.apply(state, x, train=True, mutable=["batch_stats"]))(state, x)
    return np.asarray(y), state | jax.device_get(changed)


def nhwc(array):
    return array.transpose(0, 2, 3, 1)


@pytest.mark.parametrize("wide", [False, True], ids=["float32", "float64"])
def test_pytorch(shared, wide):
    """Three updates, the gradients of the last one, and the evaluation that follows."""
    arrays = np.load(shared("reference/layers_sn_bn_convT.npz"))
    dtype, suffix, tolerance = (jnp.float64, "_f64", 1e-11) if wide else (jnp.float32, "", 1e-5)

    def check(value, name):
        expected = arrays[name + suffix]
        np.testing.assert_allclose(value, expected, rtol=0, atol=tolerance * np.abs(expected).max(), err_msg=name)

    with jax.enable_x64(wide):
        given = {key: arrays[f"bn_{key}"].astype(dtype) for key in
                 ("weight", "bias", "running_mean0", "running_var0", "cotangent", "x1", "x2", "x3")}
        norm = BatchNorm(momentum=0.9, epsilon=1e-5)
        params = {"scale": given["weight"], "bias": given["bias"]}
        stats = {"mean": given["running_mean0"], "var": given["running_var0"]}

        def forward(params, stats, x):
            return norm.apply({"params": params, "batch_stats": stats}, x, train=True, mutable=["batch_stats"])

        @jax.jit
        def train(params, stats, x, cotangent):
            y, pullback, changed = jax.vjp(lambda params, x: forward(params, stats, x), params, x, has_aux=True)
            evaluated = norm.apply({"params": params, **changed}, x, train=False)
            return y, changed, pullback(cotangent), evaluated

        for i in (1, 2, 3):
            y, changed, gradients, evaluated = jax.device_get(
                train(params, stats, nhwc(given[f"x{i}"]), nhwc(given["cotangent"])))
            stats = changed["batch_stats"]
            check(y.transpose(0, 3, 1, 2), f"bn_y{i}")
            check(stats["mean"], f"bn_running_mean{i}")
            check(stats["var"], f"bn_running_var{i}")
        by_params, by_x = gradients
        check(by_x.transpose(0, 3, 1, 2), "bn_grad_x3")
        check(by_params["scale"], "bn_grad_weight")
        check(by_params["bias"], "bn_grad_bias")
        check(evaluated.transpose(0, 3, 1, 2), "bn_eval_y3")


def test_training_normalises_the_batch_and_moves_the_running_statistics(x):
    y, state = update(BatchNorm(), variables(), x)
    np.testing.assert_allclose(np.mean(y, (0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(np.var(y, (0, 1, 2)), 1, rtol=2e-3)
    flat = np.asarray(x, np.float64).reshape(-1, 3)
    np.testing.assert_allclose(state["batch_stats"]["mean"], 0.1 * flat.mean(0), rtol=1e-5)
    np.testing.assert_allclose(state["batch_stats"]["var"], 0.9 + 0.1 * flat.var(0, ddof=1), rtol=1e-5)


def test_running_statistics_start_as_those_of_the_first_batch(x):
    """So that an untrained network evaluates as it trains: at step 0 its images are not yet flat."""
    state = jax.jit(lambda x: BatchNorm().init(keys.root(0), x, train=True))(x)
    flat = np.asarray(x, np.float64).reshape(-1, 3)
    np.testing.assert_allclose(state["batch_stats"]["mean"], flat.mean(0), rtol=1e-5)
    np.testing.assert_allclose(state["batch_stats"]["var"], flat.var(0, ddof=1), rtol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, state["params"], variables()["params"])


def test_training_with_frozen_statistics(x):
    """Without a mutable collection the batch still normalises itself, and nothing is written."""
    state = variables()
    frozen = jax.jit(lambda state, x: BatchNorm().apply(state, x, train=True))(state, x)
    np.testing.assert_allclose(frozen, update(BatchNorm(), state, x)[0], atol=1e-4)


def test_a_constant_channel_is_finite_with_its_gradient():
    """E[x^2] - E[x]^2 of a constant may round below zero: the variance is clamped there."""
    x = np.full((64, 3), 1000.1, np.float32)
    value, gradient = jax.jit(jax.value_and_grad(
        lambda x: BatchNorm(epsilon=1e-12).apply(variables(), x, train=True).sum()))(x)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_one_example_of_one_pixel():
    y, state = update(BatchNorm(), variables(), np.array([[1, 2, 3]], np.float32))
    np.testing.assert_array_equal(y, np.zeros((1, 3)))
    assert np.isfinite(state["batch_stats"]["var"]).all()


def test_axis_name_joins_the_statistics_of_all_devices(x):
    """Two halves under a mapped axis give what the whole batch gives, running statistics included."""
    norm, state = BatchNorm(axis_name="data"), variables()
    expected, after = update(BatchNorm(), state, x)
    train = jax.vmap(lambda half: norm.apply(state, half, train=True, mutable=["batch_stats"]), axis_name="data")
    y, changed = jax.device_get(jax.jit(train)(x.reshape(2, 2, *x.shape[1:])))
    np.testing.assert_allclose(y.reshape(x.shape), expected, atol=1e-5)
    for name in ("mean", "var"):
        np.testing.assert_allclose(changed["batch_stats"][name][1], after["batch_stats"][name], rtol=1e-5)


def test_bfloat16_keeps_statistics_and_parameters_wide(x):
    state = jax.jit(lambda x: BatchNorm().init(keys.root(0), x, train=True))(x.astype(jnp.bfloat16))
    y, state = update(BatchNorm(), state, x.astype(jnp.bfloat16))
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(state)} == {jnp.dtype(jnp.float32)}
    assert update(BatchNorm(dtype="float32"), state, x.astype(jnp.bfloat16))[0].dtype == jnp.float32


def test_scale_and_bias_can_be_left_out(x):
    assert "params" not in jax.eval_shape(
        lambda: BatchNorm(use_scale=False, use_bias=False).init(keys.root(0), x, train=True))


@pytest.fixture(scope="module")
def embed():
    module = Embed(num_classes=3, features=5)
    return module, jax.device_get(jax.jit(module.init)(keys.root(0), np.zeros(1, np.int32)))


def test_embed_gives_each_class_its_vector(embed):
    module, state = embed
    table = state["params"]["embedding"]
    assert table.shape == (3, 5)
    np.testing.assert_array_equal(module.apply(state, np.array([2, 0, 2])), table[[2, 0, 2]])


def test_embed_mixes_label_vectors(embed):
    module, state = embed
    label = np.array([2, 0, 1])
    one_hot = np.eye(3, dtype=np.float32)[label]
    np.testing.assert_allclose(module.apply(state, one_hot), module.apply(state, label), atol=1e-6)
    mixed = module.apply(state, np.array([[1, 0, 0.5]], np.float32))
    table = state["params"]["embedding"]
    np.testing.assert_allclose(mixed[0], table[0] + 0.5 * table[2], atol=1e-6)


def test_embed_never_passes_one_class_for_another(embed):
    module, state = embed
    assert np.isnan(module.apply(state, np.array([3]))).all()
    with pytest.raises(InputError, match="conditional on 3 classes: give it a label"):
        module.apply(state, None)
    with pytest.raises(InputError, match="does not fit 3 classes"):
        module.apply(state, jnp.zeros((2, 4)))
