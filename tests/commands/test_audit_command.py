"""jaxgan.audit: finds copies and members in a run that memorises, and less where it trains privately."""

import json

import jax
import numpy as np
import pytest

from jaxgan import audit, data, training_run
from jaxgan.auditing import copied, duplicates
from jaxgan.data.source import Arrays, materialise
from jaxgan.errors import InputError
from jaxgan.privacy.attacks import attack

PRIVATE = ("privacy={'name': 'dp_sgd', 'epsilon': 1.0}", "max_rollbacks=0")


def test_an_attack_that_knows_everything_and_one_that_knows_nothing():
    rng = np.random.default_rng(0)
    sure = attack(rng.uniform(2, 3, 500), rng.uniform(0, 1, 800))
    assert sure["advantage"] == sure["tpr"]["0.001"] == 1
    assert sure["auc"] == pytest.approx(1)
    coin = attack(rng.normal(size=500), rng.normal(size=800))
    assert coin["auc"] == pytest.approx(0.5, abs=0.05)
    assert coin["advantage"] < 0.15
    assert attack(np.zeros(50), np.zeros(50))["advantage"] == 0  # ties are no knowledge


def test_rates_of_a_small_case():
    """Members 4, 3, 1 and others 2, 0: by hand."""
    found = attack(np.array([4.0, 3.0, 1.0]), np.array([2.0, 0.0]))
    assert found["curve"] == {"fpr": [0.0, 0.0, 0.0, 0.5, 0.5, 1.0],
                              "tpr": pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1, 1])}
    assert found["auc"] == pytest.approx(5 / 6)  # of six pairs, five in order
    assert found["advantage"] == pytest.approx(2 / 3)
    assert found["tpr"]["0.001"] == pytest.approx(2 / 3)


def test_chance_is_what_two_equal_sides_stay_below():
    rng = np.random.default_rng(1)
    found = [attack(rng.normal(size=200), rng.normal(size=300)) for _ in range(400)]
    assert 0.9 < np.mean([each["advantage"] < each["chance"] for each in found]) < 0.99


def test_copies_and_duplicates_are_counted():
    rng = np.random.default_rng(0)
    real, new = rng.normal(size=(2, 200, 16))
    fake = np.concatenate([real[:50], rng.normal(size=(150, 16))])
    found = copied(real, fake, new)
    assert found["copies"] == 50
    assert found["close"] > 0.24
    assert found["authpct"] < found["held_out_authpct"]
    assert copied(real, new[::-1], new)["ratio"] == pytest.approx(1)
    images = rng.integers(0, 256, (20, 8, 8, 1)).astype(np.uint8)
    images[3], images[7] = images[2], images[6]
    images[7, 0, 0] ^= 1
    assert duplicates(Arrays(images, None)) == {"n": 20, "equal": 2, "nearly_equal": 4}


@pytest.fixture
def fifty(tmp_path):
    """An .npz with 50 training digits and 400 others."""
    images, labels = materialise(data.open({"name": "digits", "resolution": 8}))
    path = tmp_path / "fifty.npz"
    np.savez(path, train_images=images[:50], train_labels=labels[:50], test_images=images[50:450],
             test_labels=labels[50:450])
    return path


def run_of(tiny, folder, path, *overrides):
    config = tiny(f"data={{'name': 'npz', 'path': '{path}'}}", "health_every=0", "checkpoint_every=0", "sample_every=0",
                  "log_every=0", *overrides)
    training_run.train(config, folder, quiet=True, devices=jax.devices()[:1])
    return folder


@pytest.fixture
def unseen_pictures(monkeypatch):
    monkeypatch.setattr(training_run.Studio, "draw", lambda *_: None)
    monkeypatch.setattr(training_run.Studio, "finish", lambda *_: "")


def test_the_command_writes_a_record_a_page_and_a_gallery(tiny, tmp_path, fifty, unseen_pictures, capsys):
    folder = run_of(tiny, tmp_path / "run", fifty, "total_kimg=0.16")
    assert audit.main([f"--workdir={folder}", f"--output={tmp_path / 'audit'}", "--num=100"]) == 0
    assert "by chance below" in capsys.readouterr().out
    record = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert [row["space"] for row in record["memorization"]] == ["pixels", "discriminator"]
    assert [row["attack"] for row in record["membership"]] == ["white-box", "black-box", "black-box"]
    assert record["differential_privacy"] is None
    assert record["training"]["sha256"] != record["held_out"]["sha256"]
    page = (tmp_path / "audit" / "audit.html").read_text(encoding="utf-8")
    assert "TPR at 0.1 % FPR" in page
    assert "was trained without" in page
    assert (tmp_path / "audit" / "closest.png").stat().st_size > 1000


def test_without_held_out_images_it_asks_for_some(tiny, tmp_path, unseen_pictures):
    config = tiny("total_kimg=0.016", "health_every=0", "checkpoint_every=0", "sample_every=0", "log_every=0")
    training_run.train(config, tmp_path / "run", quiet=True, devices=jax.devices()[:1])
    with pytest.raises(InputError, match="name some by --held_out"):
        audit.main([f"--workdir={tmp_path / 'run'}", f"--output={tmp_path / 'audit'}"])


@pytest.mark.slow
def test_membership_shows_in_a_discriminator_that_memorised_and_hides_in_a_private_one(tiny, tmp_path, fifty,
                                                                                      unseen_pictures):
    found = {}
    for name, overrides in (("plain", ()), ("private", PRIVATE)):
        folder = run_of(tiny, tmp_path / name, fifty, "total_kimg=48.0", "discriminator.width=128",
                        "steps_per_call=100", "optimizers.discriminator.learning_rate=0.002", *overrides)
        audit.main([f"--workdir={folder}", f"--output={tmp_path / name / 'audit'}", "--num=100", "--features=pixels"])
        found[name] = json.loads((tmp_path / name / "audit" / "audit.json").read_text())
    plain, private = (found[name]["membership"][0]["advantage"] for name in ("plain", "private"))
    assert plain > 0.5
    assert private < found["private"]["membership"][0]["chance"]
    assert found["private"]["differential_privacy"]["epsilon"] <= 1.0
