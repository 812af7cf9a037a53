"""Every file of the shared folder of bad and unusual inputs: read rightly, or refused by name with a remedy."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxgan import data
from jaxgan.errors import InputError

BAD = Path(__file__).resolve().parents[3] / "shared" / "data" / "bad"


def rgb(path):
    return np.asarray(Image.open(path).convert("RGB"))


def is_red_above_blue(image, path):
    assert image.shape == (48, 32, 3)
    assert image[:20, :, 0].mean() > 200 > 60 > image[:20, :, 2].mean()
    assert image[-20:, :, 2].mean() > 200 > 60 > image[-20:, :, 0].mean()


def is_a_full_ramp(image, path):
    assert image.shape == (32, 32, 1)
    stored = np.asarray(Image.open(path)).astype(np.int64).ravel()
    order = np.argsort(stored, kind="stable")
    assert (np.diff(image.ravel()[order].astype(int)) >= 0).all()
    assert (image.min(), image.max()) == (0, 255)
    np.testing.assert_allclose(image.ravel(), stored / 257, atol=0.51)


def has_palette_colours(image, path):
    with Image.open(path) as picture:
        assert picture.mode == "P"
        shown = np.asarray(picture.convert("RGBA")).astype(int)
    opaque = shown[..., 3] == 255
    assert opaque.any()
    np.testing.assert_array_equal(image[opaque], shown[opaque][:, :3])
    assert (image[shown[..., 3] == 0] == 255).all()


def is_its_grey_over_white(image, path):
    grey, alpha = np.moveaxis(np.asarray(Image.open(path)).astype(float), -1, 0)
    np.testing.assert_allclose(image[..., 0], (grey * alpha + 255 * (255 - alpha)) / 255, atol=2)


def is_the_picture(image, path):
    np.testing.assert_array_equal(image, rgb(path))


def is_cmyk_as_shown(image, path):
    cyan, magenta, yellow, black = np.moveaxis(np.asarray(Image.open(path)).astype(float), -1, 0)
    expected = np.stack([(255 - ink) * (255 - black) / 255 for ink in (cyan, magenta, yellow)], axis=-1)
    np.testing.assert_allclose(image, expected, atol=3)


IMAGES = {  # a check of the decoded image, or words of the refusal
    "animated.gif": has_palette_colours,
    "bomb_below_pil_error_13000x12000.png": "more( pixels)? than max_megapixels=64",
    "bomb_declared_60000x60000.png": "more( pixels)? than max_megapixels=64",
    "bomb_real_30000x30000.png": "more( pixels)? than max_megapixels=64",
    "cmyk.jpg": is_cmyk_as_shown,
    "exif_orientation6_48x32.jpg": is_red_above_blue,
    "gray16.png": is_a_full_ramp,
    "gray_alpha.png": is_its_grey_over_white,
    "jpeg_named.png": is_the_picture,
    "non_square_48x32.png": is_the_picture,
    "one_pixel.png": is_the_picture,
    "palette_transparent.png": has_palette_colours,
    "text_renamed.png": "is not an image",
    "truncated.jpg": "truncated",
    "zero_bytes.png": "is not an image",
    "ünïcode class 画像 (1)/картинка 1.png": is_the_picture,
}
ARCHIVES = {  # words of the refusal; images and words of the list with on_bad="skip", or None if refused all the same
    "float_nan.npz": (r"train_images\[3\] has NaN", 18, "train_images[3]: has NaN"),
    "mismatched_lengths.npz": ("train_labels has 17 entries for 20 images", 20, "train_labels: has 17"),
    "missing_labels.npz": ("train_labels is missing", 20, "train_labels: is missing"),
    "pickled_object.npz": ("train_labels holds pickled Python objects", 20, "train_labels: holds pickled"),
    "truncated.npz": ("damaged or not an .npz", None, None),
}


def test_no_file_of_the_folder_is_forgotten(shared):
    shared("data/bad/README.md")
    files = {path.relative_to(BAD).as_posix() for path in BAD.rglob("*") if path.is_file()}
    assert files == {*IMAGES, *ARCHIVES, "README.md", "empty class/.gitkeep"}


@pytest.mark.parametrize("name", IMAGES)
def test_image(name, shared, tmp_path):
    path = shared(f"data/bad/{name}")
    for source in (path, path.with_name("ok.png")):
        (tmp_path / "set" / source.parent.name).mkdir(parents=True, exist_ok=True)
    copied = Path(shutil.copy(path, tmp_path / "set" / path.parent.name))
    spec = {"name": "folder", "path": str(tmp_path / "set")}
    if callable(IMAGES[name]):
        (example,) = data.open(spec)
        IMAGES[name](example["image"], path)
        assert data.open(spec).info.class_names == (path.parent.name,)
        return
    with pytest.raises(InputError, match=IMAGES[name]) as refusal:
        data.open(spec)
    assert str(copied) in str(refusal.value)
    assert "--config.data.on_bad=skip" in str(refusal.value)
    Image.new("RGB", (4, 4), "green").save(copied.with_name("a good one.png"))
    source = data.open(spec | {"on_bad": "skip", "resolution": 8})
    assert len(source) == 1
    assert len(source.info.skipped) == 1
    assert source.info.skipped[0].startswith(f"{path.parent.name}/{path.name}: ")


@pytest.mark.parametrize("name", ARCHIVES)
def test_archive(name, shared):
    path = shared(f"data/bad/{name}")
    words, kept, listed = ARCHIVES[name]
    spec = {"name": "npz", "path": str(path)}
    with pytest.raises(InputError, match=words) as refusal:
        data.open(spec)
    assert str(path) in str(refusal.value)
    if kept is None:
        with pytest.raises(InputError, match=words):
            data.open(spec | {"on_bad": "skip"})
    else:
        source = data.open(spec | {"on_bad": "skip"})
        assert len(source) == kept
        assert source.info.skipped[0].startswith(listed)
    assert "NPZ_PICKLE_PAYLOAD_RAN" not in os.environ


def test_the_whole_folder_with_skip(shared):
    path = shared("data/bad")
    source = data.open({"name": "folder", "path": str(path), "on_bad": "skip", "resolution": 16})
    skipped = {line.partition(": ")[0] for line in source.info.skipped}
    assert skipped == {name for name, check in IMAGES.items() if not callable(check)}
    assert len(source) == len(IMAGES) - len(skipped)


def test_the_folders_empty_class(shared, tmp_path):
    shutil.copytree(shared("data/bad") / "empty class", tmp_path / "empty class")
    (tmp_path / "full").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "full" / "0.png")
    spec = {"name": "folder", "path": str(tmp_path)}
    with pytest.raises(InputError, match="empty class is a class folder without images"):
        data.open(spec)
    source = data.open(spec | {"on_bad": "skip"})
    assert source.info.class_names == ("full",)
    assert source.info.skipped == ("empty class: is a class folder without images",)
