"""FID's network gives the features and logits of pytorch-fid and torch-fidelity."""

import hashlib
import json

import numpy as np
import pytest
from published import rule_weights

from jaxgan import compilation, evaluate, prepare
from jaxgan.errors import InputError
from jaxgan.interop import names, safetensors
from jaxgan.layers.pooling import average_pool, max_pool
from jaxgan.metrics.backbones import inception

REFERENCES = {"tf1": "torchfidelity", "torch": "pytorchfid"}
OUTPUTS = {"64": "64", "192": "192", "768": "768", "pool": "2048", "logits": "logits_unbiased"}


def kind(name: str, shape: tuple) -> tuple[float, float]:
    if name.endswith("conv.weight"):
        return 0, np.sqrt(2 / np.prod(shape[1:]))
    return (1, 0.1) if name.endswith("bn.weight") else (0, 2048**-0.5 if name == "fc.weight" else 0.1)


@pytest.fixture(scope="module")
def tensors(shared):
    return rule_weights(shared("reference/inception_fid_rule.json"), "inception", kind)


def test_parity(shared, tensors):
    arrays = np.load(shared("reference/inception_fid_rule.npz"))
    params = names.nest(inception.convert(tensors, "rule"))
    images = [arrays[f"image{index}"][None] for index in range(5)]
    network = compilation.jit_once(lambda params, x: inception.InceptionV3().apply(
        {"params": params}, x, mutable=["intermediates"]))
    prepared = [np.concatenate([inception.backbone("x", "", params, resizer).prepare(image) for image in images])
                for resizer in REFERENCES]
    outputs, sown = network(params, np.concatenate(prepared))
    outputs |= {name: value for name, (value,) in sown["intermediates"].items()}
    assert outputs["spatial"].shape == (10, 17 * 17 * 7)
    for half, source in enumerate(REFERENCES.values()):
        for ours, theirs in OUTPUTS.items():
            if f"{source}_{theirs}" in arrays:
                expected = arrays[f"{source}_{theirs}"]
                found = np.asarray(outputs[ours])[5 * half:5 * half + 5]
                assert np.abs(found - expected).max() <= 2e-5 * np.abs(expected).max(), (source, theirs)


def test_wrong_tensors_are_listed_at_once(tensors):
    wrong = dict(tensors)
    del wrong["Mixed_5b.branch1x1.bn.bias"], wrong["Mixed_7c.branch_pool.bn.num_batches_tracked"]
    wrong["fc.weight"] = wrong["fc.weight"][:1000]
    wrong["AuxLogits.fc.bias"] = wrong["fc.bias"]
    with pytest.raises(InputError) as caught:
        inception.convert(wrong, "file.pth")
    assert str(caught.value) == (
        "file.pth does not hold the weights of this network. 1 missing: Mixed_5b.branch1x1.bn.bias. 1 not known: "
        "AuxLogits.fc.bias. 1 of another shape: fc.weight (1000, 2048), not (1008, 2048).")


def test_the_input_is_scaled_as_each_score_does():
    images = np.uint8([0, 128, 255]).reshape(3, 1, 1, 1)
    scaled = {"tf1": [-1, 0, 127 / 128], "clean": [-1, 0, 127 / 128], "torch": [-1, 1 / 255, 1]}
    for resizer, expected in scaled.items():
        prepared = inception.backbone("x", "", {}, resizer).prepare(images)
        assert prepared.shape == (3, 299, 299, 3)
        np.testing.assert_allclose(prepared[:, 7, 5, 1], expected, atol=1e-6)
    with pytest.raises(InputError, match="resizer must be tf1, torch or clean; got 'box'"):
        inception.inception("box")


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 2, 0), (3, 1, 1), (2, 2, 0)])
def test_pooling(size, stride, padding):
    x = np.random.default_rng(0).normal(size=(2, 7, 9, 3)).astype(np.float32) - 5
    padded = np.pad(x, ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))[:, ::stride, ::stride]
    found = max_pool(x, size, stride=stride, padding=padding), average_pool(x, size, stride=stride, padding=padding)
    np.testing.assert_array_equal(found[0], np.nanmax(windows, (-1, -2)))
    np.testing.assert_allclose(found[1], np.nanmean(windows, (-1, -2)), rtol=1e-6)


@pytest.mark.slow
def test_a_score_on_other_weights_is_prepared_and_not_called_fid(tensors, tmp_path, monkeypatch):
    """From a file of weights to the JSON of `evaluate`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("jaxgan.metrics.features.BATCH", 2)
    safetensors.write(tmp_path / "mine.safetensors", tensors, {})
    sha256 = hashlib.sha256((tmp_path / "mine.safetensors").read_bytes()).hexdigest()
    prepare.main(["--weights=inception-custom", "--from=mine.safetensors"])
    rng = np.random.default_rng(0)
    for side, high in (("real", 256), ("fake", 200)):
        np.savez(f"{side}.npz", images=rng.integers(high, size=(16, 32, 32, 3), dtype=np.uint8))
    evaluate.main(["--fake=fake.npz", "--real=real.npz", "--metrics=fid,is,sfid", "--backbone=inception-custom",
                   "--draws=1", "--json=scores.json"])
    results = json.loads((tmp_path / "scores.json").read_text())["results"]
    title = f"inception-custom-{sha256[:8]}"
    assert [result["name"] for result in results] == [f"fd16_{title}", f"is16_{title}", f"sfd16_{title}"]
    assert {result["protocol"]["backbone"]["weights_sha256"] for result in results} == {sha256}
    assert all(np.isfinite(result["value"]) and result["value"] > 0 for result in results)
