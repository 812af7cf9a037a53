"""What is in a picture file besides 8-bit colours stays in it."""

import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from jaxgan.enhancement.pictures import load, save, target
from jaxgan.errors import InputError

RNG = np.random.default_rng(0)
LEVELS = RNG.integers(0, 256, (12, 10, 4), np.uint8)


def file_of(mode):
    if mode == "I;16":
        return Image.fromarray(RNG.integers(0, 65536, (12, 10)).astype(np.uint16))
    count = len(Image.new(mode, (1, 1)).getbands())
    return Image.fromarray(LEVELS[:, :, 0] if count == 1 else LEVELS[:, :, :count], mode) if mode != "LA" else (
        Image.merge("LA", [Image.fromarray(LEVELS[:, :, 0]), Image.fromarray(LEVELS[:, :, 1])]))


@pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
@pytest.mark.parametrize("ending", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "I;16"])
def test_pixels_come_back(tmp_path, mode, ending):
    if ending == ".webp" and mode not in ("RGB", "RGBA"):
        pytest.skip("WebP has no grey")
    image = file_of(mode)
    image.save(tmp_path / f"a{ending}", **({"lossless": True} if ending == ".webp" else {}))
    picture = load(tmp_path / f"a{ending}")
    assert picture.bits == (16 if mode == "I;16" else 8)
    assert (picture.alpha is not None) == (mode in ("LA", "RGBA"))
    save(picture, tmp_path / f"b{ending}")
    again = Image.open(tmp_path / f"b{ending}")
    assert again.mode == mode
    one, other = np.asarray(image), np.asarray(again)
    seen = one[..., -1:] > 0 if picture.alpha is not None else np.True_  # WebP forgets what nobody sees
    np.testing.assert_array_equal(np.where(seen, one, 0), np.where(seen, other, 0))


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".tif"])
def test_exif_and_profile_stay(tmp_path, ending):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Artist] = 6, "somebody"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 10
    Image.fromarray(LEVELS[:, :, :3]).save(tmp_path / f"a{ending}", exif=exif.tobytes(), icc_profile=profile)
    picture = load(tmp_path / f"a{ending}")
    save(picture._replace(colour=picture.colour.repeat(2, axis=0).repeat(2, axis=1)), tmp_path / f"b{ending}")
    with Image.open(tmp_path / f"b{ending}") as again:
        assert again.info["icc_profile"] == profile
        found = again.getexif()
        assert found[ExifTags.Base.Artist] == "somebody"
        if ending == ".tif":  # Pillow turns these as it reads them
            assert again.size == (24, 20)
            assert ExifTags.Base.Orientation not in found
        else:
            assert again.size == (20, 24)  # not turned: the orientation that says so is kept
            assert found[ExifTags.Base.Orientation] == 6
            assert found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] == 20


def test_what_would_lose_depth_is_refused(tmp_path):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + bytes(12) for _ in range(2)))
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows)
                                        + chunk(b"IEND", b""))
    with pytest.raises(InputError, match=r"deep\.png holds colours of 16 bits"):
        load(tmp_path / "deep.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"bad\.png is not an image"):
        load(tmp_path / "bad.png")


def test_what_cannot_be_written_as_it_was_becomes_png(tmp_path):
    assert [target(tmp_path / name) for name in ("a.bmp", "b.JPG", "c.tiff", "d.gif")] == [
        "a.png", "b.JPG", "c.tiff", "d.png"]
