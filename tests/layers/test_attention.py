"""Self-attention and resampling."""

import jax
import numpy as np
import pytest
from reference import WIDTHS

from jaxgan.layers.attention import SelfAttention
from jaxgan.layers.resample import average_pool, max_pool, nearest_upsample
from jaxgan.layers.spectral import Layers

NAMES = {"query": "theta", "key": "phi", "value": "g", "output": "attn"}


@pytest.mark.parametrize("wide", WIDTHS)
def test_studiogan(shared, wide):
    arrays = np.load(shared("reference/layers_attention_cbn.npz"))
    dtype, suffix, tolerance = ("float64", "_f64", 1e-11) if wide else ("float32", "", 1e-5)

    def check(value, name, axes):
        expected = arrays[name + suffix].transpose(axes)
        np.testing.assert_allclose(value, expected, rtol=0, atol=tolerance * np.abs(expected).max(), err_msg=name)

    with jax.enable_x64(wide):
        x, cotangent = (arrays[name].transpose(0, 2, 3, 1).astype(dtype) for name in ("x", "ct"))
        kernels = {name: arrays[f"attn/conv1x1_{other}.weight"].astype(dtype) for name, other in NAMES.items()}
        params = {name: {"kernel": kernel.transpose(2, 3, 1, 0)} for name, kernel in kernels.items()}
        params["gain"] = arrays["attn/sigma"].astype(dtype)[0]
        layer = SelfAttention(Layers(dtype=dtype))

        @jax.jit
        def run(params, x, cotangent):
            y, pullback = jax.vjp(lambda params, x: layer.apply({"params": params}, x, train=True), params, x)
            return y, pullback(cotangent)
        y, (gradients, gradient_x) = jax.device_get(run(params, x, cotangent))
    check(y, "attn_out", (0, 2, 3, 1))
    check(gradient_x, "attn_grad_x", (0, 2, 3, 1))
    check(gradients["gain"][None], "attn_grad_sigma", (0,))
    for name, other in NAMES.items():
        check(gradients[name]["kernel"], f"attn_grad_conv1x1_{other}.weight", (2, 3, 1, 0))


def test_it_starts_as_the_identity_and_takes_odd_sizes():
    x = np.random.default_rng(0).standard_normal((2, 7, 5, 4), np.float32)
    y, variables = jax.jit(lambda *given: SelfAttention(Layers()).init_with_output(*given, train=True))(
        jax.random.key(1), x)
    np.testing.assert_array_equal(y, x)
    assert variables["params"]["query"]["kernel"].shape == (1, 1, 4, 1)


def test_pools_and_doubling():
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")
    patches = x[:, :4].reshape(2, 2, 2, 3, 2, 3)
    np.testing.assert_allclose(average_pool(x), patches.mean((2, 4)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(max_pool(x), patches.max((2, 4)))
    np.testing.assert_array_equal(nearest_upsample(x), x.repeat(2, 1).repeat(2, 2))
