"""Spectral normalization: PyTorch's numbers, and what its state does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import WIDTHS

from jaxgan.layers.spectral import Conv, ConvTranspose, Dense, Embed, SpectralNorm

# Our layer, and how PyTorch's weight and its v come to our axes: the two directions of a transposition.
CASES = {
    "linear": (Dense(5, spectral=True), (1, 0), (0,), (6,)),
    "conv": (Conv(4, spectral=True), (2, 3, 1, 0), (1, 2, 0), (3, 3, 3)),
    "convT": (ConvTranspose(4, spectral=True), (2, 3, 1, 0), (1, 2, 0), (3, 4, 4)),
}


def nhwc(array):
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


@pytest.mark.parametrize("wide", WIDTHS)
@pytest.mark.parametrize("name", CASES)
def test_pytorch(shared, name, wide):
    """Three training forwards: u, v and the normalised weight after each, then output and gradient; evaluation."""
    arrays = np.load(shared("reference/layers_sn_bn_convT.npz"))
    layer, axes, v_axes, v_shape = CASES[name]  # a transposed convolution's [in, out, kh, kw] -> [kh, kw, out, in]
    dtype, suffix, tolerance = ("float64", "_f64", 1e-11) if wide else ("float32", "", 1e-5)

    def check(value, key):
        expected = arrays[f"sn_{name}_{key}{suffix}"]
        expected = expected.transpose(axes) if "weight" in key else nhwc(expected)
        if key.endswith(":v"):
            expected = expected.reshape(v_shape).transpose(v_axes).ravel()
        np.testing.assert_allclose(value, expected, rtol=0, atol=tolerance * np.abs(expected).max(), err_msg=key)

    with jax.enable_x64(wide):
        start = {key: arrays[f"sn_{name}/{key}"].astype(dtype)
                 for key in ("weight_orig", "bias", "weight_u", "weight_v")}
        layer = layer.clone(dtype=dtype)
        x = jnp.asarray(nhwc(arrays[f"sn_{name}_x"]).astype(dtype))
        params = {"kernel": jnp.asarray(start["weight_orig"].transpose(axes)), "bias": jnp.asarray(start["bias"])}
        v = start["weight_v"].reshape(v_shape).transpose(v_axes).ravel()
        state = {"spectral": {"spectral": {"u": jnp.asarray(start["weight_u"]), "v": jnp.asarray(v)}}}

        @jax.jit
        def step(params, state, x):
            def loss(params):
                y, changed = layer.apply({"params": params, **state}, x, train=True, mutable=["spectral"])
                return jnp.sum(y**2), (y, changed)
            (_, (y, state)), gradient = jax.value_and_grad(loss, has_aux=True)(params)
            weight = SpectralNorm(out_axis=2 if name == "convT" else -1).apply(
                {"spectral": state["spectral"]["spectral"]}, params["kernel"], train=False)
            return y, state, gradient["kernel"], weight, layer.apply({"params": params, **state}, x, train=False)

        for number in (1, 2, 3):
            y, state, gradient, weight, evaluated = step(params, state, x)
            check(state["spectral"]["spectral"]["u"], f"step{number}:u")
            check(state["spectral"]["spectral"]["v"], f"step{number}:v")
            check(weight, f"step{number}:weight")
        check(y, "step3:y")
        check(gradient, "step3:grad_weight_orig")
        check(evaluated, "eval:y")


@pytest.fixture
def kernel():
    return np.random.default_rng(1).normal(size=(3, 3, 4, 6)).astype(np.float32)


def begun(layer, given):
    """Its first variables, in NumPy."""
    return jax.device_get(jax.jit(lambda key, given: layer.init(key, given, train=True))(jax.random.key(0), given))


def applied(layer, state, given, **options):
    return jax.device_get(jax.jit(lambda state, given: layer.apply(state, given, **options))(state, given))


def test_iterations_reach_the_largest_singular_value(kernel):
    norm = SpectralNorm()
    step = jax.jit(lambda state: norm.apply(state, kernel, train=True, mutable=["spectral"]))
    state = begun(norm, kernel)
    for _ in range(60):
        normalized, state = step(state)
    singular = np.linalg.svd(np.reshape(normalized, (-1, 6)), compute_uv=False)
    assert singular[0] == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(applied(norm, state, kernel, train=False), normalized, rtol=1e-5)


def test_state_moves_in_training_alone_and_where_it_may(kernel):
    state = begun(SpectralNorm(), kernel)
    trained, moved = applied(SpectralNorm(), state, kernel, train=True, mutable=["spectral"])
    np.testing.assert_allclose(applied(SpectralNorm(), state, kernel, train=True), trained, rtol=1e-6)
    stored, unmoved = applied(SpectralNorm(), state, kernel, train=False, mutable=["spectral"])
    eager = SpectralNorm(iterate_in_eval=True)
    iterated, still = applied(eager, state, kernel, train=False, mutable=["spectral"])
    np.testing.assert_allclose(iterated, trained, rtol=1e-6)
    assert np.abs(stored - trained).max() > 1e-4
    assert all(np.any(a != b) for a, b in zip(jax.tree.leaves(moved), jax.tree.leaves(state)))
    for same in (unmoved, still):
        jax.tree.map(np.testing.assert_array_equal, same, state)


def test_a_kernel_of_zeros_can_still_grow(kernel):
    zeros = np.zeros_like(kernel)
    out, state = applied(SpectralNorm(), begun(SpectralNorm(), zeros), zeros, train=True, mutable=["spectral"])
    np.testing.assert_array_equal(out, 0)
    out, _ = applied(SpectralNorm(), state, kernel, train=True, mutable=["spectral"])
    assert 0 < np.abs(out).max() < 1


def test_layers_without_it_keep_no_state_and_compute_in_dtype():
    for layer, x_shape, y_shape in ((Dense(3), (2, 4), (2, 3)), (Conv(3, dtype="bfloat16"), (2, 4, 4, 2), (2, 4, 4, 3)),
                                    (ConvTranspose(3), (2, 4, 4, 2), (2, 8, 8, 3))):
        y, variables = jax.eval_shape(
            lambda layer=layer, shape=x_shape: layer.init_with_output(jax.random.key(0), jnp.ones(shape), train=True))
        assert set(variables) == {"params"}
        assert variables["params"]["kernel"].dtype == jnp.float32
        assert y.dtype == layer.dtype
        assert y.shape == y_shape


def test_embed_reads_classes_and_vectors():
    embed = Embed(3, num_classes=4, spectral=True)
    variables = begun(embed, np.array([0]))
    rows = applied(embed, variables, np.array([2, 0]), train=False)
    vectors = applied(embed, variables, np.array([[0, 0, 1, 0], [1, 0, 0, 0]], np.float32), train=False)
    np.testing.assert_allclose(rows, vectors, atol=1e-6)
    table = variables["params"]["embedding"]
    u, v = variables["spectral"]["spectral"]["u"], variables["spectral"]["spectral"]["v"]
    assert (u.shape, v.shape) == ((4,), (3,))
    np.testing.assert_allclose(rows, table[[2, 0]] / (u @ table @ v), rtol=1e-5)
