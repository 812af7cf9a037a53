"""Feature matching, mode seeking and the direction term of SAN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.typing import DiscriminatorOutput


def features(array):
    return DiscriminatorOutput(logit=jnp.zeros(len(array)), features=jnp.asarray(array))


def test_feature_matching_is_studiogans(apply, studiogan):
    real = features(studiogan["real_h"])
    value, gradient = jax.value_and_grad(lambda fake: apply(
        "feature_matching", None, real_output=real, fake_output=features(fake))[0])(jnp.asarray(studiogan["fake_h"]))
    np.testing.assert_allclose(value, studiogan["feature_matching_f64"], rtol=1e-5)
    np.testing.assert_allclose(gradient, studiogan["feature_matching:d_fake_h_f64"], rtol=1e-5)


def test_feature_matching_looks_at_the_reals_itself_where_the_loss_has_not(view):
    from jaxgan.regularizers import REGULARIZERS
    seen = view(real=jnp.full((2, 3), 5.0), fake_output=features(np.ones((2, 3))))
    seen = seen._replace(discriminator=lambda image, label: features(image))
    assert REGULARIZERS["feature_matching"](weight=2.0).apply((), seen)[0] == 8


def test_feature_matching_needs_features(apply):
    with pytest.raises(InputError, match="gives no features"):
        apply("feature_matching", None, real_output=jnp.zeros(2), fake_output=jnp.zeros(2))


def test_mode_seeking_of_a_linear_generator(apply):
    """G = 3 z moves the image three times as far as the latent, whatever z."""
    z = jnp.asarray(np.random.default_rng(0).standard_normal((8, 5)), jnp.float32)
    value, _, metrics = apply("mode_seeking", {"weight": 6.0}, generator=lambda z: 3 * z, z=z, fake=3 * z)
    assert value == pytest.approx(2, rel=1e-4)
    assert metrics["ratio"] == pytest.approx(3, rel=1e-5)


def test_mode_seeking_is_finite_for_a_collapsed_generator(apply):
    """One image for all: the largest penalty, weight / epsilon, with a gradient that can still be used."""
    z = jnp.asarray(np.random.default_rng(0).standard_normal((4, 2)), jnp.float32)

    def value(scale):
        return apply("mode_seeking", None, generator=lambda z: scale * z, z=z, fake=scale * z)[0]
    penalty, gradient = jax.value_and_grad(value)(0.0)
    assert penalty == pytest.approx(1e5, rel=1e-4)
    assert jnp.isfinite(gradient)


def test_mode_seeking_needs_two_examples(apply):
    with pytest.raises(InputError, match="batch_size"):
        apply("mode_seeking", None, generator=lambda z: z, z=jnp.zeros((1, 2)), fake=jnp.zeros((1, 2)))


def test_san_pulls_the_direction_from_fakes_to_reals(apply):
    """Wasserstein: gradient +1/B on each fake's product with the direction, -1/B on each real's."""
    def value(real, fake):
        outputs = {name: DiscriminatorOutput(logit=jnp.zeros(4), extra={"direction": product})
                   for name, product in (("real_output", real), ("fake_output", fake))}
        return apply("san", {"weight": 2.0}, **outputs)[0]
    result, gradients = jax.value_and_grad(value, (0, 1))(jnp.arange(4.0), jnp.full(4, 0.5))
    assert result == pytest.approx(2 * (0.5 - 1.5))
    np.testing.assert_allclose(gradients, [np.full(4, -0.5), np.full(4, 0.5)])
    with pytest.raises(InputError, match="head='san'"):
        apply("san", None, real_output=jnp.zeros(4), fake_output=jnp.zeros(4))
