"""`python -m jaxgan.invert`: what it writes, and what it refuses."""

import json

import numpy as np
import pytest

from jaxgan import data, images, invert
from jaxgan.errors import InputError
from jaxgan.latents.inversion import psnr


@pytest.fixture(scope="module")
def trained(run_of, tmp_path_factory):
    """A run of ten steps."""
    return run_of(tmp_path_factory.mktemp("trained") / "run", "evaluate_every=0", "total_kimg=0.16")


@pytest.mark.parametrize("backbone", ["discriminator", "pixels"])
def test_digits_are_projected_with_their_labels(backbone, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = [f"--workdir={trained}", "--images=digits", "--num=3", "--steps=30", "--restarts=1"]
    assert invert.main([*options, "--output=out", "--feature_weight=0.1", f"--backbone={backbone}"]) == 0
    record, arrays = json.loads((tmp_path / "out" / "invert.json").read_text()), np.load(tmp_path / "out" / "codes.npz")
    assert [entry["label"] for entry in record["projections"]] == arrays["labels"].tolist() == [0, 1, 2]
    assert arrays["codes"].shape == (3, 4)
    assert record["backbone"] == backbone
    digits = data.open({"name": "digits", "resolution": 8})
    wanted = psnr(arrays["images"], np.stack([digits[index]["image"] for index in range(3)]))
    assert [entry["psnr"] for entry in record["projections"]] == pytest.approx(wanted)
    assert record["mean_psnr"] == pytest.approx(wanted.mean())
    # three rows of three 8x8 images, eight times as large
    assert images.load_png(tmp_path / "out" / "projections.png").shape[0] == 36 + 24 + 3 * (64 + 4) + 4


@pytest.mark.parametrize(("arguments", "message"), [
    (["--num=0"], "--num=0: give 1 or more"),
    (["--restarts=0"], "a number from 1"),
    (["--space=w"], "this run's generator are z"),
    (["--backbone=pixels"], "--backbone=pixels goes with a --feature_weight above 0"),
    (["--feature_weight=0.1", "--backbone=pixel"], "^--backbone: .*pixels"),
])
def test_refusals(trained, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        invert.main([f"--workdir={trained}", "--images=digits", "--num=2", "--output=out", *arguments])
    assert not (tmp_path / "out").exists()
