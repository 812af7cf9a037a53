"""ConvTranspose against PyTorch's ConvTranspose2d, values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.layers.convolution import ConvTranspose


@pytest.mark.parametrize("wide", [False, True], ids=["float32", "float64"])
@pytest.mark.parametrize(("case", "kernel_size", "output_shape"), [
    ("convT_k4s2p1", 4, None),
    ("convT_k3s2p1o1", 3, (10, 14)),  # output_padding 1
])
def test_pytorch(shared, case, kernel_size, output_shape, wide):
    arrays = np.load(shared("reference/layers_sn_bn_convT.npz"))
    dtype, suffix, tolerance = ("float64", "_f64", 1e-11) if wide else ("float32", "", 1e-5)

    def check(value, name):
        expected = arrays[f"{case}_{name}{suffix}"]
        np.testing.assert_allclose(value, expected, rtol=0, atol=tolerance * np.abs(expected).max(), err_msg=name)

    with jax.enable_x64(wide):
        layer = ConvTranspose(6, kernel_size, stride=2, padding=1, output_shape=output_shape, dtype=dtype)
        kernel = jnp.asarray(arrays[f"{case}_weight"], dtype).transpose(2, 3, 1, 0)  # [in, out, kh, kw] there
        params = {"kernel": kernel, "bias": jnp.asarray(arrays[f"{case}_bias"], dtype)}
        x, cotangent = (jnp.asarray(arrays[name], dtype).transpose(0, 2, 3, 1)
                        for name in ("convT_x", f"{case}_cotangent"))

        @jax.jit
        def run(params, x):
            y, pullback = jax.vjp(lambda params, x: layer.apply({"params": params}, x), params, x)
            return y, pullback(cotangent)

        y, (by_params, by_x) = run(params, x)
        check(y.transpose(0, 3, 1, 2), "y")
        check(by_x.transpose(0, 3, 1, 2), "grad_x")
        check(by_params["kernel"].transpose(3, 2, 0, 1), "grad_weight")
        check(by_params["bias"], "grad_bias")
