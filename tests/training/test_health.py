"""The collapse doctor: says what is wrong with runs that are made to fail, and nothing of a healthy one."""

import functools
import json

import jax
import numpy as np
import pytest

from jaxgan import config as config_lib
from jaxgan import data, training_run
from jaxgan.data.source import materialise
from jaxgan.training import health

# Measured on runs of 64,000 images by the recipes of these names, good and mediocre ones.
HEALTHY = {
    "dcgan": {"accuracy_fake": 0.84, "accuracy_real": 0.805, "average_distance": 0.042, "class_coverage": 1.0,
              "distance": 0.0, "diversity": 0.983, "label_effect": 0.808, "logit_gap": 0.093, "logit_middle": -0.006,
              "logit_spread": 0.053, "saturation": -0.08, "variety_real": 10.6, "class_diversity": 1.0},
    "r3gan": {"accuracy_fake": 0.531, "accuracy_real": 0.531, "average_distance": 0.045, "class_coverage": 0.9,
              "distance": 0.055, "diversity": 0.957, "label_effect": 0.989, "logit_gap": 0.314, "logit_middle": -8.78,
              "logit_spread": 1.702, "saturation": -0.204, "variety_real": 10.6, "class_diversity": 0.86},
    "wgan": {"accuracy_fake": 0.539, "accuracy_real": 0.516, "average_distance": 0.114, "distance": 0.009,
             "diversity": 0.991, "logit_gap": 0.00003, "logit_middle": 0.001, "logit_spread": 0.001,
             "saturation": -0.162, "variety_real": 10.6},
    "wgan_gp": {"accuracy_fake": 0.824, "accuracy_real": 0.797, "average_distance": 0.007, "class_coverage": 1.0,
                "distance": 0.006, "diversity": 0.968, "label_effect": 0.583, "logit_gap": 1.274,
                "logit_middle": -3.949, "logit_spread": 0.649, "saturation": -0.124, "variety_real": 10.6,
                "class_diversity": 1.3},
    "acgan": {"accuracy_fake": 0.531, "accuracy_real": 0.52, "average_distance": 0.185, "class_coverage": 1.0,
              "distance": 0.047, "diversity": 1.03, "label_effect": 0.852, "logit_gap": 0.038, "logit_middle": 0.051,
              "logit_spread": 0.264, "saturation": -0.043, "variety_real": 10.6, "class_diversity": 0.89},
    "sngan": {"accuracy_fake": 0.941, "accuracy_real": 0.859, "average_distance": 0.009, "class_coverage": 1.0,
              "distance": 0.013, "diversity": 0.925, "label_effect": 0.904, "logit_gap": 1.514, "logit_middle": -0.068,
              "logit_spread": 0.581, "saturation": -0.092, "variety_real": 10.6, "class_diversity": 0.84},
    "vit_gan": {"accuracy_fake": 0.523, "accuracy_real": 0.527, "average_distance": 0.0, "class_coverage": 1.0,
                "distance": 0.056, "diversity": 0.927, "label_effect": 0.872, "logit_gap": 0.06, "logit_middle": 3.942,
                "logit_spread": 0.632, "saturation": -0.144, "variety_real": 10.6, "class_diversity": 0.8},
}
ILL = [
    ("constant_data", {"variety_real": 0.0, "diversity": 4e5}, "training images are all alike"),
    ("starved", {"accuracy_real": 0.0, "accuracy_fake": 0.01, "distance": 1.9}, "too weak: it is right on 0% of real"),
    ("saturated", {"saturation": 0.42, "diversity": 0.0}, "stuck: 42% more"),
    ("memorising", {"accuracy_real": 0.98, "accuracy_held_out": 0.52}, "held-out accuracy 0.52 against 0.98"),
    ("overpowering", {"accuracy_real": 1.0, "accuracy_fake": 0.99, "distance": 0.8}, "too strong"),
    ("no_gradient", {"grad_ratio": 1e-4}, "its gradient is 1.0e-04"),
    ("collapsed", {"diversity": 0.1}, "0.10 as far apart as two real ones"),
    ("classes_collapsed", {"class_diversity": 0.2}, "of one class are 0.20 as far apart"),
    ("classes_missing", {"class_coverage": 0.3}, "30% of those"),
    ("labels_meaningless", {"label_signal": 1.2}, "by 1.2 standard deviations of"),
    ("label_ignored", {"label_effect": 0.05}, "ignores its labels"),
    ("restless", {"average_distance": 0.7}, "runs away from its own average (0.70"),
    ("drift", {"logit_middle": -5000.0}, "about -5e+03"),
]


def records(*measurements):
    return [{"step": step, **{health.PREFIX + name: value for name, value in values.items()}}
            for step, values in enumerate(measurements)]


@pytest.mark.parametrize("recipe", HEALTHY)
def test_healthy_runs_show_no_sign(recipe):
    values = HEALTHY[recipe] | {"grad_ratio": 0.3, "accuracy_held_out": HEALTHY[recipe]["accuracy_real"] - 0.1}
    assert health.sign(records(*[values] * 5)) is None


@pytest.mark.parametrize(("name", "values", "text"), ILL)
def test_every_sign_is_told_after_some_patience(name, values, text):
    ill = HEALTHY["dcgan"] | values
    assert health.sign(records(ill, ill)) is None
    assert health.sign(records(ill, ill, HEALTHY["dcgan"])) is None
    assert health.sign(records(HEALTHY["dcgan"], ill, ill, ill)) == name
    assert text in health.SIGNS[name].text.format(**ill)


def test_every_sign_has_a_case():
    assert [name for name, *_ in ILL] == list(health.SIGNS)


def test_measurements_of_logits():
    """Accuracies are at the threshold midway between the medians; logits that are all equal are right half the time."""
    of_logits, array = jax.jit(health.of_logits), functools.partial(np.array, dtype=np.float32)
    found = of_logits({"real": array([11, 12, 13]), "fake": array([8, 9, 10]), "unseen": array([9, 10.5, 11])})
    assert (found["accuracy_real"], found["accuracy_fake"]) == (1, 1)
    np.testing.assert_allclose(found["logit_gap"], 3, rtol=1e-6)
    np.testing.assert_allclose(found["accuracy_held_out"], 0.5, rtol=1e-6)  # below, on and above 10.5
    found = of_logits({"real": np.ones(4, np.float32), "fake": np.ones(4, np.float32)})
    assert (found["accuracy_real"], found["accuracy_fake"]) == (0.5, 0.5)
    assert "accuracy_held_out" not in found


def test_measurements_of_images():
    rng, of_images, signal = np.random.default_rng(0), jax.jit(health.of_images), jax.jit(health.signal)
    label = np.arange(40) // 10
    reals = [(rng.normal(size=(40, 6)) / 4 + 4 * np.eye(6)[label]).astype(np.float32) for _ in range(2)]
    same = of_images({"real": reals[0], "fake": reals[1], "relabelled": reals[1]}, label)
    assert same["label_signal"] > 20
    assert abs(signal(reals[0], rng.permutation(label))) < 4
    assert np.isnan(signal(reals[0], np.arange(40)))
    np.testing.assert_allclose([same["diversity"], same["class_diversity"]], 1, atol=0.05)
    np.testing.assert_allclose(same["distance"], 0, atol=0.05)
    assert (same["class_coverage"], same["label_effect"]) == (1, 0)
    one = np.tile(np.array([4, 0, 0, 0, 0, 0], np.float32), (40, 1))
    found = of_images({"real": reals[0], "fake": one, "relabelled": one[:, ::-1]}, label)
    assert found["diversity"] == 0
    assert found["distance"] > 0.3
    assert found["class_coverage"] == 0.25
    centres = reals[0].reshape(4, 10, 6).mean(1)[label]  # an image a class
    found = of_images({"real": reals[0], "fake": centres}, label)
    assert found["class_diversity"] < 0.01
    assert found["diversity"] > 0.8
    assert np.isnan(of_images({"real": reals[0], "fake": centres}, np.arange(40))["class_diversity"])


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Digits of 8x8 as .npz files with a test split: all, 50 of them, one of them over and over."""
    images, labels = materialise(data.open({"name": "digits", "resolution": 8}))
    order = np.random.default_rng(0).permutation(len(images))
    images, labels, folder = images[order], labels[order], tmp_path_factory.mktemp("sets")
    chosen = {"all": np.arange(1400), "few": np.arange(50), "one": np.zeros(1400, int)}
    for name, rows in chosen.items():
        np.savez(folder / f"{name}.npz", train_images=images[rows], train_labels=labels[rows],
                 test_images=images[1400:], test_labels=labels[1400:])
    np.savez(folder / "shuffled.npz", train_images=images[:1400], test_images=images[1400:],
             train_labels=np.random.default_rng(1).permutation(labels[:1400]), test_labels=labels[1400:])
    return folder


@pytest.fixture
def examined(tiny, plain_runs, sets, tmp_path, capsys):
    """`examined("few", ...)` -> (findings, the log, what was said) of a run of 400 steps of 32, examined every 100."""
    def run(name, *overrides):
        adam = {"name": "adam", "learning_rate": 1e-3, "b1": 0.0, "b2": 0.99}
        config = tiny(f"data={({'name': 'npz', 'path': str(sets / f'{name}.npz')})!r}", "latent.dim=16",
                      f"optimizers.generator={adam}", f"optimizers.discriminator={adam}", "batch_size=32",
                      "total_kimg=12.8", "generator.width=64", "generator.depth=2", "discriminator.width=64",
                      "discriminator.depth=2", "average.ema.half_life_kimg=2", "steps_per_call=50", "log_every=100",
                      "sample_every=0", "checkpoint_every=0", "health_every=100", *overrides)
        training_run.train(config, tmp_path / "run")
        log = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
        found = {key.removeprefix("finding/"): text for record in log for key, text in record.items()
                 if key.startswith("finding/")}
        return found, log, capsys.readouterr().err
    return run


def test_a_healthy_run_hears_nothing(examined):
    found, log, said = examined("all", "regularizers.r1={'name': 'r1', 'gamma': 0.1}")
    assert not found
    assert "try" not in said
    numbers = {name for name in log[-1] if name.startswith("health/")}
    assert numbers == {f"health/{name}" for name in (*HEALTHY["dcgan"], "accuracy_held_out", "grad_ratio",
                                                     "label_signal")}
    assert 0.2 < log[-1]["health/accuracy_held_out"] < 0.9
    assert "time/health" in {name for record in log for name in record}


def test_weights_in_shares_are_examined(root, tmp_path):
    """Those of convolutions: XLA dies where it is left to cut them itself."""
    config = config_lib.load(f"{root}/configs/dcgan.py:tiny:digits", [
        "data.resolution=8", "parallel=fsdp", "health_every=1", "total_kimg=0.032", "sample_every=0",
        "checkpoint_every=0"])
    training_run.train(config, tmp_path / "run")
    log = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert any("health/diversity" in json.loads(line) for line in log)


SLOW = pytest.mark.slow
BOTH = ("optimizers.generator.learning_rate=0.1", "optimizers.discriminator.learning_rate=0.1")
STRONG = ("optimizers.generator.learning_rate=1e-4", "optimizers.discriminator.learning_rate=0.01", "loss=minimax")


@pytest.mark.parametrize(("name", "overrides", "sign"), [
    ("few", (), "memorising"),
    pytest.param("all", ("optimizers.discriminator.learning_rate=1e-6",), "starved", marks=SLOW),
    ("all", BOTH, "saturated"),
    ("all", ("generator.embed_dim=256",), "classes_collapsed"),
    pytest.param("all", STRONG, "overpowering", marks=SLOW),
    pytest.param("one", (), "constant_data", marks=SLOW),
    pytest.param("shuffled", (), "labels_meaningless", marks=SLOW),
])
def test_runs_made_to_fail(examined, name, overrides, sign):
    found, log, said = examined(name, *overrides)
    assert list(found) == [sign]
    assert f"Step {log[-1]['step']}: {found[sign]}" in said or f"Step 300: {found[sign]}" in said
