"""Adversarial heads, and heads beside them."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.layers.heads import KINDS, AdversarialHead, WithHeads
from jaxgan.models import FAMILIES
from jaxgan.typing import DiscriminatorOutput

FEATURES = np.random.default_rng(5).standard_normal((4, 6), np.float32)
LABEL = np.array([0, 2, 1, 2])


def build(kind, **fields):
    """A head, and its variables in NumPy."""
    head = AdversarialHead(kind, num_classes=3, **fields)
    return head, jax.device_get(jax.jit(lambda key: head.init(key, FEATURES, LABEL, train=True))(jax.random.key(0)))


def evaluated(head, variables, *labels):
    """The logits of FEATURES with each of the labels."""
    return jax.jit(lambda given: [head.apply(given, FEATURES, label, train=False) for label in labels])(variables)


def test_linear_and_projection():
    head, variables = build("linear")
    linear = variables["params"]["linear"]
    expected = FEATURES @ linear["kernel"][:, 0] + linear["bias"]
    np.testing.assert_allclose(evaluated(head, variables, None)[0], expected, rtol=1e-5)
    head, variables = build("projection")
    linear, table = variables["params"]["linear"], variables["params"]["embed"]["embedding"]
    expected = FEATURES @ linear["kernel"][:, 0] + linear["bias"] + (FEATURES * table[LABEL]).sum(1)
    for logit in evaluated(head, variables, LABEL, np.eye(3, dtype=np.float32)[LABEL]):
        np.testing.assert_allclose(logit, expected, rtol=1e-5, atol=1e-6)


def test_spectral_normalises_both_tables_of_a_projection_and_not_a_direction():
    def tables(kind):
        head = AdversarialHead(kind, num_classes=3, spectral=True)
        shapes = jax.eval_shape(lambda: head.init(jax.random.key(0), FEATURES, LABEL, train=True))
        return sorted(shapes.get("spectral", ()))
    assert {kind: tables(kind) for kind in KINDS} == {
        "linear": ["linear"], "projection": ["embed", "linear"], "san": []}


def test_without_classes_a_label_is_ignored():
    for kind in KINDS:
        head = AdversarialHead(kind)
        variables = jax.jit(lambda key, head=head: head.init(key, FEATURES, train=True))(jax.random.key(0))
        assert "embed" not in variables["params"]
        np.testing.assert_array_equal(*evaluated(head, variables, None, LABEL))


def test_half_precision_features_give_a_float32_logit():
    for kind in KINDS:
        def of_narrow(head):
            variables = head.init(jax.random.key(0), FEATURES, LABEL, train=True)
            return head.apply(variables, jnp.asarray(FEATURES, "bfloat16"), LABEL, train=False, method="output")
        output = jax.eval_shape(functools.partial(of_narrow, AdversarialHead(kind, num_classes=3)))
        assert {leaf.dtype for leaf in jax.tree.leaves(output)} == {jnp.dtype("float32")}


def test_san_trains_features_and_direction_apart():
    head, variables = build("san")
    weight = variables["params"]["direction"][:, 0] + variables["params"]["embed"]["embedding"][LABEL]

    def output(params, features):
        return head.apply({"params": params}, features, LABEL, train=True, method="output")

    @jax.jit
    def everything(*given):
        return (output(*given), jax.grad(lambda *given: output(*given).logit.sum(), argnums=(0, 1))(*given),
                jax.grad(lambda *given: output(*given).extra["direction"].sum(), argnums=(0, 1))(*given))

    given, logit, direction = jax.device_get(everything(variables["params"], FEATURES))
    expected = (weight * FEATURES).sum(1)
    np.testing.assert_allclose(given.logit, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(given.extra["direction"], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(logit[1], weight, rtol=1e-4)
    np.testing.assert_array_equal(direction[1], 0)
    unit = weight / np.linalg.norm(weight, axis=1, keepdims=True)
    # The length of w is trained with the features, its direction by the other output, orthogonally to itself.
    along = unit * (FEATURES * unit).sum(1, keepdims=True)
    np.testing.assert_allclose(logit[0]["direction"][:, 0], along.sum(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(direction[0]["direction"][:, 0], (FEATURES - along).sum(0), rtol=1e-3, atol=1e-5)


def test_unknown_kind():
    with pytest.raises(InputError, match=r"config\.discriminator\.head: there is no 'projecton'.*'projection'"):
        build("projecton")


def test_with_heads():
    class Twice(nn.Module):
        @nn.compact
        def __call__(self, features, label):
            return {"dense": nn.Dense(2)(features), "label": label}

    inner = FAMILIES["mlp"].Discriminator((2, 2, 1), num_classes=3, width=4, depth=1)
    network = WithHeads(inner, {"twice": Twice()})
    image = np.ones((4, 2, 2, 1), np.float32)
    run = jax.jit(lambda key: network.init_with_output(key, image, LABEL, train=True))
    output, variables = jax.device_get(run(jax.random.key(0)))
    assert set(variables["params"]) == {"discriminator", "heads_twice"}
    plain = jax.device_get(jax.jit(lambda params: inner.apply({"params": params}, image, LABEL, train=True))(
        variables["params"]["discriminator"]))
    np.testing.assert_allclose(output.logit, plain.logit, rtol=1e-5)
    dense = variables["params"]["heads_twice"]["Dense_0"]
    np.testing.assert_allclose(output.extra["twice"]["dense"], plain.features @ dense["kernel"], rtol=1e-5)
    np.testing.assert_array_equal(output.extra["twice"]["label"], LABEL)


def test_heads_need_features_to_read():
    class Bare(nn.Module):
        def __call__(self, image, label=None, *, train):
            return DiscriminatorOutput(logit=image.sum((1, 2, 3)))

    with pytest.raises(InputError, match=r"config\.discriminator gives no features for the heads twice of"):
        WithHeads(Bare(), {"twice": nn.Dense(2)}).init(jax.random.key(0), jnp.ones((4, 2, 2, 1)), train=True)


def test_projection_is_studiogans(shared):
    """The reference's logit is a given one plus <embedding of the label, features>; value and gradients."""
    arrays = np.load(shared("reference/losses_studiogan.npz"))
    with jax.enable_x64(True):
        features, table, real = (arrays[name].astype("float64") for name in ("h", "proj_table", "logits_real"))
        linear = {"kernel": np.zeros((6, 1)), "bias": np.zeros(1)}
        head = AdversarialHead("projection", num_classes=4)

        def logits(features, table):
            params = {"linear": linear, "embed": {"embedding": table}}
            return real + head.apply({"params": params}, features, arrays["labels"], train=True)

        found, gradients = jax.jit(lambda *given: (
            logits(*given), jax.grad(lambda *given: logits(*given).sum(), argnums=(0, 1))(*given)))(features, table)
        np.testing.assert_allclose(found, arrays["projection_logits_f64"], rtol=1e-10)
        for name, gradient in zip(("h", "proj_table"), gradients):
            np.testing.assert_allclose(gradient, arrays[f"projection_sum:d_{name}_f64"], rtol=1e-10)
