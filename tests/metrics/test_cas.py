import numpy as np
import pytest

from jaxgan.data.source import Info
from jaxgan.errors import InputError
from jaxgan.metrics import METRICS
from jaxgan.metrics.base import ArraySample, Sides

INFO = Info("digits", (8, 8, 1), num_classes=10, label_kind="class")



def test_each_accuracy_sees_its_own_failure(digits, monkeypatch):
    images, labels = digits.train
    held_out = ArraySample(*digits.held_out)
    sides = Sides(ArraySample(images, labels), ArraySample(images[::2], labels[::2]), held_out)
    metric = METRICS["cas"](INFO)
    sound = metric.compute(sides, np.random.default_rng(0))
    assert min(sound.values()) > 0.9
    # One image of each class, over and over: well drawn, and nothing to learn from.
    first = [np.flatnonzero(labels == label)[0] for label in range(10)] * 60
    collapsed = metric.compute(sides._replace(fake=ArraySample(images[first], labels[first])), np.random.default_rng(0))
    assert collapsed["gan_test"] == 1
    assert collapsed["gan_train"] < sound["gan_train"] - 0.1
    assert collapsed["real_accuracy"] == sound["real_accuracy"]
    assert metric.score(sound) < metric.score(collapsed)
    # Labels that say nothing of the images.
    mixed = ArraySample(images[::2], np.random.default_rng(0).permutation(labels[::2]))
    wrong = metric.compute(sides._replace(fake=mixed, held_out=None), np.random.default_rng(0))
    assert wrong.keys() == {"gan_train", "gan_test"}
    assert max(wrong.values()) < 0.4


def test_it_needs_classes(digits):
    with pytest.raises(InputError, match="class labels"):
        METRICS["cas"](Info("x", (8, 8, 1)))
    sample = ArraySample(*digits.train)
    with pytest.raises(InputError, match="fake"):
        METRICS["cas"](INFO).compute(Sides(sample, ArraySample(sample.images)), np.random.default_rng(0))
    small = ArraySample(sample.images[:, :7], sample.labels)
    with pytest.raises(InputError, match="one shape"):
        METRICS["cas"](INFO).compute(Sides(sample, small), np.random.default_rng(0))
