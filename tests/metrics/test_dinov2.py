"""DINOv2 as the original code computes it, and as transformers does."""

import dataclasses
import json
import math

import jax
import numpy as np
import pytest
from published import rule_weights

from jaxgan import compilation
from jaxgan.errors import InputError
from jaxgan.interop import names
from jaxgan.metrics.backbones import dinov2

FIXTURES = {  # heads, exact
    "dinov2_fb_tiny": (4, False), "dinov2_fb_tiny_reg_swiglu": (4, False), "dinov2_tiny": (4, True),
    "dinov2_tiny_swiglu": (4, True)}


def stored(arrays) -> dict[str, np.ndarray]:
    return {key.removeprefix("model/"): arrays[key] for key in arrays if key.startswith("model/")}


def network_of(tensors, heads: int, exact: bool) -> dinov2.VisionTransformer:
    network = dinov2.describe(dinov2.from_transformers(tensors), "fixture")
    return dataclasses.replace(network, heads=heads, exact=exact, parent=None)


@pytest.mark.parametrize("name", FIXTURES)
def test_parity(shared, name):
    arrays = np.load(shared(f"reference/{name}.npz"))
    network = network_of(stored(arrays), *FIXTURES[name])
    params = names.nest(dinov2.convert(stored(arrays), name, network))
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: leaf.astype(np.float64), params)
        run = compilation.jit_once(lambda params, x: network.apply({"params": params}, x))
        for index in range(sum(key.startswith("pixels_") and "f64" not in key for key in arrays)):
            outputs = run(params, arrays[f"pixels_{index}"].transpose(0, 2, 3, 1).astype(np.float64))
            for found, key in ((outputs["pool"], "cls"), (outputs["patches"].mean(1), "patch_mean")):
                expected = arrays[f"{key}_{index}_f64"]
                assert found.dtype == np.float64
                assert np.abs(found - expected).max() <= 1e-5 * max(np.abs(expected).max(), 1), (index, key)


def test_vit_s_by_rule(shared):
    def kind(name, shape):
        if "norm" in name and name.endswith("weight"):
            return 1, 0.1
        if name.endswith(("lambda1", "bias")):
            return (0.5 if name.endswith("lambda1") else 0), 0.1
        return 0, 0.5 if name.endswith(("position_embeddings", "_token")) else 1 / math.sqrt(np.prod(shape[1:]))

    tensors = rule_weights(shared("reference/dinov2_vits14_rule.json"), "model", kind)
    arrays = np.load(shared("reference/dinov2_vits14_rule.npz"))
    network = dataclasses.replace(dinov2.describe(dinov2.from_transformers(tensors), "rule"), exact=True, parent=None)
    params = names.nest(dinov2.convert(tensors, "rule", network))
    run = compilation.jit_once(lambda params, x: network.apply({"params": params}, x)["pool"])
    found = run(params, arrays["pixels_0"].transpose(0, 2, 3, 1))
    assert np.abs(found - arrays["cls_0"]).max() <= 1e-4 * np.abs(arrays["cls_0"]).max()


@pytest.mark.parametrize(("size", "width", "depth"), [("b", 768, 12), ("l", 1024, 24)])
def test_names_and_shapes_of_the_large_ones(shared, size, width, depth):
    entries = json.loads(shared(f"reference/dinov2_shapes_vit{size}14.json").read_text())["state_dict"]["model"]
    nothing = {name: np.zeros(entry["shape"], bool) for name, entry in entries.items()}
    published = {name: tensor.shape for name, tensor in dinov2.from_transformers(nothing).items()}
    del published["mask_token"]
    network = dinov2.VisionTransformer(width, depth, width // 64)
    assert published == dict(dinov2.published_names(network).values())
    assert network == dinov2.describe(dinov2.from_transformers(nothing), "fixture")


def test_older_names_of_transformers():
    rename = {"q_proj": "attention.query", "k_proj": "attention.key", "v_proj": "attention.value",
              "o_proj": "output.dense"}
    newer = {f"encoder.layer.0.attention.{name}.{leaf}": np.random.default_rng(0).normal(size=shape)
             for name in rename for leaf, shape in (("weight", (4, 4)), ("bias", (4,)))} | {
                 "embeddings.cls_token": np.zeros((1, 1, 4))}
    older = dict(newer)
    for new, old in rename.items():
        older = {name.replace(new, old): tensor for name, tensor in older.items()}
    found, expected = dinov2.from_transformers(older), dinov2.from_transformers(newer)
    assert set(found) == set(expected) == {"cls_token", *(f"blocks.0.attn.{name}.{leaf}" for name in ("qkv", "proj")
                                                         for leaf in ("weight", "bias"))}
    assert all((found[name] == expected[name]).all() for name in found)


def test_images_are_prepared_as_the_fixture_has_them(shared):
    arrays = np.load(shared("reference/dinov2_fb_tiny.npz"))
    prepared = dinov2.backbone("x", "", {}, dinov2.VisionTransformer(48, 2, 4)).prepare(arrays["image"][None])
    np.testing.assert_allclose(prepared[0, ::28].transpose(2, 0, 1), arrays["image_normalised_rows"], atol=1e-5)


def test_wrong_files():
    with pytest.raises(InputError, match="file does not hold the weights of a DINOv2 network"):
        dinov2.convert({"a": np.zeros(1)}, "file")
    minimal = {"cls_token": np.zeros((1, 1, 64)), "pos_embed": np.zeros((1, 5, 64)),
               "blocks.0.norm1.weight": np.ones(63)}
    with pytest.raises(InputError, match=r"missing: .*blocks\.0\.norm1\.bias.* 1 of another shape: "
                       r"blocks\.0\.norm1\.weight \(63,\), not \(64,\)"):
        dinov2.convert(minimal, "file")
