import numpy as np
from sklearn.datasets import load_digits

from jaxgan import data


def test_originals_are_scikit_learns():
    source = data.open({"name": "digits", "resolution": 8})
    expected = load_digits()
    np.testing.assert_array_equal(source.arrays.images[..., 0], np.round(expected.images * 255 / 16))
    np.testing.assert_array_equal(source.arrays.labels, expected.target)
    assert source.arrays.labels.dtype == np.int32


def test_default_is_28_grey_and_smooth():
    source = data.open("digits")
    images = source.arrays.images
    assert images.shape == (1797, 28, 28, 1)
    assert source.info.shape == (28, 28, 1)
    assert (source.info.num_classes, len(source.info.class_names)) == (10, 10)
    assert sum(source.info.label_frequencies) == 1
    small = data.open({"name": "digits", "resolution": 8}).arrays.images
    np.testing.assert_allclose(images.mean(), small.mean(), rtol=0.02)
    steps = np.abs(np.diff(images[..., 0].astype(int), axis=2)).max()
    assert steps < np.abs(np.diff(small[..., 0].astype(int), axis=2)).max() / 2  # no blocks of the 8x8 pixels


def test_options():
    source = data.open({"name": "digits", "resolution": [20, 24], "channels": 3, "mirror": True})
    assert source.info.shape == (20, 24, 3)
    assert len(source) == 2 * 1797
    example = source[1797]
    assert example["label"] == source[0]["label"] == 0
    np.testing.assert_array_equal(example["image"], source[0]["image"][:, ::-1])


def test_content_hash_is_of_the_content():
    first, again = data.open("digits").info.content_hash, data.open("digits").info.content_hash
    assert first == again
    assert len(first) == 64
    assert data.open({"name": "digits", "resize": "box"}).info.content_hash != first
