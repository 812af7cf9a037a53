"""Are the fakes copies of the training images? Tests by nearest neighbours in feature space, in float64."""

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Sides
from jaxgan.metrics.checks import check_pair, held_out
from jaxgan.metrics.kmeans import assign, kmeans

BLOCK = 1 << 24  # distances held at a time
TINY = 1e-12


def authpct(num_samples: int = 10_000) -> Metric:
    """Authentic fakes in percent (Alaa et al. 2022, eq. 9).

    A fake is authentic where the training image nearest to it has another training image nearer still. Up to 100;
    copies are at 0, and held-out images of the same distribution around 50 or above.
    """
    def compute(sides: Sides, _: np.random.Generator) -> dict[str, float]:
        check_pair(sides.real.pool, sides.fake.pool)
        return {"authpct": authentic(sides.real.pool, sides.fake.pool)}
    return Metric(compute, lambda values: -values["authpct"], ("pool",), num_samples)


def ct(num_samples: int = 10_000, num_cells: int = 3) -> Metric:
    """C_T, whether fakes lie nearer to the training images than held-out images do (Meehan et al. 2020, section 4).

    A mean of z-scores over `num_cells` cells of the training images: far below 0 is data-copying, far above 0 is
    underfitting. `ct_global` is the z-score without cells. Features of more than 64 entries are projected on the first
    64 principal components of the training images, and cells with 20 fakes or fewer left out, as dgm-eval does.
    """
    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        train, test, fake = project(sides.real.pool, held_out(sides, "ct").pool, sides.fake.pool)
        check_pair(train, test)
        check_pair(train, fake)
        centres, cells = kmeans(train, num_cells, rng, restarts=10)
        cells = cells, assign(test, centres), assign(fake, centres)
        return {"ct": copying(train, test, fake, cells, 20 / len(fake)),
                "ct_global": z_score(nearest(fake, train)[0], nearest(test, train)[0])}
    return Metric(compute, lambda values: abs(values["ct"]), ("pool",), num_samples)


def nn_ratio(num_samples: int = 10_000) -> Metric:
    """Distances of fakes to their nearest training image, against those of held-out images.

    nn_ratio: of the medians; 1 is as far as new images are, 0 is copies. nn_close: share of fakes nearer than all but
    1 % of the held-out images are; 0.01 is expected, and whatever is above it deserves a look. nn_ratio_fake and
    nn_ratio_real: the medians themselves, in the backbone's units.
    """
    def compute(sides: Sides, _: np.random.Generator) -> dict[str, float]:
        others = [sides.fake, held_out(sides, "nn_ratio")]
        for side in others:
            check_pair(sides.real.pool, side.pool)
        fake, real = (nearest(side.pool, sides.real.pool)[0] for side in others)
        if not np.median(real) > 0:
            raise InputError("nn_ratio: half of the held-out images are training images; hold out others.")
        ratio, close = against(fake, real)
        return {"nn_ratio": ratio, "nn_close": close, "nn_ratio_fake": float(np.median(fake)),
                "nn_ratio_real": float(np.median(real))}
    return Metric(compute, lambda values: abs(1 - values["nn_ratio"]), ("pool",), num_samples)


def against(fake: np.ndarray, held_out: np.ndarray) -> tuple[float, float]:
    """`nn_ratio` and `nn_close` of distances to the nearest training image, those of held-out images being usual."""
    return (float(np.median(fake) / max(np.median(held_out), TINY)),
            float(np.mean(fake < np.percentile(held_out, 1))))


def authentic(train: np.ndarray, fake: np.ndarray) -> float:
    """Percent of fakes [M, D] whose nearest row of `train` [N, D] has a nearer one among the others."""
    distance, index = nearest(fake, train)
    # Only the training images that some fake is nearest to are asked for their own neighbours.
    used, place = np.unique(index, return_inverse=True)
    own, _ = nearest(np.asarray(train)[used], train, leave_out=used)
    return 100 * float(np.mean(own[place] < distance))


def copying(train: np.ndarray, test: np.ndarray, fake: np.ndarray, cells: tuple[np.ndarray, ...],
            tau: float) -> float:
    """C_T of features [N, D] whose cells are ints [N], in the same order.

    The z-score of each cell with more than a share `tau` of the fakes, weighted by its held-out images; neighbours are
    looked for within the cell. Cells without held-out images have no weight.
    """
    scores, weights = [], []
    for cell in np.unique(cells[0]):
        inside = [np.asarray(side)[which == cell] for side, which in zip((train, test, fake), cells)]
        if len(inside[1]) and len(inside[2]) > tau * len(fake):
            near = [nearest(side, inside[0])[0] for side in inside[1:]]
            scores.append(z_score(near[1], near[0]))
            weights.append(len(inside[1]))
    if not scores:
        raise InputError("ct: no cell holds both held-out images and more than 20 fakes; compare more of them.")
    return float(np.average(scores, weights=weights))


def z_score(fake: np.ndarray, test: np.ndarray) -> float:
    """Mann and Whitney's U of distances [M] over [N], ties halved, in standard deviations from equality."""
    m, n = len(fake), len(test)
    ordered = np.sort(test)
    u = sum(np.searchsorted(ordered, fake, side).sum() for side in ("left", "right")) / 2
    return float((u - (m * n / 2 - 0.5)) / np.sqrt(m * n * (m + n + 1) / 12))


def nearest(points: np.ndarray, others: np.ndarray,
            leave_out: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Distance to, and row of, the nearest of `others` [N, D] for each of `points` [M, D]; float64 [M] and int [M].

    leave_out: for each point one row of `others` that does not count, itself. Neighbours are found by |y|² − 2xy about
    the mean, a block at a time; the distances returned are those of the pair itself, so a copy is at exactly 0.
    """
    others = np.asarray(others, np.float64)
    centre = others.mean(0)
    centred = others - centre
    squares = np.sum(centred**2, axis=1)
    rows = max(1, BLOCK // max(len(others), others.shape[1]))
    distances, found = np.empty(len(points)), np.empty(len(points), np.int64)
    for start in range(0, len(points), rows):
        part = slice(start, start + rows)
        block = np.asarray(points[part], np.float64)
        matrix = squares - 2 * ((block - centre) @ centred.T)
        if leave_out is not None:
            matrix[np.arange(len(block)), leave_out[part]] = np.inf
        found[part] = matrix.argmin(axis=1)
        distances[part] = np.linalg.norm(block - others[found[part]], axis=1)
    return distances, found


def project(train: np.ndarray, *others: np.ndarray, dim: int = 64) -> list[np.ndarray]:
    """All of them on the first `dim` principal components of the first; as they are where they have no more."""
    if train.shape[1] <= dim:
        return [train, *others]
    centre = np.mean(train, axis=0, dtype=np.float64)
    centred = train - centre
    axes = np.linalg.eigh(centred.T @ centred)[1][:, :-dim - 1:-1]
    return [(features - centre) @ axes for features in (train, *others)]

