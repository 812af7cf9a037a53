"""Any picture Pillow can open -> uint8 [H, W, C], upright, resized with antialiasing.

Alpha is laid over white unless four channels are asked for. Grey of 16 bits is scaled by its range. Of an animation the
first frame is taken. EXIF rotation is applied. The declared size is checked before anything is decoded.
"""

import contextlib
import dataclasses
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from jaxgan.data.source import check_choice
from jaxgan.errors import InputError

RESIZE = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
}
CROP = ("center", "pad", "stretch")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
GREY = ("1", "L", "LA", "La", "I", "F")  # and every I;16
# What a file may be, whatever its name says. Pillow knows more: one kind it hands to another program, and many are
# read by code that few have looked at.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "TGA", "AVIF")
PILLOW_LIMIT = 178  # megapixels above which Pillow itself refuses
BOMB_BYTES, BOMB_RATIO = 1 << 26, 10_000  # pixels of so much from a file so much smaller are no picture

# Between 89 and 178 megapixels Pillow only warns; our own limit speaks instead.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Of what it finds odd about a file that it reads all the same, it warns in words that name no file.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class BadImageError(Exception):
    """An image that cannot be used. The message says why, in a few words, without the file's name."""


@dataclasses.dataclass(frozen=True)
class Transform:
    """How images are brought to one size and channel count.

    resolution: None (as it is), one number (square) or (H, W). channels: None (what the data has), 1, 3 or 4.
    resize: the antialiasing filter. crop: "center" cuts the middle of the target's proportions, "pad" fits the whole
    image and fills up with black, "stretch" ignores proportions. max_megapixels: of the size a file declares.
    """

    resolution: int | Sequence[int] | None = None
    channels: int | None = None
    resize: str = "lanczos"
    crop: str = "center"
    max_megapixels: float = 64.0

    def __post_init__(self):
        if self.resolution is not None:
            sides = self.resolution if isinstance(self.resolution, list | tuple) else (self.resolution,) * 2
            if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
                raise InputError("config.data.resolution must be a number of pixels or a pair (height, width); got "
                                 f"{self.resolution!r}.")
            object.__setattr__(self, "resolution", tuple(sides))
        check_choice(self.channels, (None, *MODES), "channels")
        check_choice(self.resize, tuple(RESIZE), "resize")
        check_choice(self.crop, CROP, "crop")
        if not 0 < self.max_megapixels <= PILLOW_LIMIT:
            raise InputError(f"config.data.max_megapixels must be above 0 and at most {PILLOW_LIMIT}, Pillow's own "
                             f"limit; got {self.max_megapixels!r}.")

    def decided(self, shape: tuple[int, int, int]) -> "Transform":
        """With `resolution` and `channels` filled in from `shape` where they are None."""
        return dataclasses.replace(self, resolution=self.resolution or shape[:2], channels=self.channels or shape[2])

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.resolution, self.channels)


def header(file: bytes | Path, max_megapixels: float) -> tuple[int, int, int]:
    """(height, width, channels) as displayed, from the file's header alone. Raises BadImageError."""
    with opened(file, max_megapixels) as image:
        width, height = image.size
        # The base class's method: the one of PNG decodes the image to look for EXIF behind it.
        turned = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
        return (*((width, height) if turned else (height, width)), 1 if _is_grey(image) else 3)


def decode(file: bytes | Path, transform: Transform) -> np.ndarray:
    """The image of an encoded file, uint8 `transform.shape`. Raises BadImageError."""
    with opened(file, transform.max_megapixels) as image:
        image.load()
        if Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1) != 1:
            image = ImageOps.exif_transpose(image)
        return fit(convert(image, transform.channels), transform)


def convert(image: Image.Image, channels: int) -> Image.Image:
    """To 8-bit grey, RGB or RGBA. Raises BadImageError for samples whose range cannot be known."""
    image = _eight_bit(image)
    if image.mode == MODES[channels]:
        return image
    if not image.has_transparency_data:
        return image.convert(MODES[channels])
    image = image.convert("RGBA")
    if channels == 4:
        return image
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert(MODES[channels])


def fit(image: Image.Image, transform: Transform) -> np.ndarray:
    """Resizes and crops or pads an image of the right mode; uint8 [H, W, C]."""
    height, width = transform.resolution
    if image.size != (width, height):
        method = RESIZE[transform.resize]
        if transform.crop == "stretch":
            image = image.resize((width, height), method)
        elif transform.crop == "center":
            image = image.resize((width, height), method, box=_middle(image.size, width / height))
        else:
            image = ImageOps.pad(image, (width, height), method, color=(0,) * transform.channels)
    array = np.asarray(image, np.uint8)
    return array.reshape(height, width, transform.channels)


def fit_array(images: np.ndarray, transform: Transform) -> np.ndarray:
    """The same for decoded images, uint8 [N, H, W, C]."""
    if images.shape[1:] == transform.shape:
        return images
    pictures = (Image.fromarray(x[:, :, 0] if x.shape[2] == 1 else x) for x in images)
    return np.stack([fit(convert(picture, transform.channels), transform) for picture in pictures])


@contextlib.contextmanager
def opened(file: bytes | Path, max_megapixels: float) -> Iterator[Image.Image]:
    """An open image of acceptable size; whatever goes wrong inside the block becomes BadImageError."""
    try:
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_megapixels * 1e6:
                raise BadImageError(f"declares {width}x{height} pixels, more than max_megapixels={max_megapixels:g}")
            held = len(file) if isinstance(file, bytes) else file.stat().st_size
            if width * height * len(image.getbands()) > max(BOMB_BYTES, BOMB_RATIO * held):
                raise BadImageError(f"declares {width}x{height} pixels in {held:,} bytes")
            yield image
    except BadImageError:
        raise
    except Exception as error:  # a damaged file can raise almost anything from inside a decoder
        raise _reason(error, max_megapixels) from error


def _reason(error: Exception, limit: float) -> BadImageError:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return BadImageError(f"declares far more pixels than max_megapixels={limit:g}")
    if isinstance(error, Image.UnidentifiedImageError):
        return BadImageError(f"is not an image of a kind that is read ({', '.join(FORMATS)})")
    text = " ".join(str(error).split()) or type(error).__name__
    return BadImageError(f"cannot be read ({text})")


def _is_grey(image: Image.Image) -> bool:
    return image.mode in GREY or image.mode.startswith("I;16")


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise BadImageError("holds 32-bit values beyond the range of 16 bits; save it with 8 or 16 bits")
        return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode == "F":
        values = np.asarray(image)
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise BadImageError("holds float values outside 0 to 1; save it with 8 or 16 bits")
        return Image.fromarray(np.round(values * 255).astype(np.uint8))
    return image


def _middle(size: tuple[int, int], aspect: float) -> tuple[float, float, float, float]:
    """The largest centred box (left, upper, right, lower) of that width / height."""
    width, height = min(size[0], size[1] * aspect), min(size[1], size[0] / aspect)
    left, upper = (size[0] - width) / 2, (size[1] - height) / 2
    return left, upper, left + width, upper + height
