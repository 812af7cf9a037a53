import numpy as np
import pytest

from jaxgan.data.source import Info
from jaxgan.errors import InputError
from jaxgan.metrics import METRICS, classifier
from jaxgan.metrics.base import ArraySample, Sides


def logits(classes, num_classes=4):
    return ArraySample(np.zeros((len(classes), 1)), outputs={"logits": np.eye(num_classes, dtype=np.float32)[classes]})


def coverage(real, fake):
    return METRICS["class_coverage"]().compute(Sides(logits(real), logits(fake)), np.random.default_rng(0))


def test_classes_and_their_divergence_in_closed_form():
    real = [0] * 4 + [1] * 2 + [2] * 2
    assert coverage(real, real) == {"classes": 3, "class_kl": 0}
    found = coverage(real, [0] * 3 + [1])
    assert found == {"classes": 2, "class_kl": pytest.approx(0.75 * np.log(1.5))}
    # The direction matters: KL(fake ‖ real), half an image for what is not among the real ones.
    assert coverage(real, [3])["class_kl"] == pytest.approx(np.log(16))


def stack(images, labels, rows):
    return np.concatenate([images[row] for row in rows], axis=-1), labels[rows[0]] * 10 + labels[rows[1]]


def stacked(kind):
    return METRICS["stacked_modes"](Info("stacked", (8, 8, 2), num_classes=100 if kind == "class" else 2,
                                         label_kind=kind))


def test_modes_of_stacked_digits(digits, rng):
    images, labels = stack(*digits.train, rng.integers(len(digits.train[0]), size=(2, 500)))
    metric, real = stacked("class"), ArraySample(images, labels)
    sound = metric.compute(Sides(real, ArraySample(images)), rng)
    assert sound["modes"] == len(np.unique(labels)) > 95
    assert sound["reverse_kl"] < 0.15
    # The first channel is always one and the same three: ten modes at most, log 10 nats away and a bit more.
    threes = np.flatnonzero(digits.train[1] == 3)[:1].repeat(1000)
    images, labels = stack(*digits.train, np.stack([threes, rng.integers(len(digits.train[0]), size=1000)]))
    collapsed = metric.compute(Sides(real, ArraySample(images)), rng)
    assert collapsed["modes"] == 10
    assert collapsed["reverse_kl"] == pytest.approx(np.log(10), abs=0.3)
    assert metric.score(sound) < metric.score(collapsed)


def test_vectors_of_digits_mean_the_same(digits, rng, monkeypatch):
    monkeypatch.setattr(classifier, "MIN_STEPS", 3)
    monkeypatch.setattr(classifier, "MAX_STEPS", 3)
    images, labels = stack(*digits.train, rng.integers(len(digits.train[0]), size=(2, 200)))
    vectors = np.stack([labels // 10, labels % 10], 1).astype(np.float32)
    found = [stacked(kind).compute(Sides(ArraySample(images, given), ArraySample(images)), rng)
             for kind, given in (("class", labels), ("vector", vectors))]
    assert found[0] == found[1]


@pytest.mark.parametrize(("shape", "num_classes", "kind"), [
    ((8, 8, 1), 10, "class"), ((8, 8, 3), 10, "class"), ((8, 8, 3), 0, "none"), ((8, 8, 3), 5, "vector")])
def test_data_that_stack_nothing(shape, num_classes, kind):
    with pytest.raises(InputError, match="several channels"):
        METRICS["stacked_modes"](Info("x", shape, num_classes=num_classes, label_kind=kind))
