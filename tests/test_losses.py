"""The adversarial losses against their closed forms in float64, and against StudioGAN's numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import catalogue
from jaxgan.errors import InputError
from jaxgan.losses import LOSSES

REAL = np.array([-30.0, -1.5, -0.2, 0.0, 0.7, 1.0, 2.5, 40.0])
FAKE = np.array([25.0, 1.0, -1.0, 0.0, -0.3, 2.0, -4.0, -60.0])


def softplus(x):
    return np.logaddexp(0, x)


GAPS = np.exp(FAKE[:, None] - REAL[None, :])  # [fake, real]

CLOSED_FORMS = [
    ("non_saturating", softplus(-REAL) + softplus(FAKE), softplus(-FAKE)),
    ("minimax", softplus(-REAL) + softplus(FAKE), -softplus(FAKE)),
    ("hinge", np.maximum(0, 1 - REAL) + np.maximum(0, 1 + FAKE), -FAKE),
    ("least_squares", 0.5 * (REAL - 1) ** 2 + 0.5 * FAKE**2, 0.5 * (FAKE - 1) ** 2),
    ({"name": "least_squares", "a": -1.0, "b": 1.0, "c": 0.0},
     0.5 * (REAL - 1) ** 2 + 0.5 * (FAKE + 1) ** 2, 0.5 * FAKE**2),
    ("wasserstein", FAKE - REAL, -FAKE),
    ("relativistic_paired", softplus(FAKE - REAL), softplus(REAL - FAKE)),
    ("logistic", softplus(-REAL) + softplus(FAKE), softplus(-FAKE)),
    ("dual_contrastive", np.log1p(GAPS.sum(0)) + np.log1p(GAPS.sum(1)),
     np.log1p((1 / GAPS).sum(0)) + np.log1p((1 / GAPS).sum(1))),
]


@pytest.mark.parametrize(("spec", "discriminator", "generator"), CLOSED_FORMS, ids=str)
def test_closed_form(spec, discriminator, generator):
    loss = catalogue.build(LOSSES, spec, "loss")
    with jax.enable_x64(True):
        found = jax.jit(lambda real, fake: (
            loss.discriminator(real, fake), loss.generator(fake, real if loss.paired else None)))(REAL, FAKE)
    for values, expected in zip(found, (discriminator, generator)):
        np.testing.assert_allclose(values, expected, rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("name", LOSSES)
def test_contract(name):
    """One float32 value an example, whatever the networks computed in; finite gradients at extreme logits."""
    loss = LOSSES[name]()
    narrow = jax.ShapeDtypeStruct((8,), jnp.bfloat16)
    for value in jax.eval_shape(lambda real, fake: (
            loss.discriminator(real, fake), loss.generator(fake, real if loss.paired else None)), narrow, narrow):
        assert value.shape == (8,)
        assert value.dtype == jnp.float32
    extreme = np.array([1e4, -1e4, 0], np.float32)
    for gradient in jax.jit(jax.grad(lambda r, f: loss.discriminator(r, f).sum(), (0, 1)))(extreme, -extreme):
        assert np.isfinite(gradient).all()


def test_minimax_saturates_where_non_saturating_does_not():
    """Where D is sure (f = -20) the original generator loss has no gradient, the non-saturating one has all of it."""
    gradients = {name: jax.grad(lambda f, name=name: LOSSES[name]().generator(f, None))(-20.0)
                 for name in ("minimax", "non_saturating")}
    assert abs(gradients["minimax"]) < 1e-8
    assert gradients["non_saturating"] == pytest.approx(-1, abs=1e-6)


def test_only_paired_losses_read_real_logits_for_the_generator():
    assert [name for name in LOSSES if LOSSES[name]().paired] == ["relativistic_paired", "dual_contrastive"]


def test_dual_contrastive_contrasts_every_pair_once():
    """One logit each: softplus(f - r) twice. The mean over B counts each real and each fake once."""
    loss = LOSSES["dual_contrastive"]()
    real, fake = jnp.array([1.5]), jnp.array([-0.5])
    np.testing.assert_allclose(loss.discriminator(real, fake), 2 * softplus(-2.0), rtol=1e-6)
    np.testing.assert_allclose(loss.generator(fake, real), 2 * softplus(2.0), rtol=1e-6)
    # A single hard fake among easy ones dominates: that is what contrasting with all of them is for.
    gradient = jax.grad(lambda fake: loss.discriminator(jnp.zeros(3), fake).sum())(jnp.array([-9.0, 4.0, -9.0]))
    assert gradient[1] > 100 * max(gradient[0], gradient[2])


def test_unknown_loss_lists_close_matches():
    with pytest.raises(InputError, match=r"config\.loss: there is no 'hinged'.*'hinge'"):
        catalogue.build(LOSSES, "hinged", "loss")


@pytest.mark.parametrize(("name", "reference"), [
    ("non_saturating", "vanilla"), ("logistic", "logistic"), ("least_squares", "ls"), ("hinge", "hinge"),
    ("wasserstein", "wasserstein")])
def test_studiogan(shared, name, reference):
    """Means and gradients of StudioGAN's losses in float64."""
    arrays = np.load(shared("reference/losses_studiogan.npz"))
    loss = LOSSES[name]()
    with jax.enable_x64(True):
        real, fake = (arrays[key].astype(np.float64) for key in ("logits_real", "logits_fake"))
        value, (by_real, by_fake) = jax.jit(jax.value_and_grad(
            lambda r, f: loss.discriminator(r, f).mean(), (0, 1)))(real, fake)
        np.testing.assert_allclose(value, arrays[f"d_{reference}_f64"], rtol=1e-10)
        np.testing.assert_allclose(by_real, arrays[f"d_{reference}:d_logits_real_f64"], rtol=1e-10)
        np.testing.assert_allclose(by_fake, arrays[f"d_{reference}:d_logits_fake_f64"], rtol=1e-10)
        value, by_fake = jax.jit(jax.value_and_grad(lambda f: loss.generator(f, None).mean()))(fake)
        np.testing.assert_allclose(value, arrays[f"g_{reference}_f64"], rtol=1e-10)
        np.testing.assert_allclose(by_fake, arrays[f"g_{reference}:d_logits_fake_f64"], rtol=1e-10)


@pytest.mark.parametrize("fixture", ["r3gan_uncond_8x8", "r3gan_uncond_16x16", "r3gan_cond10_8x8"])
def test_r3gan(shared, fixture):
    """The relativistic loss on the logits of the official R3GAN networks."""
    arrays = np.load(shared(f"reference/{fixture}.npz"))
    loss = LOSSES["relativistic_paired"]()
    with jax.enable_x64(True):
        real, fake = (jnp.asarray(arrays[f"logits_{kind}_f64"]) for kind in ("real", "fake"))
        np.testing.assert_allclose(loss.discriminator(real, fake), arrays["D_adv_f64"], rtol=1e-10)
        np.testing.assert_allclose(loss.generator(fake, real), arrays["G_adv_f64"], rtol=1e-10)


def test_patches_are_not_contrasted():
    patches = jnp.zeros((2, 3))
    with pytest.raises(InputError, match="dual_contrastive contrasts whole images"):
        LOSSES["dual_contrastive"]().discriminator(patches, patches)
