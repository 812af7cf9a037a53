"""Closed forms of the objectives that read labels, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.conditioning.contrastive_2c import contrastive_2c_loss
from jaxgan.conditioning.d2d_ce import d2d_ce_loss
from jaxgan.conditioning.heads import unit
from jaxgan.conditioning.likelihoods import accuracy, cross_entropy, sigmoid_cross_entropy, squared_error
from jaxgan.conditioning.multi_hinge import crammer_singer
from jaxgan.errors import InputError

rng = np.random.default_rng(0)
LOGIT = rng.normal(size=(5, 3)) * 3
LABEL = np.array([0, 2, 2, 1, 0])
VECTOR = rng.integers(0, 2, (5, 3)).astype(np.float64)
IMAGE = rng.normal(size=(5, 4))
IMAGE /= np.linalg.norm(IMAGE, axis=1, keepdims=True)
TABLE = rng.normal(size=(3, 4))
TABLE /= np.linalg.norm(TABLE, axis=1, keepdims=True)
PROXY = TABLE[LABEL]


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def test_likelihoods(x64):
    np.testing.assert_allclose(cross_entropy(jnp.asarray(LOGIT), jnp.asarray(LABEL)),
                               -np.log(softmax(LOGIT)[np.arange(5), LABEL]), rtol=1e-12)
    s = 1 / (1 + np.exp(-LOGIT))
    np.testing.assert_allclose(sigmoid_cross_entropy(jnp.asarray(LOGIT), jnp.asarray(VECTOR)),
                               -(VECTOR * np.log(s) + (1 - VECTOR) * np.log(1 - s)).mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(squared_error(jnp.asarray(LOGIT), jnp.asarray(VECTOR)),
                               ((LOGIT - VECTOR) ** 2).mean(axis=1), rtol=1e-12)


def test_likelihoods_stay_finite_where_networks_are_sure():
    logit = jnp.array([[1e4, -1e4], [-1e4, 1e4]])
    for loss, label in ((cross_entropy, jnp.array([1, 1])), (sigmoid_cross_entropy, jnp.array([[0.0, 1], [0, 1]]))):
        value, gradient = jax.jit(jax.value_and_grad(lambda x, loss=loss, label=label: loss(x, label).sum()))(logit)
        assert jnp.isfinite(value)
        assert jnp.isfinite(gradient).all()


def test_a_class_outside_the_logits_is_nan():
    assert np.isnan(cross_entropy(jnp.zeros((2, 3)), jnp.array([0, 3]))).tolist() == [False, True]


def test_accuracy():
    logit = jnp.array([[2.0, 1, -1], [0, 3, 1]])
    assert accuracy(logit, jnp.array([0, 2]), "class") == 0.5
    assert accuracy(logit, jnp.array([[1.0, 0, 0], [0, 1, 1]]), "several") == pytest.approx(5 / 6)
    assert accuracy(logit, logit, "continuous") == 1


@pytest.mark.parametrize(("labels", "label", "expected"), [
    ("class", LABEL.astype(np.int32), -np.log(softmax(LOGIT)[np.arange(5), LABEL]).mean()),
    ("several", VECTOR.astype(np.float32), (np.logaddexp(0, LOGIT) - VECTOR * LOGIT).mean()),
    ("continuous", VECTOR.astype(np.float32), ((LOGIT - VECTOR) ** 2).mean()),
])
def test_auxiliary_classifiers_take_any_labels(build, ask, labels, label, expected):
    """And add the fakes' share where asked, as Odena et al. write; the twin pulls G the other way."""
    answer, label = jnp.asarray(LOGIT, jnp.float32), jnp.asarray(label)
    part = build("auxiliary_classifier", {"labels": labels, "weight": 2.0, "generator_weight": 0.5}, num_classes=3)
    heads = {"real": {"auxiliary_classifier": answer}, "fake": {"auxiliary_classifier": 0 * answer}}
    assert ask(part, "discriminator", **heads, label=label)[0] == pytest.approx(2 * expected, rel=1e-5)
    heads["fake"] = {"auxiliary_classifier": answer, "twin_classifier": answer}
    assert ask(part, "generator", fake=heads["fake"], label=label)[0] == pytest.approx(expected / 2, rel=1e-5)
    part = build("auxiliary_classifier", {"labels": labels, "train_on_fake": True}, num_classes=3)
    assert ask(part, "discriminator", **heads, label=label)[0] == pytest.approx(2 * expected, rel=1e-5)
    part = build("twin_auxiliary_classifier", {"labels": labels, "generator_twin_weight": 0.25}, num_classes=3)
    assert ask(part, "discriminator", **heads, label=label)[0] == pytest.approx(2 * expected, rel=1e-5)
    assert ask(part, "generator", fake=heads["fake"], label=label)[0] == pytest.approx(0.75 * expected, rel=1e-5)


@pytest.mark.parametrize("name", ["auxiliary_classifier", "twin_auxiliary_classifier", "adc", "multi_hinge"])
def test_balanced_classes_weigh_alike(build, ask, labels, name):
    """Nine examples of one class and one of the other: each class has half of the value, and of the gradient."""
    label = jnp.array([0] * 9 + [1])
    shapes = {"auxiliary_classifier": 2, "twin_classifier": 2, "adc": 4, "multi_hinge": 2}
    answer = {head: jnp.zeros((10, size)) for head, size in shapes.items()}

    def value(answer, weights):
        part = build(name, {"class_weights": weights}, num_classes=2, info=labels(label_frequencies=(0.9, 0.1)))
        return ask(part, "discriminator", real=answer, fake=answer, real_logit=jnp.zeros(10), fake_logit=jnp.zeros(10),
                   label=label)[0]
    head, = [head for head in shapes if head == name or (name.startswith("twin") and head == "auxiliary_classifier")]
    gradient = jax.jit(jax.grad(lambda moved: value(answer | {head: moved}, "balanced")))(answer[head])
    size = np.abs(gradient).sum(axis=1)
    assert size[:9].sum() == pytest.approx(size[9], rel=1e-5)
    assert value(answer, "balanced") == pytest.approx(float(value(answer, None)), rel=1e-5)
    assert value(answer, (0.0, 10.0)) == pytest.approx(float(value(answer, None)), rel=1e-5)
    assert value(answer, [2.0, 2.0]) == pytest.approx(2 * float(value(answer, None)), rel=1e-5)


def test_a_class_without_examples_weighs_nothing(build, ask, labels):
    part = build("auxiliary_classifier", {"class_weights": "balanced"}, num_classes=3,
                 info=labels(label_frequencies=(0.5, 0.0, 0.5)))
    answer = {"auxiliary_classifier": jnp.zeros((3, 3))}
    value, _ = ask(part, "generator", fake=answer, label=jnp.array([0, 1, 2]))
    assert value == pytest.approx(2 / 3 * np.log(3) * 2 / 3, rel=1e-5)


def test_adc_generator_moves_the_difference_of_two_logits(build, ask):
    logit = rng.normal(size=(5, 6)).astype(np.float32)
    part = build("adc", {"generator_weight": 3.0}, num_classes=3)
    value, _ = ask(part, "generator", fake={"adc": jnp.asarray(logit)}, label=jnp.asarray(LABEL))
    rows = np.arange(5)
    assert value == pytest.approx(3 * (logit[rows, 2 * LABEL + 1] - logit[rows, 2 * LABEL]).mean(), rel=1e-5)


def test_adc_discriminator_knows_fake_from_real(build, ask):
    part, label = build("adc", num_classes=3), jnp.asarray(LABEL)
    sure = {"adc": 50 * jax.nn.one_hot(2 * label, 6)}, {"adc": 50 * jax.nn.one_hot(2 * label + 1, 6)}
    value, metrics = ask(part, "discriminator", *sure, label=label)
    assert value == pytest.approx(0, abs=1e-6)
    assert metrics["accuracy"] == 1
    assert ask(part, "discriminator", *sure[::-1], label=label)[0] == pytest.approx(100, rel=1e-6)


def test_contrastive_closed_form(x64):
    expected = []
    for i in range(5):
        def near(point, i=i):
            return np.exp(IMAGE[i] @ point / 0.7)
        others = [j for j in range(5) if j != i]
        same = near(PROXY[i]) + sum(near(IMAGE[j]) for j in others if LABEL[j] == LABEL[i])
        expected.append(-np.log(same / (near(PROXY[i]) + sum(near(IMAGE[j]) for j in others))))
    value = contrastive_2c_loss(jnp.asarray(IMAGE), jnp.asarray(PROXY), jnp.asarray(LABEL), 0.7)
    np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_d2d_ce_closed_form(x64):
    """The formula of the paper, its two margins on both sides of some pair."""
    positive_margin, negative_margin, temperature = 0.5, 0.1, 0.3
    positive = np.exp(np.minimum(0, (IMAGE * PROXY).sum(axis=1) - positive_margin) / temperature)
    cosines = IMAGE @ IMAGE.T
    apart = LABEL[:, None] != LABEL
    negative = (np.exp(np.maximum(0, cosines - negative_margin) / temperature) * apart).sum(axis=1)
    assert (positive == 1).any()
    assert (positive < 1).any()
    assert (cosines[apart] > negative_margin).any()
    assert (cosines[apart] < negative_margin).any()
    value = d2d_ce_loss(jnp.asarray(IMAGE), jnp.asarray(PROXY), jnp.asarray(LABEL), temperature=temperature,
                        positive_margin=positive_margin, negative_margin=negative_margin)
    np.testing.assert_allclose(value, -np.log(positive / (positive + negative)), rtol=1e-12)


def test_d2d_ce_leaves_easy_examples_alone():
    """Images on their own proxies, the classes at right angles: beyond both margins nothing moves."""
    label = jnp.array([0, 0, 1, 2])
    image = jnp.eye(4)[label]
    margins = {"temperature": 0.5, "positive_margin": 0.98, "negative_margin": 0.02}
    gradient = jax.jit(jax.grad(lambda x, margins: d2d_ce_loss(x, image, label, **margins).sum()))
    np.testing.assert_array_equal(gradient(image, margins), 0)
    tight = margins | {"positive_margin": 1.02, "negative_margin": -0.02}
    assert np.abs(gradient(image, tight)).max() > 0.1


def test_a_batch_of_one_class_or_of_all_different_ones_is_finite():
    margins = {"temperature": 0.1, "positive_margin": 0.98, "negative_margin": 0.02}
    image = jnp.asarray(IMAGE, jnp.float32)

    @jax.jit
    @jax.value_and_grad
    def total(x, label):
        return (contrastive_2c_loss(x, image, label, 0.1).sum() + d2d_ce_loss(x, image, label, **margins).sum()
                + d2d_ce_loss(x, image, label, shift_negatives=True, **margins).sum())
    for label in (np.zeros(5, np.int32), np.arange(5, dtype=np.int32)):
        value, gradient = total(image, label)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def test_unit_vectors_keep_a_finite_gradient_at_the_origin():
    np.testing.assert_allclose(unit(jnp.array([3.0, 4.0])), [0.6, 0.8], rtol=1e-6)
    assert jnp.isfinite(jax.grad(lambda x: unit(x).sum())(jnp.zeros(3))).all()


def test_crammer_singer_closed_form(x64):
    rows = np.arange(5)
    others = np.where(np.arange(3) == LABEL[:, None], -np.inf, LOGIT).max(axis=1)
    np.testing.assert_allclose(crammer_singer(jnp.asarray(LOGIT), jnp.asarray(LABEL)),
                               np.maximum(0, 1 + others - LOGIT[rows, LABEL]), rtol=1e-12)


def test_multi_hinge_reads_minus_the_logit_as_the_score_of_fakes(build, ask):
    """A logit of 3 on fakes: "fake" scores -3 where every class scores 0, and 4 is short of the margin."""
    label, flat = jnp.array([0, 1]), {"multi_hinge": jnp.zeros((2, 2))}
    part = build("multi_hinge", num_classes=2)
    high, low = jnp.full(2, 3.0), jnp.full(2, -3.0)
    assert ask(part, "discriminator", flat, flat, high, low, label=label)[0] == 1
    assert ask(part, "discriminator", flat, flat, low, high, label=label)[0] == 8
    assert ask(part, "generator", fake=flat, fake_logit=low, label=label)[0] == 4
    part = build("multi_hinge", {"fake_class": False}, num_classes=2)
    assert ask(part, "discriminator", flat, flat, low, high, label=label)[0] == 1
    assert ask(part, "generator", fake=flat, fake_logit=low, label=label)[0] == 1


@pytest.mark.parametrize("label", [None, jnp.ones((3, 2)), jnp.ones((3, 2), jnp.int32)], ids=["none", "vector", "rows"])
def test_objectives_of_one_class_refuse_other_labels(label):
    unit_vectors = jnp.eye(3)
    with pytest.raises(InputError, match="needs one class an example"):
        contrastive_2c_loss(unit_vectors, unit_vectors, label, 1.0)
    with pytest.raises(InputError, match="needs one class an example"):
        cross_entropy(unit_vectors, label)


@pytest.mark.parametrize("label", [None, jnp.array([0, 1, 1]), jnp.ones((3, 3))], ids=["none", "class", "width"])
def test_objectives_of_vectors_refuse_other_labels(label):
    with pytest.raises(InputError, match="label vectors of 2 floats are needed"):
        sigmoid_cross_entropy(jnp.zeros((3, 2)), label)


@pytest.mark.parametrize(("name", "arguments", "message"), [
    ("auxiliary_classifier", {"labels": "severel"}, "no labels='severel'. Did you mean 'several'"),
    ("auxiliary_classifier", {"class_weights": "equal"}, "must be 'balanced' or 2 numbers; got 'equal'"),
    ("adc", {"class_weights": (1.0, 2.0, 3.0)}, "must hold 2 numbers from 0"),
    ("adc", {"class_weights": 2.0}, "must hold 2 numbers from 0, one a class; got 2.0"),
    ("adc", {"class_weights": "balanced"}, "needs data that count their classes; give 2 numbers"),
    ("twin_auxiliary_classifier", {"class_weights": (1.0, 1.0), "labels": "several"}, "needs labels='class'"),
    ("contrastive_2c", {"temperature": 0.0}, "temperature must be above 0"),
    ("d2d_ce", {"temperature": -1.0}, "temperature must be above 0"),
])
def test_refusals(build, name, arguments, message):
    with pytest.raises(InputError, match=message):
        build(name, arguments, num_classes=2)


def test_the_data_must_have_the_kind_of_labels_asked_for(build, labels):
    build("auxiliary_classifier", {"labels": "several"}, num_classes=2, info=labels("vector"))
    with pytest.raises(InputError, match="needs labels of a vector an example; those of toys are of one class"):
        build("auxiliary_classifier", {"labels": "several"}, num_classes=2, info=labels("class"))
