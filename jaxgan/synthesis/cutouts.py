"""Objects cut out of images and laid on a ground. A ground knows nothing of generators, nor an object of its class."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from jaxgan.images import LUMA

CUTS = ("auto", "alpha", "luminance", "whole")
LEAST_PIXELS = 4  # of an object
LEAST_CONTRAST = 16  # grey levels between an object and its ground
CRUMBS = 0.1  # pieces of less than this share of an object's largest are none of it
INSIDE = 0.5  # an object's mask is where its alpha is at least that
VISIBLE = 0.5  # share of an object that those laid over it leave
TRIES = 100  # places tried for an object


class Placed(NamedTuple):
    """An object in a scene: which of those given, and where it can be seen, bool [H, W]."""

    index: int
    mask: np.ndarray


def cut(image_u8: np.ndarray, how: str = "auto") -> np.ndarray | None:
    """The object in an image uint8 [H, W, C], as float32 [h, w, C' + 1]: colours in 0 to 255 times alpha, then alpha,
    cropped with a margin of one pixel. None where there is none.

    how: "alpha", by the image's fourth channel; "luminance", what is brighter or darker, by Otsu's threshold, than most
    of the image's edge; "whole", all of it; "auto", alpha where there is such a channel, else luminance.
    """
    how = ("alpha" if image_u8.shape[2] == 4 else "luminance") if how == "auto" else how
    colours = image_u8[..., :3].astype(np.float32)
    if how == "alpha":
        alpha = image_u8[..., 3].astype(np.float32) / 255
    elif how == "luminance":
        alpha = _unlike_its_edge(colours @ np.float32(LUMA) if colours.shape[2] == 3 else colours[..., 0])
    else:
        alpha = np.ones(image_u8.shape[:2], np.float32)
    if np.count_nonzero(alpha >= INSIDE) < LEAST_PIXELS:
        return None
    top, left, height, width = box_of(alpha > 0)
    both = np.concatenate([colours * alpha[..., None], alpha[..., None]], axis=2)
    return np.pad(both[top:top + height, left:left + width], ((1, 1), (1, 1), (0, 0)))


def _unlike_its_edge(grey: np.ndarray) -> np.ndarray:
    """1 on the side of Otsu's threshold that most of the edge is not on, without crumbs; else 0."""
    level, contrast = _threshold(grey)
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    bright = np.mean(edge > level) < 0.5
    mask = (grey > level) == bright
    pieces, count = ndimage.label(mask, np.ones((3, 3)))
    if not count or contrast < LEAST_CONTRAST:
        return np.zeros(grey.shape, np.float32)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    sizes[0] = 0
    return (sizes >= CRUMBS * sizes.max())[pieces].astype(np.float32) * mask


def _threshold(grey: np.ndarray) -> tuple[float, float]:
    """(Otsu's threshold, the difference of the means on its sides)."""
    share = np.bincount(np.clip(grey, 0, 255).astype(np.uint8).ravel(), minlength=256) / grey.size
    below, total = np.cumsum(share), np.cumsum(share * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = (total[-1] - total) / (1 - below) - total / below
        between = np.nan_to_num(below * (1 - below) * gap**2, posinf=0)
    level = int(between.argmax())
    return level + 0.5, float(np.nan_to_num(gap[level]))


def scaled(cutout: np.ndarray, side: int, feather: float) -> np.ndarray:
    """A cutout whose object is `side` pixels at its longer side; its edge blurred by a Gaussian of so many pixels.

    Colours are multiplied by alpha throughout, so that neither shows a seam of what lay around the object.
    """
    height, width = (length - 2 for length in cutout.shape[:2])
    factor = side / max(height, width)
    size = [max(1, round((length + 2) * factor)) for length in (width, height)]
    planes = [np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, Image.Resampling.BILINEAR))
              for plane in np.moveaxis(cutout, 2, 0)]
    made = np.stack(planes, axis=2)
    if feather:
        margin = math.ceil(3 * feather)
        made = np.pad(made, ((margin, margin), (margin, margin), (0, 0)))
        made = ndimage.gaussian_filter(made, (feather, feather, 0))
    return made


def compose(ground: np.ndarray, objects: Sequence[np.ndarray], overlap: float,
            rng: np.random.Generator) -> tuple[np.ndarray, list[Placed]]:
    """Lays cutouts on a ground float32 [H, W, C] at random places, one over another: (the scene, uint8; what is seen).

    overlap: the largest IoU of two boxes, of whole objects and of what is seen of them. At least half of every object
    stays to be seen. One for which no place is found, or whose mask is empty, is left out.
    """
    scene, placed, whole = ground.copy(), [], []
    for index, cutout in enumerate(objects):
        inside = cutout[..., -1] >= INSIDE
        if not inside.any():
            continue
        top, left, height, width = box_of(inside)
        if height > len(scene) or width > scene.shape[1]:
            continue
        for _ in range(TRIES):
            y, x = rng.integers(len(scene) - height + 1), rng.integers(scene.shape[1] - width + 1)
            mask = np.zeros(scene.shape[:2], bool)
            mask[y:y + height, x:x + width] = inside[top:top + height, left:left + width]
            after = [*(other._replace(mask=other.mask & ~mask) for other in placed), Placed(index, mask)]
            if _allowed([each.mask for each in after], [*whole, mask], overlap):
                _lay(scene, cutout, y - top, x - left)
                placed, whole = after, [*whole, mask]
                break
    return np.clip(np.round(scene), 0, 255).astype(np.uint8), placed


def _allowed(seen: Sequence[np.ndarray], whole: Sequence[np.ndarray], overlap: float) -> bool:
    """Whether objects may lie so. whole: their masks when nothing lay over them."""
    if any(part.sum() < VISIBLE * mask.sum() for part, mask in zip(seen, whole)):
        return False
    return all(iou(*pair) <= overlap for masks in (whole, seen)
               for pair in itertools.combinations([box_of(mask) for mask in masks], 2))


def _lay(scene: np.ndarray, cutout: np.ndarray, y: int, x: int) -> None:
    """Lays a cutout on a scene, its corner at (y, x), as far as it is inside."""
    height, width = cutout.shape[:2]
    rows = slice(max(0, -y), min(height, len(scene) - y))
    columns = slice(max(0, -x), min(width, scene.shape[1] - x))
    part, under = cutout[rows, columns], scene[y + rows.start:y + rows.stop, x + columns.start:x + columns.stop]
    under[...] = under * (1 - part[..., -1:]) + part[..., :-1]


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(top, left, height, width) of what is True in a mask bool [H, W], which something has to be."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1


def iou(one: Sequence[int], other: Sequence[int]) -> float:
    """Intersection over union of two boxes (top, left, height, width)."""
    sides = [min(one[place] + one[place + 2], other[place] + other[place + 2]) - max(one[place], other[place])
             for place in (0, 1)]
    shared = max(sides[0], 0) * max(sides[1], 0)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def plain(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """A ground of one dark colour, float32 [H, W, C]."""
    return np.broadcast_to(rng.uniform(0, 128, shape[2]), shape).astype(np.float32)


def noise(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """A ground of dark clouds: noise of several sizes, the coarser the stronger; float32 [H, W, C]."""
    height, width, channels = shape
    total = np.zeros((height, width, channels), np.float32)
    cells = 2
    while cells <= max(height, width):
        for channel in range(channels):
            grid = rng.standard_normal((cells, cells)).astype(np.float32) / cells
            total[..., channel] += np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC))
        cells *= 2
    grey = total.mean(axis=2, keepdims=True)
    total = 0.3 * total + 0.7 * grey  # clouds of one hue rather than of all
    total = (total - total.mean()) / max(float(total.std()), 1e-6)
    return np.clip(rng.uniform(35, 90) + rng.uniform(-12, 12, channels) + 25 * total, 0, 170).astype(np.float32)


GROUNDS: dict[str, Callable[[Sequence[int], np.random.Generator], np.ndarray]] = {"noise": noise, "plain": plain}


def against(ground: np.ndarray, objects: Sequence[np.ndarray]) -> np.ndarray:
    """A dark ground, or its negative where the objects are dark themselves."""
    light = sum(float(each[..., :-1].sum()) / (each.shape[2] - 1) for each in objects)
    return 255 - ground if light < 128 * sum(float(each[..., -1].sum()) for each in objects) else ground
