"""Picture files as they are: depth, transparency, EXIF and colour profile are read, and written again."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image

from jaxgan.data.transforms import BadImageError, opened
from jaxgan.errors import InputError
from jaxgan.images import replacing

MEGAPIXELS = 178.0  # Pillow's own limit
WRITTEN = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
OPTIONS = {"PNG": {}, "TIFF": {}, "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
ENDINGS = (*WRITTEN, ".bmp", ".gif", ".ppm", ".pgm", ".tga", ".avif")
WIDE = 16  # bits, of grey
# What a TIFF says among its EXIF of how its pixels lie in the file, which no longer holds of another: sizes, depth,
# compression, strips, tiles, and the colour profile, which is given by itself.
LAYOUT = (*range(254, 267), 273, *range(277, 282), 284, 317, 320, *range(322, 326), 330, 338, 339, 347, 34675)
GREY, COLOUR = 1, 3


class Picture(NamedTuple):
    """colour: float32 [h, w, 1 or 3] in [-1, 1]. alpha: float32 [h, w, 1], likewise, or None. bits: 8 or 16, a channel.
    exif, profile: as they stand in the file, the latter None where there is none."""

    colour: np.ndarray
    alpha: np.ndarray | None
    bits: int
    exif: Image.Exif
    profile: bytes | None


def load(path: Path) -> Picture:
    """The picture in a file, not turned as its EXIF says, which stays (a TIFF is turned, and says so no more). Of an
    animation the first frame. Raises InputError for what cannot be read, or not without losing depth."""
    try:
        with opened(path, MEGAPIXELS) as image:
            if image.format == "PNG" and _is_deep_colour(path):
                raise BadImageError("holds colours of 16 bits, of which half would be lost; save it with 8, or as grey")
            image.load()
            colour, alpha, bits = _planes(image)
            return Picture(colour, alpha, bits, image.getexif(), image.info.get("icc_profile"))
    except BadImageError as error:
        raise InputError(f"{path} {error}.") from error


def target(path: Path) -> str:
    """The name under which the result of a file is written: its own, or with the ending of PNG."""
    return path.name if path.suffix.lower() in WRITTEN else f"{path.stem}.png"


def save(picture: Picture, path: Path) -> None:
    """Writes the whole file or none, in the format that its ending says."""
    form = WRITTEN[path.suffix.lower()]
    image = _image(picture, opaque=form == "JPEG")
    options: dict[str, Any] = dict(OPTIONS[form])
    if picture.profile:
        options["icc_profile"] = picture.profile
    if len(picture.exif):
        options["exif"] = _measured(picture.exif, image.size).tobytes()
    with replacing(path) as file:
        image.save(file, format=form, **options)


def _planes(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None, int]:
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float32)
        if values.min() < 0 or values.max() > 65535:
            raise BadImageError("holds 32-bit values beyond the range of 16 bits")
        return values[:, :, None] / 32767.5 - 1, None, WIDE
    if image.mode == "F":
        raise BadImageError("holds float values; save it with 8 or 16 bits")
    grey = image.mode in ("1", "L", "LA", "La")
    transparent = image.has_transparency_data
    mode = ("LA" if grey else "RGBA") if transparent else ("L" if grey else "RGB")
    values = np.atleast_3d(np.asarray(image.convert(mode), np.float32)) / 127.5 - 1
    count = GREY if grey else COLOUR
    return values[:, :, :count], values[:, :, count:] if transparent else None, 8


def _image(picture: Picture, opaque: bool) -> Image.Image:
    planes = [picture.colour] + ([picture.alpha] if picture.alpha is not None and not opaque else [])
    values = np.clip(np.concatenate(planes, axis=2), -1, 1)
    if picture.bits == WIDE:
        return Image.fromarray(np.floor(values[:, :, 0] * 32767.5 + 32768).clip(0, 65535).astype(np.uint16))
    levels = np.floor(values * 127.5 + 128).clip(0, 255).astype(np.uint8)
    return Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)


def _measured(exif: Image.Exif, size: tuple[int, int]) -> Image.Exif:
    """EXIF as it holds of the new image."""
    for tag in LAYOUT:
        if tag in exif:
            del exif[tag]
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    for tag, value in zip((ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight), size):
        if tag in inner:
            inner[tag] = value
        if tag in exif:
            exif[tag] = value
    return exif


def _is_deep_colour(path: Path) -> bool:
    """Whether a PNG has 16 bits a channel and more than grey: Pillow would read it with 8 and say nothing."""
    with open(path, "rb") as file:
        header = file.read(26)
    return header[24] == WIDE and header[25] != 0
