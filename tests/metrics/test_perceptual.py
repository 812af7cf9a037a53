"""A distance by features: zero of the same, larger the more is changed, and patches that cover."""

import jax
import numpy as np
import pytest
from PIL import Image, ImageFilter

from jaxgan.metrics import classifier
from jaxgan.metrics.perceptual import learned, maps, patches


@pytest.fixture(scope="module")
def images(digits):
    """16×16: large enough for two convolutions."""
    return digits.held_out[0].repeat(2, axis=1).repeat(2, axis=2)


@pytest.fixture(scope="module")
def distance(digits):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MIN_STEPS", "MAX_STEPS"):
            patch.setattr(classifier, name, 60)
        return learned(digits.train[0].repeat(2, axis=1).repeat(2, axis=2), digits.train[1])


def blurred(images, radius):
    return np.stack([np.asarray(Image.fromarray(image[..., 0]).filter(ImageFilter.GaussianBlur(radius)))
                     for image in images])[..., None]


def test_it_is_that_of_unit_features(distance, images):
    one, other = images[:3], images[3:6]
    expected = np.zeros(3)
    pairs = [jax.jit(maps)(distance.weights, classifier.prepare(side)) for side in (one, other)]
    for layers in zip(*pairs):
        ours, theirs = (np.asarray(layer) / (np.linalg.norm(layer, axis=-1, keepdims=True) + 1e-10) for layer in layers)
        expected += np.sum((ours - theirs) ** 2, axis=-1).mean(axis=(1, 2)) / len(pairs[0])
    np.testing.assert_allclose(distance(one, other), expected, rtol=1e-4)
    assert [layer.shape[1:] for layer in pairs[0]] == [(8, 8, 32), (4, 4, 64)]
    assert (distance(one, one) == 0).all()
    np.testing.assert_allclose(distance(one, other), distance(other, one), rtol=1e-5)


def test_it_grows_with_what_is_done_to_an_image(distance, images):
    images = images[:64]
    steps = [distance(images, blurred(images, radius)).mean() for radius in (0.5, 1, 2, 4)]
    assert steps == sorted(steps)
    moved = np.roll(images, 1, axis=2)  # pixels differ as much as by the blur, the digit does not
    similar = min((0.5, 1, 2, 4), key=lambda radius: abs(
        np.mean((blurred(images, radius).astype(float) - images) ** 2) - np.mean((moved.astype(float) - images) ** 2)))
    assert distance(images, moved).mean() < distance(images, blurred(images, similar)).mean()


@pytest.mark.parametrize(("shape", "expected"), [((5, 7), (1, 5, 7)), ((64, 64), (1, 64, 64)), ((130, 70), (6, 64, 64)),
                                                 ((20, 65), (2, 20, 64))])
def test_patches_cover_the_image(shape, expected):
    images = np.arange(2 * shape[0] * shape[1]).reshape(2, *shape, 1)
    found = patches(images)
    assert found.shape == (2 * expected[0], *expected[1:], 1)
    assert set(found.ravel().tolist()) == set(range(images.size))
    assert found[:expected[0]].max() < shape[0] * shape[1] <= found[expected[0]:].min()


def test_what_the_classifier_learns_from(monkeypatch):
    seen = []
    monkeypatch.setattr(classifier, "train_classifier", lambda *given, seed: seen.append(given) or {})
    monkeypatch.setattr(classifier, "digest", str)
    image = np.random.default_rng(0).integers(0, 256, (1, 8, 6, 3), np.uint8)
    learned(image)
    np.testing.assert_array_equal(seen[0][0], np.concatenate([image, image]))  # one is enough
    assert seen[0][1:] == (None, 0)
    learned(np.zeros((2, 65, 64, 1), np.uint8), np.array([3, 0]))
    assert seen[1][0].shape == (4, 64, 64, 1)
    assert (seen[1][1].tolist(), seen[1][2]) == ([3, 3, 0, 0], 4)  # a patch is of its image's class
    learned(np.zeros((2, 8, 8, 1), np.uint8), np.array([1, 1]))
    learned(np.zeros((2, 8, 8, 1), np.uint8), np.zeros((2, 4), np.float32))
    assert [given[1:] for given in seen[2:]] == [(None, 0)] * 2  # nothing to tell apart
