import io

import numpy as np
import pytest
from PIL import Image

from jaxgan.data.transforms import BadImageError, Transform, decode, header
from jaxgan.errors import InputError


def encode(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def grey16(values):
    return Image.fromarray(np.asarray(values, np.uint16))


def pixels(file, channels, **options):
    height, width, _ = header(file, 64)
    return decode(file, Transform((height, width), channels, **options))


def test_every_mode_becomes_what_it_shows():
    half = (200, 100, 0, 128)
    over_white = (228, 177, 127)
    palette = Image.new("P", (2, 2), 1)
    palette.putpalette([255, 0, 255, 10, 20, 30])
    cases = [
        (encode(Image.new("RGB", (2, 2), (1, 2, 3))), 3, (1, 2, 3)),
        (encode(Image.new("L", (2, 2), 77)), 1, (77,)),
        (encode(Image.new("1", (2, 2), 1)), 1, (255,)),
        (encode(Image.new("LA", (2, 2), (100, 0))), 1, (255,)),
        (encode(Image.new("LA", (2, 2), (100, 255))), 1, (100,)),
        (encode(Image.new("RGBA", (2, 2), half)), 3, over_white),
        (encode(palette), 3, (10, 20, 30)),
        (encode(palette, transparency=1), 3, (255, 255, 255)),
        (encode(Image.new("CMYK", (2, 2), (0, 255, 255, 0)), "TIFF"), 3, (255, 0, 0)),
        (encode(grey16([[65535, 65535], [65535, 65535]])), 1, (255,)),
        (encode(grey16([[257 * 9] * 2] * 2)), 1, (9,)),
        (encode(Image.fromarray(np.full((2, 2), 257 * 9, np.int32)), "TIFF"), 1, (9,)),
        (encode(Image.fromarray(np.full((2, 2), 0.2, np.float32)), "TIFF"), 1, (51,)),
    ]
    for file, channels, expected in cases:
        assert header(file, 64) == (2, 2, channels)
        np.testing.assert_allclose(pixels(file, channels)[0, 0], expected, atol=1)
    rgba = encode(Image.new("RGBA", (2, 2), half))
    assert pixels(rgba, 4)[0, 0].tolist() == list(half)
    assert pixels(encode(Image.new("L", (2, 2), 77)), 4)[0, 0].tolist() == [77, 77, 77, 255]
    assert pixels(encode(Image.new("RGB", (2, 2), (255, 255, 255))), 1)[0, 0].tolist() == [255]


@pytest.mark.parametrize("value", [70_000, -1, 1.5, np.nan])
def test_samples_without_a_known_range_are_refused(value):
    dtype = np.int32 if isinstance(value, int) else np.float32
    with pytest.raises(BadImageError, match="save it with 8 or 16 bits"):
        decode(encode(Image.fromarray(np.full((2, 2), value, dtype)), "TIFF"), Transform((2, 2), 1))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_rotation(kind):
    stored = Image.new("RGB", (40, 20), "red")
    stored.paste("blue", (20, 0, 40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise: the left is on top
    file = encode(stored, kind, exif=exif)
    assert header(file, 64) == (40, 20, 3)
    shown = pixels(file, 3)
    assert shown[5, 10, 0] > 200 > 60 > shown[5, 10, 2]
    assert shown[35, 10, 2] > 200 > 60 > shown[35, 10, 0]


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    file = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert pixels(file, 3)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("resize", ["lanczos", "bicubic", "bilinear", "box"])
def test_resizing_averages_what_it_shrinks(resize):
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    small = decode(encode(Image.fromarray(board.astype(np.uint8))), Transform((8, 8), 1, resize))
    np.testing.assert_allclose(small, 127.5, atol=12)


def test_crop_choices():
    bands = np.zeros((10, 30), np.uint8)  # dark, white, dark thirds
    bands[:, 10:20] = 255
    file = encode(Image.fromarray(bands))
    centre = decode(file, Transform((10, 10), 1, "box", "center"))[..., 0]
    assert (centre == 255).all()
    stretched = decode(file, Transform((10, 3), 1, "box", "stretch"))[..., 0]
    assert (stretched == [0, 255, 0]).all()
    padded = decode(file, Transform((30, 30), 1, "box", "pad"))[..., 0]
    assert (padded[:10] == 0).all()
    np.testing.assert_array_equal(padded[10:20], bands)
    wide = decode(file, Transform((5, 20), 1, "bilinear", "center"))[..., 0]
    assert wide.shape == (5, 20)
    np.testing.assert_array_equal(wide, wide[:, ::-1])


def test_the_limit_is_on_the_declared_size():
    file = encode(Image.new("1", (1000, 501)))
    with pytest.raises(BadImageError, match=r"declares 1000x501 pixels, more than max_megapixels=0\.5"):
        header(file, 0.5)
    with pytest.raises(BadImageError, match="declares"):
        decode(file, Transform((2, 2), 1, max_megapixels=0.5))
    assert header(file, 0.502) == (501, 1000, 1)
    assert header(file[:file.index(b"IDAT") + 4], 1) == (501, 1000, 1)  # nothing but the header is read


def test_pixels_that_a_file_cannot_hold_are_refused(root):
    spoiled = root / "tests" / "corpus" / "image" / "879bd80e767d"  # a TIFF of 7×9 pixels that says it is far higher
    for file in (spoiled, spoiled.read_bytes()):
        with pytest.raises(BadImageError, match="declares 7x6946825 pixels in 406 bytes"):
            decode(file, Transform((2, 2), 3))


@pytest.mark.parametrize("file", [b"", b"some text", b"\x89PNG\r\n\x1a\n" + bytes(30)])
def test_what_is_no_image(file):
    for read in (lambda: header(file, 64), lambda: decode(file, Transform((2, 2), 3))):
        with pytest.raises(BadImageError, match=r"is not an image|cannot be read"):
            read()


def test_a_cut_off_file():
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    for kind in ("PNG", "JPEG"):
        whole = encode(Image.fromarray(noise), kind)
        with pytest.raises(BadImageError, match="cannot be read"):
            decode(whole[:len(whole) // 2], Transform((2, 2), 3))


def test_arguments():
    assert Transform(resolution=8).decided((5, 6, 3)).shape == (8, 8, 3)
    assert Transform(channels=1).decided((5, 6, 3)).shape == (5, 6, 1)
    for arguments in ({"resolution": (1, 2, 3)}, {"resolution": (1, -2)}, {"channels": 5}, {"max_megapixels": 0}):
        with pytest.raises(InputError, match=next(iter(arguments))):
            Transform(**arguments)
