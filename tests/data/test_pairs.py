"""Pairs of images: two folders, or two halves of one file; what does not fit together is refused by its name."""

import numpy as np
import pytest
from PIL import Image

from jaxgan import data
from jaxgan.data.source import materialise, read
from jaxgan.errors import InputError

RNG = np.random.default_rng(0)
GIVEN, WANTED = RNG.integers(0, 256, (3, 4, 6), np.uint8), RNG.integers(0, 256, (3, 4, 6, 3), np.uint8)


def open_pairs(path, **arguments):
    return data.open({"name": "pairs", "path": str(path), **arguments})


def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


@pytest.fixture
def folders(tmp_path):
    """Three pairs in two folders, one of each with another ending or deeper down."""
    for place, (given, wanted) in enumerate(zip(GIVEN, WANTED)):
        name = ("a", "b", "deeper/c")[place]
        save(given, tmp_path / "given" / f"{name}.{'bmp' if place == 1 else 'png'}")
        save(wanted, tmp_path / "wanted" / f"{name}.png")
    return tmp_path


@pytest.fixture
def halves(tmp_path):
    """The same, each pair in one file."""
    for place, (given, wanted) in enumerate(zip(GIVEN, WANTED)):
        save(np.concatenate([given[:, :, None].repeat(3, axis=2), wanted], axis=1), tmp_path / "train" / f"{place}.png")
    save(np.zeros((4, 12, 3), np.uint8), tmp_path / "val" / "9.png")
    return tmp_path


def test_two_folders(folders):
    source = open_pairs(folders)
    assert (source.info.shape, source.info.label_shape, source.info.label_kind) == ((4, 6, 3), (4, 6, 1), "image")
    assert (len(source), source.info.splits, source.info.num_classes) == (3, {"train": 3}, 0)
    images, labels = materialise(source)
    np.testing.assert_array_equal(images, WANTED)
    np.testing.assert_array_equal(labels[..., 0], GIVEN)
    np.testing.assert_array_equal(source[2]["label"][..., 0], GIVEN[2])
    (folders / "given").rename(folders / "A")
    (folders / "wanted").rename(folders / "B")
    assert open_pairs(folders).info.content_hash == source.info.content_hash
    turned = open_pairs(folders, reverse=True, channels=1, given_channels=3)
    np.testing.assert_array_equal(materialise(turned).labels, WANTED)
    np.testing.assert_array_equal(materialise(turned).images[..., 0], GIVEN)


def test_halves_of_one_file(halves):
    source = open_pairs(halves, given_channels=1)
    assert source.info.splits == {"train": 3, "val": 1}
    images, labels = materialise(source)
    np.testing.assert_array_equal(images, WANTED)
    np.testing.assert_array_equal(labels[..., 0], GIVEN)
    turned = materialise(open_pairs(halves, reverse=True))
    np.testing.assert_array_equal(turned.labels, WANTED)
    assert materialise(open_pairs(halves, split="val")).images.shape == (1, 4, 6, 3)


def test_both_are_cut_and_mirrored_alike(halves):
    source = open_pairs(halves, resolution=2, mirror=True)
    small = np.asarray(Image.fromarray(WANTED[1]).resize((2, 2), Image.Resampling.LANCZOS, box=(1, 0, 5, 4)))
    for found in (materialise(source), read(source, np.arange(6))):
        np.testing.assert_array_equal(found.images[1], small)  # each half by itself: its own middle
        np.testing.assert_array_equal(found.images[4], small[:, ::-1])
        np.testing.assert_array_equal(found.labels[3:], found.labels[:3, :, ::-1])
    np.testing.assert_array_equal(source[4]["label"], source[1]["label"][:, ::-1])


def test_what_does_not_fit_together_is_refused(folders):
    save(GIVEN[0], folders / "given" / "alone.png")
    with pytest.raises(InputError, match=r"given/alone\.png has no counterpart in .*wanted"):
        open_pairs(folders)
    save(GIVEN[0, :2], folders / "wanted" / "alone.png")
    with pytest.raises(InputError, match=r"given/alone\.png is 6x4, .*wanted/alone\.png is 6x2: both of a pair"):
        open_pairs(folders, resolution=2)
    save(GIVEN[0, :2], folders / "given" / "alone.png")
    with pytest.raises(InputError, match=r"The images differ in size: .*a\.png is 6x4, .*alone\.png is 6x2"):
        open_pairs(folders)
    save(GIVEN[0], folders / "wanted" / "a.bmp")
    with pytest.raises(InputError, match=r"a\.bmp and .*a\.png have one name"):
        open_pairs(folders)
    (folders / "given" / "b.bmp").write_bytes(b"BM")
    (folders / "wanted" / "a.bmp").unlink()
    with pytest.raises(InputError, match=r"given/b\.bmp is not an image"):
        open_pairs(folders)


def test_a_file_that_is_no_two_images_is_refused(tmp_path):
    with pytest.raises(InputError, match="There is no pair of images in"):
        open_pairs(tmp_path)
    save(np.zeros((4, 7), np.uint8), tmp_path / "odd.png")
    with pytest.raises(InputError, match=r"odd\.png is 7 pixels wide"):
        open_pairs(tmp_path)
