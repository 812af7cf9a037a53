"""Conv and ConvTranspose: parameters, types and initialisation; what users get wrong."""

import jax
import jax.numpy as jnp
import pytest

from jaxgan.errors import InputError
from jaxgan.layers.convolution import Conv, ConvTranspose, conv, conv_transpose


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_modules_keep_float32_parameters_and_compute_in_dtype(dtype):
    def shapes(module):
        return jax.eval_shape(module.init_with_output, jax.random.key(0), jnp.ones((2, 5, 6, 4)))

    y, variables = shapes(Conv(6, (3, 2), stride=(2, 1), groups=2, dtype=dtype))
    assert (y.shape, y.dtype) == ((2, 3, 5, 6), dtype)
    assert jax.tree.map(lambda p: (p.shape, p.dtype), variables["params"]) == {
        "kernel": ((3, 2, 2, 6), jnp.float32),
        "bias": ((6,), jnp.float32),
    }
    y, variables = shapes(ConvTranspose(7, dtype=dtype, use_bias=False))
    assert (y.shape, y.dtype) == ((2, 10, 12, 7), dtype)
    assert jax.tree.map(lambda p: (p.shape, p.dtype), variables["params"]) == {"kernel": ((4, 4, 7, 4), jnp.float32)}


def test_default_initialisation_counts_the_inputs():
    x = jnp.ones((1, 2, 2, 64))
    for module, shape in ((Conv(256, 3), 9 * 64), (ConvTranspose(256, 3), 9 * 64)):
        kernel = jax.jit(module.init)(jax.random.key(0), x)["params"]["kernel"]
        assert jnp.var(kernel) * shape == pytest.approx(1, rel=0.02)


X, W = jnp.ones((1, 4, 4, 4)), jnp.ones((3, 3, 4, 6))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv(X[0], W), r"x \[B, H, W, C\].*\(4, 4, 4\)"),
        (lambda: conv(X, W[0]), r"w \[kh, kw, I, O\].*\(3, 4, 6\)"),
        (lambda: conv(X, W, groups=2), "4 channels but a kernel .* reads 8"),
        (lambda: conv(X, W[:, :, :1], groups=4), "6 kernel outputs .* groups=4"),
        (lambda: conv(X, W.astype(jnp.bfloat16)), "float32 but w is bfloat16"),
        (lambda: conv(X, W, padding=-1), "does not fit"),
        (lambda: conv(X, W, stride=0), "stride must be at least 1, got 0"),
        (lambda: conv(X, W, stride=1.5), "stride must be an integer"),
        (lambda: conv(X, W, padding=(1, 2)), "padding must be"),
        (lambda: conv_transpose(X, W), "4 channels but a kernel .* reads 6"),
        (lambda: conv_transpose(X, W.swapaxes(2, 3), output_shape=(8, 80)), r"output_shape \(8, 80\)"),
        (lambda: conv_transpose(X, W.swapaxes(2, 3), padding=9), "padding"),
        (lambda: Conv(6, groups=4).init(jax.random.key(0), X), "groups=4"),
        (lambda: Conv(6, groups=3).init(jax.random.key(0), X), "groups=3"),
    ],
)
def test_mistakes_are_refused_in_a_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()
