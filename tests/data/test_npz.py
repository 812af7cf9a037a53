import os
import zipfile

import numpy as np
import pytest

from jaxgan import data
from jaxgan.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 4), np.uint8)
LABELS = np.asarray([[0], [1], [0], [2], [1], [0]], np.uint8)


class Payload:
    """Sets an environment variable when it is unpickled."""

    def __reduce__(self):
        return os.putenv, ("JAXGAN_TEST_PAYLOAD", "1")


def open_npz(folder, options=None, /, **arrays):
    path = folder / "set.npz"
    if arrays:
        np.savez_compressed(path, **arrays)
    return data.open({"name": "npz", "path": str(path)} | (options or {}))


def test_medmnist_layout(tmp_path):
    arrays = {"train_images": IMAGES, "train_labels": LABELS, "test_images": IMAGES[:2], "test_labels": LABELS[:2] + 3}
    source = open_npz(tmp_path, **arrays)
    assert source.info.shape == (5, 4, 1)
    assert source.info.splits == {"train": 6, "test": 2}
    assert source.info.num_classes == 5  # over all splits
    np.testing.assert_array_equal(source.arrays.images[..., 0], IMAGES)
    assert source.arrays.labels.tolist() == [0, 1, 0, 2, 1, 0]
    assert source.arrays.labels.dtype == np.int32
    test = open_npz(tmp_path, {"split": "test"})
    assert (len(test), test[1]["label"]) == (2, 4)
    with pytest.raises(InputError, match="no split 'val'"):
        open_npz(tmp_path, {"split": "val"})


def test_plain_layout_with_and_without_labels(tmp_path):
    colour = np.stack([IMAGES] * 3, axis=-1)
    source = open_npz(tmp_path, images=colour, labels=LABELS.ravel())
    assert source.info.shape == (5, 4, 3)
    assert source[3]["label"] == 2
    assert "label" not in open_npz(tmp_path, {"labels": False})[3]
    assert open_npz(tmp_path, images=colour).info.label_kind == "none"


def test_several_labels_at_once_and_numbers_are_vectors(tmp_path):
    several = np.eye(6, 3, dtype=np.uint8)
    source = open_npz(tmp_path, images=IMAGES, labels=several)
    assert (source.info.label_kind, source.info.num_classes) == ("vector", 3)
    np.testing.assert_array_equal(source.arrays.labels, several)
    assert source.arrays.labels.dtype == np.float32
    source = open_npz(tmp_path, images=IMAGES, labels=np.linspace(0, 1, 6))
    assert source.arrays.labels.shape == (6, 1)


def test_number_types_of_images(tmp_path):
    def first(images):
        return open_npz(tmp_path, images=images).arrays.images[..., 0]

    np.testing.assert_array_equal(first(IMAGES / 255.0), IMAGES)
    np.testing.assert_array_equal(first((IMAGES / 255).astype(np.float16)), np.round(
        (IMAGES / 255).astype(np.float16).astype(float) * 255))
    np.testing.assert_array_equal(first(IMAGES.astype(np.uint16) * 257), IMAGES)
    np.testing.assert_array_equal(first(IMAGES > 99), (IMAGES > 99) * 255)


def test_resizing_and_channels(tmp_path):
    source = open_npz(tmp_path, {"resolution": (10, 8), "channels": 3, "resize": "box"}, images=IMAGES)
    np.testing.assert_array_equal(source[0]["image"][::2, ::2, 1], IMAGES[0])
    assert open_npz(tmp_path, {"mirror": True}).arrays.images.shape == (12, 5, 4, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5, 1.5])
def test_bad_values_are_refused_or_skipped(tmp_path, value):
    images = IMAGES / 255
    images[2, 1, 1] = value
    with pytest.raises(InputError, match=r"set\.npz/images\[2\] has .*on_bad=skip"):
        open_npz(tmp_path, images=images, labels=LABELS)
    source = open_npz(tmp_path, {"on_bad": "skip"})
    assert source.arrays.labels.tolist() == [0, 1, 2, 1, 0]
    np.testing.assert_array_equal(source.arrays.images[2, ..., 0], IMAGES[3])
    assert source.info.skipped[0].startswith("images[2]: ")


@pytest.mark.parametrize(("arrays", "words"), [
    ({"train_images": IMAGES}, "train_labels is missing"),
    ({"train_images": IMAGES, "train_labels": LABELS[:3]}, "train_labels has 3 entries for 6 images"),
    ({"images": IMAGES, "labels": LABELS.astype(np.int8) - 1}, "labels must number classes from 0"),
    ({"images": IMAGES, "labels": np.asarray(list("abcdef"))}, "labels must be finite numbers"),
    ({"images": IMAGES, "labels": np.full(6, np.nan)}, "labels must be finite numbers"),
    ({"images": IMAGES, "labels": np.asarray([Payload()] * 6)}, "labels holds pickled Python objects"),
])
def test_bad_labels_are_refused_or_done_without(tmp_path, arrays, words):
    with pytest.raises(InputError, match=f"{words}.*--config.data.labels=false"):
        open_npz(tmp_path, **arrays)
    for options in ({"on_bad": "skip"}, {"labels": False}):
        source = open_npz(tmp_path, options)
        assert source.info.label_kind == "none"
        assert len(source.info.skipped) == ("on_bad" in options)
    assert os.system('test -z "$JAXGAN_TEST_PAYLOAD"') == 0


@pytest.mark.parametrize(("arrays", "words"), [
    ({"pictures": IMAGES}, "no `train_images` and no `images`, but pictures"),
    ({"images": IMAGES[0]}, r"must be \[N, H, W\]"),
    ({"images": np.zeros((2, 3, 8, 8), np.uint8)}, r"must be \[N, H, W\]"),
    ({"images": IMAGES[:0]}, r"must be \[N, H, W\]"),
    ({"images": IMAGES.astype(np.int64)}, "must be uint8"),
    ({"images": np.asarray([[[Payload()]]])}, "must be uint8"),
    ({"images": np.zeros((1, 2000, 1000), bool)}, "1000x2000 pixels, more than max_megapixels=1"),
])
def test_bad_images_are_refused(tmp_path, arrays, words):
    with pytest.raises(InputError, match=words):
        open_npz(tmp_path, {"max_megapixels": 1, "on_bad": "skip"}, **arrays)
    assert os.system('test -z "$JAXGAN_TEST_PAYLOAD"') == 0


def test_a_header_that_declares_too_much_is_refused_unread(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as file, file.open("images.npy", "w") as member:
        np.lib.format.write_array_header_1_0(
            member, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 1000, 1000)})
    with pytest.raises(InputError, match="declares 931 GiB"):
        open_npz(tmp_path)


def test_damaged_files(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        open_npz(tmp_path)
    open_npz(tmp_path, images=IMAGES)
    whole = (tmp_path / "set.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2 - 40] ^= 255
    for damaged in (whole[:len(whole) // 2], b"", b"text", bytes(flipped)):
        (tmp_path / "set.npz").write_bytes(damaged)
        with pytest.raises(InputError, match=r"set\.npz is damaged or not an \.npz file"):
            open_npz(tmp_path)


def test_the_shared_file(shared):
    source = data.open({"name": "npz", "path": str(shared("data/pneumoniamnist.npz"))})
    assert np.bincount(source.arrays.labels).tolist() == [388, 3494]
    assert source.info.splits == {"train": 3882, "val": 524, "test": 624}
