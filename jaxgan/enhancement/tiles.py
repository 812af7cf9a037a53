"""An image of any size through a network, in tiles whose borders do not show."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

RAMP = 8  # pixels over which one tile goes over into the next


class Span(NamedTuple):
    """A tile along one axis: pixels start to stop of the image, and how much its result counts, [(stop - start) scale],
    by pixels of the result."""

    start: int
    stop: int
    weight: np.ndarray


def tiled(function: Callable[[np.ndarray], np.ndarray], image: np.ndarray, scale: int, tile: int, margin: int,
          report: Callable[[int, int], None] = lambda done, total: None) -> np.ndarray:
    """`function` of an image, float32 [h, w, c] -> [h scale, w scale, C], a tile of at most `tile` pixels a side at a
    time. The same as `function` of the whole to the last digits where `margin` is what a pixel reads on each side.

    The outermost `margin` pixels of a tile count nothing, but at the borders of the image, and from there its weight
    rises to that of the tile beside it. Tiles are of one shape, so that one program is compiled for all.
    """
    rows, columns = (spans(size, scale, tile, margin) for size in image.shape[:2])
    total, weights = None, np.zeros((image.shape[0] * scale, image.shape[1] * scale, 1), np.float32)
    for number, (row, column) in enumerate((row, column) for row in rows for column in columns):
        made = function(image[row.start:row.stop, column.start:column.stop])
        weight = row.weight[:, None, None] * column.weight[:, None]
        if total is None:
            total = np.zeros((*weights.shape[:2], made.shape[2]), np.float32)
        place = tuple(slice(span.start * scale, span.stop * scale) for span in (row, column))
        total[place] += weight * made
        weights[place] += weight
        report(number + 1, len(rows) * len(columns))
    return total / weights


def spans(size: int, scale: int, tile: int, margin: int) -> list[Span]:
    """The tiles along an axis of `size` pixels, all equally long; one where that is enough."""
    tile = min(tile, size)
    margin = min(margin, tile // 4)
    step = max(tile - 2 * margin - RAMP, 1)
    starts = [*range(0, size - tile, step), size - tile]
    place = (np.arange(tile * scale, dtype=np.float32) + 0.5) / scale
    found = []
    for start in starts:
        weight = np.ones(tile * scale, np.float32)
        for inner, distance in ((start > 0, place), (start + tile < size, tile - place)):
            if inner:
                weight = np.minimum(weight, np.clip((distance - margin) / RAMP, 0, 1))
        found.append(Span(start, start + tile, weight))
    return found
