"""Values and gradients of every conditional loss against StudioGAN's, in float64, through the terms themselves."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.conditioning.adc import as_fake, as_real
from jaxgan.conditioning.heads import unit
from jaxgan.conditioning.info import gaussian_nll
from jaxgan.conditioning.likelihoods import cross_entropy


@pytest.fixture
def check(shared):
    """`check(reference, function(arrays) -> scalar, *inputs)`: its value, and its gradients in those inputs."""
    arrays = np.load(shared("reference/losses_studiogan.npz"))

    def compare(reference, function, *inputs):
        with jax.enable_x64(True):
            fixed = {name: jnp.asarray(arrays[name]) for name in ("labels", "labels_fake")}
            fixed["info_x"] = jnp.asarray(arrays["info_x"], jnp.float64)
            start = {name: jnp.asarray(arrays[name], jnp.float64) for name in inputs}
            value, gradients = jax.jit(jax.value_and_grad(lambda moving: function(fixed | moving)))(start)
        np.testing.assert_allclose(value, arrays[f"{reference}_f64"], rtol=1e-10)
        for name, gradient in gradients.items():
            expected = arrays[f"{reference}:d_{name}_f64"]
            np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-10 * np.abs(expected).max(), err_msg=name)
    return compare


def test_auxiliary_classifier(check, build, ask):
    part = build("auxiliary_classifier", num_classes=4)
    check("AC_real", lambda a: ask(part, "discriminator", real={"auxiliary_classifier": a["cls_logits"]},
                                   fake={"auxiliary_classifier": a["cls_logits"]}, label=a["labels"])[0], "cls_logits")


def test_twin_auxiliary_classifier(check, build, ask):
    def discriminator(a):
        """Its two halves, since here real and fake carry the same labels, and there they do not."""
        classifier, twin = (build("twin_auxiliary_classifier", weights, num_classes=4)
                            for weights in ({"twin_weight": 0.0}, {"weight": 0.0}))
        answers = {"real": {"auxiliary_classifier": a["cls_logits"]}, "fake": {"twin_classifier": a["mi_logits_fake"]}}
        return (ask(classifier, "discriminator", **answers, label=a["labels"])[0]
                + ask(twin, "discriminator", **answers, label=a["labels_fake"])[0])
    check("TAC_D", discriminator, "cls_logits", "mi_logits_fake")
    part = build("twin_auxiliary_classifier", num_classes=4)
    check("TAC_G", lambda a: ask(part, "generator", fake={"auxiliary_classifier": a["cls_logits_fake"],
                                                          "twin_classifier": a["mi_logits_fake"]},
                                 label=a["labels_fake"])[0], "cls_logits_fake", "mi_logits_fake")


def test_adc(check, build, ask):
    check("ADC_D", lambda a: (cross_entropy(a["adc_real"], as_real(a["labels"]))
                              + cross_entropy(a["adc_fake"], as_fake(a["labels_fake"]))).mean(),
          "adc_real", "adc_fake")
    check("ADC_G", lambda a: ask(build("adc", num_classes=4), "generator", fake={"adc": a["adc_fake"]},
                                 label=a["labels_fake"])[0], "adc_fake")


@pytest.mark.parametrize("reference", ["2C_raw", "2C_normalized"])
def test_contrastive(check, build, ask, reference):
    check(reference, functools.partial(sphere, build("contrastive_2c", num_classes=4), "contrastive_2c", ask),
          "embed", "proxy_table")


@pytest.mark.parametrize("reference", ["D2DCE_raw", "D2DCE_normalized"])
def test_d2d_ce_as_the_code_has_it(check, build, ask, reference):
    part = build("d2d_ce", {"shift_negatives": True, "temperature": 0.5}, num_classes=4)
    check(reference, functools.partial(sphere, part, "d2d_ce", ask), "embed", "proxy_table")


def sphere(part, name, ask, a):
    answer = {name: {"image": unit(a["embed"]), "proxy": unit(a["proxy_table"][a["labels"]])}}
    by_real = ask(part, "discriminator", real=answer, label=a["labels"])[0]
    by_fake = ask(part, "generator", fake=answer, label=a["labels"])[0]
    return (by_real + by_fake) / 2  # the players' objectives are alike but for the images


def test_multi_hinge(check, build, ask):
    part = build("multi_hinge", num_classes=4)

    def scored(scores):
        return {"multi_hinge": scores[:, :4]}, -scores[:, 4]

    def discriminator(a):
        (real, real_logit), (fake, fake_logit) = scored(a["mh_real"]), scored(a["mh_fake"])
        return ask(part, "discriminator", real=real, fake=fake, real_logit=real_logit, fake_logit=fake_logit,
                   label=a["labels"])[0]

    def generator(a):
        fake, fake_logit = scored(a["mh_fake_g"])
        return ask(part, "generator", fake=fake, fake_logit=fake_logit, label=a["labels_fake"])[0]
    check("d_MH", discriminator, "mh_real", "mh_fake")
    check("g_MH", generator, "mh_fake_g")


def test_info(check):
    check("info_nll", lambda a: gaussian_nll(a["info_x"], a["info_mu"], a["info_var"]).mean(), "info_mu", "info_var")
