"""Pictures for people: pixel ranges, grids, labelled sheets, PNG, animations and scatter plots.

A picture here is a uint8 array [H, W, C] with C = 1, 3 or 4. matplotlib is imported where it is used: it costs the
better part of a second, which a command that never plots need not pay.
"""

import importlib.util
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxgan.errors import InputError

LARGEST_SIDE = 800  # pixels: what `grid` magnifies small images up to
LARGEST_SCALE = 8
TILE = 64  # pixels: what `sheet` magnifies small images up to
FRAME = 256  # pixels: what a small image of an animation is magnified up to
TITLE_HEIGHT = 36
HEAD_HEIGHT = 24
FONT_SIZES = (18, 16, 14, 12, 10)
MARGIN = 8
WHITE, INK = 255, 40
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


def to_uint8(image: Any) -> np.ndarray:
    """Float [-1, 1] -> uint8 [0, 255]: `floor(127.5 x + 128)` after clipping, so ties go up and 0 becomes 128.

    Any shape. Raises FloatingPointError where a value is NaN or infinite: a black picture would hide that the
    generator has diverged. Integers are refused with a TypeError, because they are in some other range.
    """
    image = np.asarray(image)
    if image.dtype.kind in "biu":
        raise TypeError(f"to_uint8 takes floats in [-1, 1], not {image.dtype}.")
    image = image.astype(np.float32)
    bad = image.size - np.count_nonzero(np.isfinite(image))
    if bad:
        raise FloatingPointError(f"{bad:,} of {image.size:,} pixel values are NaN or infinite: the weights that drew "
                                 "them have diverged. Go back to an earlier checkpoint.")
    return np.floor(np.clip(image, -1, 1) * np.float32(127.5) + np.float32(128)).astype(np.uint8)


def from_uint8(image_u8: Any) -> Any:
    """uint8 -> float32 in [-1, 1]. Takes NumPy and JAX arrays and returns the same kind; `to_uint8` inverts it."""
    return image_u8.astype("float32") / 127.5 - 1


def grid(images: Any, columns: int | None = None, pad: int = 2, scale: int | None = None,
         title: str | None = None) -> np.ndarray:
    """Tiles images [N, H, W, C] (uint8, or float in [-1, 1]) row by row into one picture.

    columns: None makes the picture nearly square (64 square images: 8x8). pad: white pixels between tiles and around
    them, in pixels of the result. scale: whole-number nearest-neighbour magnification; None chooses one that makes the
    picture comfortable to look at, 1 keeps the pixels as they are. title: see `titled`.
    """
    images = np.asarray(images)
    images = images if images.dtype == np.uint8 else to_uint8(images)
    if images.ndim != 4 or 0 in images.shape or images.shape[-1] not in (1, 3, 4):
        raise ValueError(f"grid takes images [N, H, W, C] with N > 0 and C = 1, 3 or 4, not {images.shape}.")
    count, height, width, channels = images.shape
    columns = columns or max(1, min(count, math.ceil(math.sqrt(count * height / width))))
    rows = math.ceil(count / columns)
    scale = scale or max(1, min(LARGEST_SCALE, LARGEST_SIDE // max(columns * width, rows * height)))
    tiles = images.repeat(scale, axis=1).repeat(scale, axis=2)
    height, width = height * scale, width * scale
    picture = np.full((pad + rows * (height + pad), pad + columns * (width + pad), channels), WHITE, np.uint8)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        top, left = pad + row * (height + pad), pad + column * (width + pad)
        picture[top:top + height, left:left + width] = tile
    return picture if title is None else titled(picture, title)


def side_by_side(columns: Sequence[Any], title: str) -> np.ndarray:
    """Images of several stages, [N, h, w, c] each, the N of a kind below one another in two columns of rows. Smaller
    ones are magnified to the size of the last; of channels the last one's count, further ones are left out. Where some
    are grey and others are not, all are shown in colour."""
    *_, height, width, channels = np.shape(columns[-1])
    channels = max([channels] + [3 for images in columns if np.shape(images)[-1] >= 3])
    shown = []
    for images in columns:
        images = np.asarray(images)
        images = images if images.dtype == np.uint8 else to_uint8(images)
        images = images[..., :channels] if images.shape[-1] >= channels else _coloured(images[..., :1], channels)
        shown.append(images.repeat(height // images.shape[1], axis=1).repeat(width // images.shape[2], axis=2))
    tiles = np.stack(shown, axis=1)
    return grid(tiles.reshape(-1, height, width, channels), columns=2 * len(columns), title=title)


def _coloured(grey: np.ndarray, channels: int) -> np.ndarray:
    """Grey images [N, H, W, 1], uint8, in 3 channels, or 4 that are opaque."""
    return np.concatenate([grey.repeat(3, axis=3), np.full_like(grey, WHITE).repeat(channels - 3, axis=3)], axis=3)


def titled(picture: np.ndarray, title: str) -> np.ndarray:
    """Puts one line of text on a white strip above a picture: `"step 4,000 · 256 thousand images"`.

    The strip is always `TITLE_HEIGHT` pixels high and as wide as the picture, so that pictures of one size stay of one
    size (a GIF needs that): a title too long is set smaller, then cut short with an ellipsis.
    """
    strip = Image.new("L", (picture.shape[1], TITLE_HEIGHT), WHITE)
    text, face = _fit(" ".join(title.split()), picture.shape[1] - 2 * MARGIN)
    ImageDraw.Draw(strip).text((MARGIN, TITLE_HEIGHT // 2), text, fill=INK, font=face, anchor="lm")
    return np.concatenate([_with_channels(strip, picture.shape[-1]), picture])


def sheet(images: Any, rows: Sequence[str], columns: Sequence[str], title: str) -> np.ndarray:
    """A table of images [R, C, H, W, channels], a name before each row and above each column, and a title.

    Small images are magnified by a whole number; what does not fit above a column is set smaller or cut short.
    """
    images = np.asarray(images)
    *_, height, width, channels = images.shape
    scale, pad = max(1, min(LARGEST_SCALE, TILE // max(height, width))), 4
    table = grid(images.reshape(-1, *images.shape[2:]), len(columns), pad, scale)
    face = font(FONT_SIZES[3])
    left = math.ceil(max(face.getlength(name) for name in rows)) + 2 * MARGIN
    paper = Image.new("L", (left + table.shape[1], HEAD_HEIGHT + table.shape[0]), WHITE)
    draw = ImageDraw.Draw(paper)
    for index, name in enumerate(rows):
        middle = HEAD_HEIGHT + pad + index * (height * scale + pad) + height * scale // 2
        draw.text((MARGIN, middle), name, fill=INK, font=face, anchor="lm")
    for index, name in enumerate(columns):
        middle = left + pad + index * (width * scale + pad) + width * scale // 2
        text, fitting = _fit(name, width * scale, FONT_SIZES[3:])
        draw.text((middle, HEAD_HEIGHT - 4), text, fill=INK, font=fitting, anchor="ms")
    picture = _with_channels(paper, channels)
    picture[HEAD_HEIGHT:, left:] = table
    return titled(picture, title)


def save_png(picture: np.ndarray, path: str | os.PathLike) -> Path:
    """Writes a picture ([H, W] or [H, W, C], uint8) as PNG. The same pixels give the same bytes; see `replacing`."""
    with replacing(path) as file:
        _image(picture).save(file, format="PNG", compress_level=6)
    return Path(path)


def load_png(path: str | os.PathLike) -> np.ndarray:
    """Reads a picture that `save_png` wrote: uint8 [H, W, C]. Raises InputError where it is damaged."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            picture = np.asarray(image)
    except Exception as error:  # a damaged file can raise almost anything from inside a decoder
        raise InputError(f"{path} is damaged, or no PNG: remove it.") from error
    return picture[:, :, None] if picture.ndim == 2 else picture


def save_gif(frames: Sequence[np.ndarray], path: str | os.PathLike, seconds_per_frame: float = 0.2,
             last_seconds: float = 3.0) -> Path:
    """Writes pictures of one shape as an endlessly looping GIF that rests on the last frame.

    Grey frames keep every level; colour frames are reduced to the 256 colours that suit each best; RGBA is laid on
    white. GIF counts time in hundredths of a second. A frame equal to the one before it lengthens that one.
    """
    shapes = {np.shape(frame) for frame in frames}
    if len(shapes) != 1:
        raise ValueError(f"A GIF needs at least one frame, all of one shape, not {sorted(shapes)}.")
    images = [_gif_frame(_image(frame)) for frame in frames]
    durations = [round(100 * seconds) * 10 for seconds in
                 [seconds_per_frame] * (len(images) - 1) + [max(last_seconds, seconds_per_frame)]]
    with replacing(path) as file:
        images[0].save(file, format="GIF", save_all=True, append_images=images[1:], duration=durations, loop=0)
    return Path(path)


def captioned(images: np.ndarray, captions: Sequence[str]) -> list[np.ndarray]:
    """Images [N, H, W, C], uint8, as the pictures of an animation: magnified where small, each with its caption."""
    scale = max(1, FRAME // max(images.shape[1:3]))
    return [grid(image[None], scale=scale, title=caption) for image, caption in zip(images, captions, strict=True)]


def save_animation(frames: Sequence[np.ndarray], path: str | os.PathLike, seconds_per_frame: float = 0.04) -> Path:
    """Writes pictures of one shape as a .gif or .webp that loops endlessly, or an .mp4: see `check_animation`.

    A GIF has 256 colours a frame; the others compress with losses that are hard to see. RGBA is laid on white.
    """
    path = Path(path)
    if path.suffix == ".gif":
        return save_gif(frames, path, seconds_per_frame, seconds_per_frame)
    images = [_on_white(_image(frame)).convert("RGB") for frame in frames]
    with replacing(path) as file:
        if path.suffix == ".webp":
            images[0].save(file, format="WEBP", save_all=True, append_images=images[1:], loop=0, quality=90,
                           duration=round(1000 * seconds_per_frame))
        else:
            file.write(_mp4(images, 1 / seconds_per_frame))
    return path


def check_animation(path: str | os.PathLike) -> None:
    """Raises InputError where `save_animation` cannot write such a file."""
    if Path(path).suffix == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise InputError(f"{path}: .mp4 needs imageio-ffmpeg: pip install 'jaxgan[video]', or write a .webp or .gif.")


def _mp4(images: Sequence[Image.Image], frames_per_second: float) -> bytes:
    import imageio_ffmpeg
    width, height = (side + side % 2 for side in images[0].size)  # the codec halves the resolution of colours
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "frames.mp4")
        writer = imageio_ffmpeg.write_frames(str(path), (width, height), fps=frames_per_second, quality=8,
                                             macro_block_size=1)
        writer.send(None)
        for image in images:
            paper = Image.new("RGB", (width, height), "white")
            paper.paste(image)
            writer.send(paper.tobytes())
        writer.close()
        return path.read_bytes()


def scatter(points: Any, real: Any | None = None, title: str = "", limit: float = 1.25) -> np.ndarray:
    """Plots generated points [N, 2] over real ones [M, 2]: RGB, 640 pixels wide, with the strip of `titled`.

    Both axes run from -limit to limit whatever the points do, so that pictures of one run can be compared; points
    outside (or NaN) are counted in the corner.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # not pyplot: it keeps global state
    from matplotlib.figure import Figure

    points = np.asarray(points, np.float32)
    figure = Figure(figsize=(6.4, 6.4), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.08, 0.06, 0.9, 0.93))
    if real is not None:
        axes.scatter(*np.asarray(real, np.float32).T, s=14, color="#c4c4c4", linewidths=0, label="real")
    axes.scatter(*points.T, s=9, color="#2563c9", alpha=0.55, linewidths=0, label="generated")
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    outside = len(points) - np.count_nonzero((np.abs(points) <= limit).all(axis=1))
    if outside:
        axes.text(0.985, 0.015, f"{outside:,} of {len(points):,} generated points lie outside",
                  transform=axes.transAxes, ha="right", color="#a03030", fontsize=9)
    axes.tick_params(labelsize=9, colors="#555555")
    axes.spines[:].set_color("#bbbbbb")
    axes.legend(loc="upper right", frameon=False, fontsize=10, markerscale=2, ncols=2, handletextpad=0.1)
    canvas.draw()
    return titled(np.asarray(canvas.buffer_rgba())[:, :, :3], title)


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Opens a file that takes the place of `path` only once it is whole; makes the folder where it is missing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(unfinished, "wb") as file:
            yield file
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _image(picture: np.ndarray) -> Image.Image:
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or picture.shape[2:] not in ((), (1,), (3,), (4,)):
        raise ValueError("A picture is uint8 [H, W, C] with C = 1, 3 or 4, "
                         f"not {picture.dtype} {picture.shape}.")
    return Image.fromarray(np.ascontiguousarray(picture[:, :, 0] if picture.shape[2:] == (1,) else picture))


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _gif_frame(image: Image.Image) -> Image.Image:
    image = _on_white(image)
    return image if image.mode == "L" else image.quantize(256, method=Image.Quantize.MEDIANCUT)


def _with_channels(paper: Image.Image, channels: int) -> np.ndarray:
    """A grey image as a picture of so many channels, opaque."""
    picture = np.repeat(np.asarray(paper)[:, :, None], channels, axis=2)
    if channels == 4:
        picture[:, :, 3] = 255
    return picture


def font(size: int) -> ImageFont.FreeTypeFont:
    """The font of pictures, so many pixels high."""
    import matplotlib  # for the font it carries: Pillow's own lacks accents and dashes
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)


def _fit(text: str, width: int, sizes: Sequence[int] = FONT_SIZES) -> tuple[str, ImageFont.FreeTypeFont]:
    """The text and the largest font with which it is at most `width` pixels wide."""
    for size in sizes:
        face = font(size)
        if face.getlength(text) <= width:
            return text, face
    while text and face.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…", face
