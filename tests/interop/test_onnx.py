"""Generators as ONNX: onnxruntime computes what JAX does, for any batch."""

import jax
import jax.numpy as jnp
import numpy as np
import onnx as onnx_lib
import onnxruntime
import pytest

from jaxgan import keys
from jaxgan.data import Info
from jaxgan.errors import InputError
from jaxgan.exporting import generator_function
from jaxgan.interop import onnx
from jaxgan.latents.priors import normal
from jaxgan.latents.sampling import Sampler
from jaxgan.models import FAMILIES
from jaxgan.training.parallel import make_mesh

DIM = 12
CASES = {
    "mlp": dict(shape=(4, 5, 3), width=8, depth=2),
    "dcgan": dict(shape=(13, 10, 1), width=4),  # odd sizes: transposed convolutions that are cut, and continued
    "resnet": dict(shape=(8, 8, 3), width=4),
    "biggan": dict(shape=(8, 8, 3), width=4, attention=8),
    "biggan_deep": dict(shape=(8, 8, 3), width=4),
    "r3gan": dict(shape=(8, 8, 3), width=8, group_width=4),
    "stylegan2": dict(shape=(8, 8, 3), width=4, w_dim=8, mapping_layers=2),
    "stylegan3": dict(shape=(8, 12, 1), width=4, max_width=6, w_dim=8, num_layers=3, margin=1),
    "vit": dict(shape=(8, 8, 3), width=16, depth=2, heads=2, images=2, patch=4),
    "srgan": dict(shape=(8, 12, 3), label_shape=(4, 6, 3), width=4, blocks=1),
    "pix2pix": dict(shape=(8, 12, 3), label_shape=(8, 12, 1), width=4),
    "cyclegan": dict(shape=(16, 8, 3), label_shape=(16, 8, 3), width=4, blocks=1),
}
SLOW = ("resnet", "biggan_deep")  # biggan has all that they have


def scattered(network, *inputs):
    """Variables of a network, none of which is 0 or 1 only: what is lost in translation shows."""
    key, rng = keys.root(0), np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: network.init({"params": key, "noise": key}, *inputs, train=False))

    def scatter(path, leaf):
        drawn = rng.standard_normal(leaf.shape)
        if leaf.ndim > 1:
            return np.float32(drawn / np.sqrt(np.prod(leaf.shape[:-1])))
        return np.float32(1 + np.abs(drawn) if "var" in str(path[-1]) else 0.5 + 0.1 * drawn)
    return jax.tree_util.tree_map_with_path(scatter, shapes)


def made_by(content, **given):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]).run(["image"], given)[0]


@pytest.mark.parametrize("family", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CASES])
def test_onnxruntime_agrees_with_jax(family):
    fields, rng = dict(CASES[family]), np.random.default_rng(1)
    shape, given = fields.pop("shape"), {"z": rng.standard_normal((5, DIM), np.float32)}
    if "label_shape" in fields:
        info = Info("x", shape, label_kind="image", label_shape=fields["label_shape"])
        given["label"] = rng.uniform(-1, 1, (5, *info.label_shape)).astype(np.float32)
    else:
        info = Info("x", shape, 3, ("a", "b", "c"), label_kind="class")
        given["label"] = np.array([0, 2, 1, 1, 0], np.int32)
    network = FAMILIES[family].Generator(info.shape, info.num_classes, **fields)
    variables = scattered(network, *given.values())
    weights = {"params": variables.pop("params"), "variables": variables}
    function, inputs = generator_function(Sampler(network, normal(DIM), make_mesh(jax.devices()[:1])), weights, info)
    given |= {"psi": np.array(0.7, np.float32)} if "psi" in inputs else {}
    assert list(inputs) == list(given)
    content = onnx.convert(function, inputs, "image", {"step": "7"})
    assert {each.key: each.value for each in onnx_lib.load_from_string(content).metadata_props} == {"step": "7"}
    reference = np.asarray(jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})(*given.values()))
    assert reference.std() > 0.01
    np.testing.assert_allclose(made_by(content, **given), reference, rtol=0, atol=1e-4)
    alone = {name: value[1:2] if value.ndim else value for name, value in given.items()}
    np.testing.assert_allclose(made_by(content, **alone), reference[1:2], rtol=0, atol=1e-4)
    if "psi" in inputs:
        assert np.abs(made_by(content, **given | {"psi": np.array(1, np.float32)}) - reference).max() > 1e-3


def test_no_family_is_left_out():
    assert set(CASES) == set(FAMILIES)


def test_an_operation_without_a_rule_is_named():
    batch = jax.export.symbolic_shape("batch")
    inputs = {"z": jax.ShapeDtypeStruct((*batch, 4), jnp.float32)}
    with pytest.raises(InputError, match=r"computes 'cumsum', which this export has no rule for\. Leave onnx out"):
        onnx.convert(lambda z: jnp.cumsum(z, axis=1), inputs, "image", {})
