"""The training images that samples are nearest to: has it learned, or copied?"""

from collections.abc import Sequence

import numpy as np

from jaxgan.images import LARGEST_SCALE, grid, sheet
from jaxgan.metrics.prdc import squared_distances

SIDE = 96  # pixels: what small images are magnified up to
BLOCK = 128  # rows of the matrix of distances, worked on at a time


def nearest(points: np.ndarray, others: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` nearest of `others` [N, D] to each of `points` [M, D]: distances and rows, [M, count], nearest
    first. The distances are those of the pairs themselves, so a copy is at exactly 0."""
    points, others = np.asarray(points, np.float64), np.asarray(others, np.float64)
    centre = others.mean(axis=0)
    rows = [np.argsort(squared_distances(points[start:start + BLOCK] - centre, others - centre), axis=1,
                       kind="stable")[:, :count] for start in range(0, len(points), BLOCK)]
    rows = np.concatenate(rows)
    distances = np.linalg.norm(points[:, None] - others[rows], axis=2)
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(distances, order, 1), np.take_along_axis(rows, order, 1)


def usual_distance(others: np.ndarray, most: int = 500) -> float:
    """The median distance of one of `others` to the nearest other one, taken of at most so many, evenly spaced."""
    rows = np.unique(np.linspace(0, len(others) - 1, min(len(others), most)).astype(int))
    return float(np.median(nearest(others[rows], others, 2)[0][:, -1]))


def picture(samples: np.ndarray, names: Sequence[str], neighbours: np.ndarray, captions: Sequence[Sequence[str]],
            title: str) -> np.ndarray:
    """A row for each of samples [M, H, W, C], uint8: itself, and its neighbours [M, K, H, W, C], with captions."""
    scale = max(1, min(LARGEST_SCALE, SIDE // max(samples.shape[1:3])))

    def tile(image: np.ndarray, caption: str) -> np.ndarray:
        return grid(image[None], pad=0, scale=scale, title=caption)
    table = [[tile(sample, ""), *map(tile, near, words)]
             for sample, near, words in zip(samples, neighbours, captions)]
    columns = ["sample", "nearest", *(f"{place + 2}." for place in range(neighbours.shape[1] - 1))]
    return sheet(np.asarray(table), names, columns, title)
