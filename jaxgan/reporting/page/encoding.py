"""Pictures as text that a page holds: few bytes, and a copy of a training's grids that fits."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from jaxgan.images import TITLE_HEIGHT, WHITE, grid

QUALITIES = (90, 75, 50)  # of WebP, tried one after another
WORTH_TRYING = 4  # times the bytes there may be: larger pictures are not kept exactly
SMALLEST = 128  # pixels: no picture is shrunk below
PAD = 1  # pixels between tiles


def embedded(picture: np.ndarray, most: int) -> dict[str, Any]:
    """A picture uint8 [H, W, C] as `<img>` wants it: {"src", "width", "height"}; at most about `most` bytes.

    Exactly as it is where that fits, else with losses, else smaller too.
    """
    image = _image(picture)
    found = _webp(image, lossless=True, quality=50, method=2) if picture.size < WORTH_TRYING * most else None
    size = image.size
    while found is None or len(found) > most:
        found = _webp(image, quality=QUALITIES[0], method=2)
        for quality in QUALITIES[1:]:
            if len(found) > most:
                found = _webp(image, quality=quality, method=2)
        if len(found) <= most or max(image.size) <= SMALLEST:
            break
        image = image.resize([max(1, round(side * 0.7)) for side in image.size], Image.Resampling.LANCZOS)
    src = "data:image/webp;base64," + base64.b64encode(found).decode()
    return {"src": src, "width": size[0], "height": size[1]}


def _webp(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format="WEBP", **options)
    return file.getvalue()


def _image(picture: np.ndarray) -> Image.Image:
    if picture.shape[2] == 4:
        paper = Image.new("RGBA", picture.shape[1::-1], "white")
        return Image.alpha_composite(paper, Image.fromarray(np.ascontiguousarray(picture))).convert("RGB")
    return Image.fromarray(np.ascontiguousarray(picture[:, :, 0] if picture.shape[2] == 1 else picture))


def tiles_of(picture: np.ndarray, shape: Sequence[int], columns: int = 8, pad: int = 2) -> np.ndarray | None:
    """The images [N, H, W, C] that `images.grid` put into a titled picture, unmagnified; None where it is none such."""
    height, width = shape[:2]
    scale, rest = divmod(picture.shape[1] - pad * (columns + 1), columns * width)
    body = picture[TITLE_HEIGHT:]
    if rest or not scale or (len(body) - pad) % (height * scale + pad):
        return None
    step_y, step_x = height * scale + pad, width * scale + pad
    tiles = [body[top:top + height * scale:scale, left:left + width * scale:scale]
             for top in range(pad, len(body), step_y) for left in range(pad, body.shape[1], step_x)]
    return np.stack(tiles)


def sheet(images: np.ndarray, columns: int = 8, most_side: int = 1024) -> np.ndarray:
    """A grid of images uint8 [N, H, W, C] at their own size, or smaller so that none of its sides is above."""
    images = np.asarray(images)
    rows = -(-len(images) // columns)
    largest = max(1, (most_side - PAD) // max(rows, columns) - PAD)
    images = shrunk(images, largest)
    return grid(images, columns, PAD, scale=1)


def shrunk(images: np.ndarray, side: int) -> np.ndarray:
    """Images [N, H, W, C] whose longer side is at most `side`."""
    height, width = images.shape[1:3]
    if max(height, width) <= side:
        return images
    size = [max(1, round(each * side / max(height, width))) for each in (width, height)]
    resized = [np.asarray(_plain(image).resize(size, Image.Resampling.BOX)) for image in images]
    return np.stack(resized).reshape(len(images), size[1], size[0], -1)


def _plain(image: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image[:, :, 0] if image.shape[2] == 1 else image))


def thinned(items: Sequence[Any], most: int) -> list[Any]:
    """At most so many of them, evenly spaced, the first and the last among them."""
    rows = np.unique(np.linspace(0, len(items) - 1, min(len(items), most)).round().astype(int)) if len(items) else []
    return [items[row] for row in rows]


def side_by_side(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Images [H, W, C] in a row."""
    gap = np.full((len(parts[0]), PAD, parts[0].shape[2]), WHITE, np.uint8)
    return np.concatenate([each for part in parts for each in (part, gap)][:-1], axis=1)
