"""k-means, the same clusters for the same generator on every machine."""

import numpy as np


def kmeans(points: np.ndarray, num_clusters: int, rng: np.random.Generator, num_iterations: int = 50,
           restarts: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Centres [K, D] and the cell of each point [N]: Lloyd's algorithm from a k-means++ start, in float64.

    (Arthur & Vassilvitskii 2007.) It stops when no point changes its cell. Equal points may leave cells empty; those
    keep their centres. restarts: of so many starts the one whose points end nearest to their centres is kept.
    """
    points = np.asarray(points, np.float64)
    found = [_lloyd(points, _start(points, num_clusters, rng), num_iterations) for _ in range(restarts)]
    return min(found, key=lambda each: float(np.sum((points - each[0][each[1]]) ** 2)))


def _start(points: np.ndarray, num_clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Centres among the points, far from one another: each drawn by its squared distance to those before it."""
    centres = points[rng.integers(len(points))][None]
    nearest = np.full(len(points), np.inf)
    for _ in range(num_clusters - 1):
        nearest = np.minimum(nearest, np.sum((points - centres[-1]) ** 2, 1))
        total = nearest.sum()
        chosen = rng.choice(len(points), p=nearest / total if total > 0 else None)
        centres = np.concatenate([centres, points[chosen][None]])
    return centres


def _lloyd(points: np.ndarray, centres: np.ndarray, num_iterations: int) -> tuple[np.ndarray, np.ndarray]:
    cells = np.full(len(points), -1)
    for _ in range(num_iterations):
        previous, cells = cells, assign(points, centres)
        if np.array_equal(previous, cells):
            break
        centres = np.stack([points[cells == k].mean(0) if (cells == k).any() else centre
                            for k, centre in enumerate(centres)])
    return centres, cells


def assign(points: np.ndarray, centres: np.ndarray, rows: int = 4096) -> np.ndarray:
    """The nearest centre of each point, int [N]."""
    return np.concatenate([
        np.argmin(np.sum(centres**2, 1) - 2 * np.asarray(points[start:start + rows], np.float64) @ centres.T, axis=1)
        for start in range(0, len(points), rows)])
