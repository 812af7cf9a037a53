"""Weight clipping and off-diagonal orthogonality."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.regularizers import REGULARIZERS


def test_weight_clip_holds_every_parameter():
    params = {"a": {"kernel": jnp.array([[-1.0, 0.001], [0.02, -0.01]])}, "bias": jnp.array([0.5])}
    clipped = REGULARIZERS["weight_clip"]().constrain(params)
    np.testing.assert_allclose(clipped["a"]["kernel"], [[-0.01, 0.001], [0.01, -0.01]])
    np.testing.assert_allclose(clipped["bias"], [0.01])
    with pytest.raises(InputError, match="limit is 0"):
        REGULARIZERS["weight_clip"](limit=0.0)


def test_orthogonal_sums_squared_inner_products_of_different_filters(apply):
    rng = np.random.default_rng(0)
    dense, conv, wide = (rng.standard_normal(shape) for shape in ((5, 3), (3, 3, 2, 4), (2, 40)))
    params = {"dense": {"kernel": dense, "bias": np.ones(3)}, "wide": {"kernel": wide},
              "block": {"conv": {"kernel": conv, "scale": np.ones(4)}},
              "embed": {"embedding": rng.standard_normal((4, 4))}}
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), params)
    expected = 0
    for kernel in (dense, conv, wide):
        filters = kernel.reshape(-1, kernel.shape[-1]).T
        expected += 2 * sum((one @ other) ** 2 for one, other in itertools.combinations(filters, 2))
    value, _, _ = apply("orthogonal", {"weight": 0.5}, params=params)
    np.testing.assert_allclose(value, 0.5 * expected, rtol=1e-5)


def test_orthogonal_leaves_orthogonal_filters_of_any_length_alone(apply):
    kernel = jnp.asarray(np.linalg.qr(np.random.default_rng(1).standard_normal((6, 3)))[0], jnp.float32)
    value, gradient = jax.value_and_grad(lambda kernel: apply(
        "orthogonal", {"weight": 1.0}, params={"kernel": kernel})[0])(kernel * jnp.array([1, 2, 5]))
    assert value == pytest.approx(0, abs=1e-8)
    np.testing.assert_allclose(gradient, 0, atol=1e-4)


def test_orthogonal_speaks_to_either_player():
    assert REGULARIZERS["orthogonal"]().player == "generator"
    assert REGULARIZERS["orthogonal"](player="discriminator").player == "discriminator"
    with pytest.raises(InputError, match="player is 'critic'"):
        REGULARIZERS["orthogonal"](player="critic")
