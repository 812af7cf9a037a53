"""LeCam: its moving averages and its penalty, against StudioGAN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.regularizers import REGULARIZERS


def test_averages_follow_studiogans(view, studiogan):
    """Six updates whose first two only remember the last means; StudioGAN starts at 7777, which must not matter."""
    part = REGULARIZERS["lecam"](decay=0.9, start=2)
    state = part.init()
    for step, ((real, fake), expected) in enumerate(zip(studiogan["lecam_seq"], studiogan["lecam_ema_trace_f64"])):
        spread = jnp.array([-5.0, 0, 5])
        value, state, metrics = part.apply(state, view(real_output=real + spread, fake_output=fake + spread, step=step))
        np.testing.assert_allclose([state["real"], state["fake"]], expected, rtol=1e-5)
        np.testing.assert_allclose([metrics["real"], metrics["fake"]], expected, rtol=1e-5)
        assert (value == 0) == (step < 2)


def test_penalty_is_studiogans(view, studiogan):
    """Values and gradients; with the averages given, the batch's own means weigh nothing (decay near 1)."""
    part = REGULARIZERS["lecam"](weight=1.0, decay=1 - 1e-9, start=0)
    state = {"real": jnp.float32(0.4), "fake": jnp.float32(-0.3)}
    value, gradients = jax.value_and_grad(lambda real, fake: part.apply(
        state, view(real_output=real, fake_output=fake, step=5))[0], (0, 1))(
        *(jnp.asarray(studiogan[key]) for key in ("logits_real", "logits_fake")))
    np.testing.assert_allclose(value, studiogan["lecam_f64"], rtol=1e-5)
    for key, gradient in zip(("real", "fake"), gradients):
        expected = studiogan[f"lecam:d_logits_{key}_f64"]
        np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max())


def test_the_first_average_is_the_first_mean(view):
    """With start=0 too: the zeros of a fresh state are no logits anybody gave."""
    part = REGULARIZERS["lecam"](start=0)
    _, state, _ = part.apply(part.init(), view(real_output=jnp.array([2.0, 4]), fake_output=jnp.array([-1.0, -3])))
    assert (float(state["real"]), float(state["fake"])) == (3, -2)


def test_logits_inside_the_band_are_free(view):
    """Reals below the average fake and fakes above the average real pay nothing: relu."""
    part = REGULARIZERS["lecam"](decay=0.999, start=0)
    state = {"real": jnp.float32(-1), "fake": jnp.float32(1)}
    assert part.apply(state, view(real_output=jnp.zeros(4), fake_output=jnp.zeros(4), step=9))[0] == 0


def test_decay_must_let_the_average_move():
    with pytest.raises(InputError, match="lecam: decay is 1"):
        REGULARIZERS["lecam"](decay=1.0)
