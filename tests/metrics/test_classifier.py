"""The classifier learned from the data, and the backbones that need no published weights."""

import jax
import numpy as np
import pytest

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.metrics import classifier
from jaxgan.metrics.backbones import BACKBONES
from jaxgan.metrics.backbones.classifier import build, identity, train
from jaxgan.metrics.base import ArraySample
from jaxgan.metrics.features import Extractor
from jaxgan.metrics.kmeans import kmeans


@pytest.fixture(scope="module")
def learned(digits):
    return classifier.train_classifier(*digits.train, 10, seed=0)


def quick(monkeypatch, num_steps=3):
    monkeypatch.setattr(classifier, "MIN_STEPS", num_steps)
    monkeypatch.setattr(classifier, "MAX_STEPS", num_steps)


def test_it_learns_the_classes(learned, digits):
    images, labels = digits.held_out
    outputs = classifier.classify(learned, images)
    assert outputs["pool"].shape == (len(images), classifier.WIDTH)
    assert outputs["logits"].shape == (len(images), 10)
    assert classifier.accuracy(learned, images, labels) == np.mean(outputs["logits"].argmax(1) == labels) > 0.92


def test_without_labels_neighbours_in_feature_space_are_of_one_class(digits):
    weights = classifier.train_classifier(digits.train[0], None, 0, seed=0)
    known, asked = (classifier.classify(weights, images)["pool"] for images in (digits.train[0], digits.held_out[0]))
    nearest = np.linalg.norm(asked[:, None] - known[None], axis=-1).argmin(1)
    assert np.mean(digits.train[1][nearest] == digits.held_out[1]) > 0.85


def test_the_weights_follow_from_images_labels_and_seed(digits, same_bits, monkeypatch):
    quick(monkeypatch)
    images, labels = digits.train
    one, again, other, swapped = (classifier.train_classifier(images, given, 10, seed=seed)
                                  for given, seed in ((labels, 0), (labels, 0), (labels, 1), (labels[::-1], 0)))
    same_bits(one, again)
    assert len({classifier.digest(weights) for weights in (one, other, swapped)}) == 3
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(one))


def test_the_features_of_an_image_do_not_depend_on_the_others(learned, digits, same_bits):
    images = digits.held_out[0]
    whole = classifier.classify(learned, images)
    same_bits({name: values[261:265] for name, values in whole.items()}, classifier.classify(learned, images[261:265]))


@pytest.mark.parametrize("shape", [(5, 12, 3), (28, 28, 1), (66, 20, 3), (300, 200, 4)])
def test_networks_for_images_of_any_shape(shape):
    prepared = classifier.prepare(np.zeros((2, *shape), np.uint8))
    assert prepared.shape == (2, min(shape[0], 64), min(shape[1], 64), shape[2])
    weights = jax.eval_shape(lambda key: classifier.Network(7).init(key, prepared, train=True), keys.root(0))
    outputs = jax.eval_shape(classifier.apply, weights, prepared)
    assert {name: value.shape for name, value in outputs.items()} == {"pool": (2, 64), "logits": (2, 7)}
    assert weights["params"]["Dense_0"]["kernel"].shape[0] <= 4 * 4 * 96


def test_learning_from_single_pixels(monkeypatch):
    quick(monkeypatch)
    images = np.random.default_rng(0).integers(256, size=(20, 1, 1, 2), dtype=np.uint8)
    outputs = classifier.classify(classifier.train_classifier(images, None, 0, seed=0), images)
    assert np.isfinite(outputs["pool"]).all()
    assert outputs["logits"].shape == (20, 2)


def test_large_images_are_averaged():
    images = np.repeat(np.arange(0, 240, 60, np.uint8).reshape(1, 2, 2, 1).repeat(64, 1).repeat(32, 2), 3, axis=0)
    np.testing.assert_array_equal(classifier.fit(images), images[:, ::2])


def test_shifts_move_whole_images():
    images = np.arange(28 * 28, dtype=np.uint16).reshape(1, 28, 28, 1).repeat(50, 0)
    shifted = classifier.shifted(images, np.random.default_rng(0)).astype(int)
    offsets = shifted[:, 14, 14, 0] - images[0, 14, 14, 0]
    assert {(offset + 2) % 28 - 2 for offset in offsets} == {-2, -1, 0, 1, 2}
    inner = shifted[:, 5:20, 5:20] - images[:, 5:20, 5:20].astype(int)
    assert (inner == offsets[:, None, None, None]).all()


@pytest.mark.parametrize(("images", "labels", "message"), [
    (np.zeros((4, 8, 8, 1), np.float32), None, "uint8"),
    (np.zeros((1, 8, 8, 1), np.uint8), None, "at least two"),
    (np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 1, 2, 3]), "from 0 to 2"),
    (np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 1, 2]), "got 3"),
])
def test_what_it_cannot_learn_from(images, labels, message):
    with pytest.raises(InputError, match=message):
        classifier.train_classifier(images, labels, 3, seed=0)


def test_a_metric_learns_once_from_one_object(monkeypatch):
    trainings = []
    monkeypatch.setattr(classifier, "train_classifier",
                        lambda *examples, seed: trainings.append(seed) or len(trainings))
    learn = classifier.learner(5)
    one, other = object(), object()
    assert [learn(source, lambda: (None, None, 2)) for source in (one, one, other)] == [1, 1, 2]
    assert trainings == [5, 5]


def test_the_backbone_is_the_classifier_and_is_identified_by_its_data(learned, digits, monkeypatch):
    real = ArraySample(*digits.train)
    backbone = build(learned, identity(real, 0))
    read = lambda start, stop: digits.held_out[0][start:stop]  # noqa: E731
    ((_, outputs),) = Extractor(backbone, jax.devices()[:1]).stream(read, 10)
    expected = classifier.classify(learned, digits.held_out[0][:10])
    for name in ("pool", "logits"):
        np.testing.assert_allclose(outputs[name], expected[name], rtol=1e-4, atol=1e-5)
    changed = real.images.copy()
    changed[-1, 0, 0] ^= 1
    others = [ArraySample(changed, real.labels), ArraySample(real.images, real.labels[::-1]), ArraySample(real.images)]
    names = [identity(real, 0), identity(real, 1), *(identity(sample, 0) for sample in others)]
    assert len(set(names)) == 5
    assert build(learned, names[1]).weights_sha256 != backbone.weights_sha256
    quick(monkeypatch)
    assert classifier.digest(train(real, 0)) != classifier.digest(learned)
    assert BACKBONES["classifier"](real).weights_sha256 == BACKBONES["classifier"](real).weights_sha256


def test_pixels_are_block_means(digits):
    backbone = BACKBONES["pixels"](size=4)
    images = digits.held_out[0][:6]
    (pool,) = backbone.apply(backbone.weights, backbone.prepare(images)).values()
    expected = images.reshape(6, 4, 2, 4, 2, 1).mean((2, 4)) / 255
    np.testing.assert_allclose(pool, expected.reshape(6, -1), rtol=1e-6)


def test_the_random_backbone_follows_from_shape_and_seed_alone(digits):
    one, other = (ArraySample(side[0][:4]) for side in (digits.train, digits.held_out))
    backbones = [BACKBONES["random"](one), BACKBONES["random"](other), BACKBONES["random"](one, seed=1)]
    assert backbones[0].weights_sha256 == backbones[1].weights_sha256 != backbones[2].weights_sha256
    outputs = jax.jit(backbones[0].apply)(backbones[0].weights, backbones[0].prepare(one.images))
    assert outputs.keys() == {"pool"}
    assert np.ptp(np.asarray(outputs["pool"]), axis=0).max() > 0.01


def test_clusters_that_are_plain_to_see():
    rng = np.random.default_rng(0)
    means = np.array([[0.0, 0], [9, 0], [0, 9]])
    points = np.concatenate([mean + 0.1 * rng.standard_normal((20, 2)) for mean in means])
    centres, cells = kmeans(points, 3, rng)
    np.testing.assert_allclose(sorted(centres.tolist()), sorted(means.tolist()), atol=0.2)
    assert [len(set(cells[start:start + 20])) for start in (0, 20, 40)] == [1, 1, 1]
    assert len(kmeans(np.ones((5, 2)), 3, rng)[0]) == 3


def test_the_best_of_several_starts_is_kept():
    points = np.random.default_rng(0).standard_normal((60, 2))

    def spread(rng, restarts):
        centres, cells = kmeans(points, 6, rng, restarts=restarts)
        return np.sum((points - centres[cells]) ** 2)
    rng = np.random.default_rng(7)
    single = [spread(rng, 1) for _ in range(10)]
    assert spread(np.random.default_rng(7), 10) == min(single) < max(single)
