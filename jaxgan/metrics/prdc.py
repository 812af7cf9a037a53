"""Improved precision and recall, density and coverage.

Distances are decided in float64. Which pairs are near enough to be worth it is found in float32, a tile of all pairs at
a time, with a bound on its rounding: the answer is the same, in half the time.
"""

from collections.abc import Iterator

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Sides
from jaxgan.metrics.checks import check_pair

# Two images whose features differ by less than a millionth of their length are one: nearer, d² is rounding.
SAME = 1e-12
# What differs from a radius by less has its length: it must not be chance on which side a copy of a neighbour falls.
TIE = 1e-9
PAIRS = 256  # whose exact distances are taken at a time
DENSE = 32   # where more than one in so many pairs of a tile are near, the whole tile is taken in float64
MODERATE = (1e-12, 1e24)  # squared lengths, the largest in a set, at which float32 neither underflows nor overflows


def prdc(k: int = 5, closed: bool = False, num_samples: int = 10_000) -> Metric:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020) of `pool`.

    A set's manifold is the union of balls about its images, each as wide as the distance to the k-th nearest other
    image. precision: share of FAKES inside the real manifold; recall: share of real images inside the fakes';
    density: real balls a fake lies in, divided by k; coverage: share of real balls with a fake in them. Balls are open,
    as in the prdc package; `closed` gives them their edge, as in torch-fidelity. Ranked by coverage, which sees both
    bad and missing images.
    """
    if k < 1:
        raise InputError(f"prdc: k must be at least 1; got {k}.")

    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        check_pair(sides.real.pool, sides.fake.pool, least=k + 1)
        return precision_recall_density_coverage(sides.real.pool, sides.fake.pool, k, closed)
    return Metric(compute, lambda values: -values["coverage"], ("pool",), num_samples)


def precision_recall_density_coverage(real: np.ndarray, fake: np.ndarray, k: int, closed: bool = False,
                                      rows: int = 2048) -> dict[str, float]:
    """The four values. Both sides are held once in float32, and a few tiles of `rows` × `rows`."""
    real_reach, fake_reach = (_reach(squared_radii(side, k, rows), closed) for side in (real, fake))
    origin = np.mean(real, axis=0, dtype=np.float64)
    real, fake = Points(real, origin, rows), Points(fake, origin, rows)
    num_balls = np.zeros(len(fake_reach), np.int64)
    covered, recalled = np.zeros(len(real_reach), bool), np.zeros(len(real_reach), bool)
    for at in _tiles(len(fake_reach), rows):
        for to in _tiles(len(real_reach), rows):
            # A real image that was found in one fake's ball need not be looked for in others.
            ours, theirs, square = nearby(fake, at, real, to, fake_reach[at], real_reach[to], asked=~recalled[to])
            inside = square < real_reach[theirs]
            num_balls += np.bincount(ours[inside], minlength=len(num_balls))
            covered[theirs[inside]] = True
            recalled[theirs[square < fake_reach[ours]]] = True
    return {"precision": float(np.mean(num_balls > 0)), "recall": float(recalled.mean()),
            "density": float(num_balls.sum() / (k * len(num_balls))), "coverage": float(covered.mean())}


def squared_radii(features: np.ndarray, k: int, rows: int = 2048) -> np.ndarray:
    """Squared distance of each of the features [N, D] to the k-th nearest other one, [N]."""
    points = Points(features, np.mean(features, axis=0, dtype=np.float64), rows)
    nearest = np.full((len(features), k + 1), np.inf)  # itself among them
    limit = np.full(len(features), np.inf)
    for at in _tiles(len(features), rows):  # no radius is larger than among a part of the others
        square = squared_distances(points.exact(at), points.exact(at))
        if len(square) > k:
            kth = np.partition(square, k, axis=1)[:, k]
            limit[at] = kth * (1 + TIE) + TIE * points.squares[at] + np.finfo(np.float64).tiny
    for at in _tiles(len(features), rows):
        for to in _tiles(len(features), rows):
            if to.start < at.start:
                continue
            ours, theirs, square = nearby(points, at, points, to, limit[at], limit[to])
            _keep(nearest, ours, square)
            if to.start > at.start:
                _keep(nearest, theirs, square)
            for part in (at, to):
                limit[part] = np.minimum(limit[part], nearest[part].max(1))
    return nearest.max(1)


class Points:
    """Features [N, D] about an origin: `rounded` to float32, their `squares` of length, and `exact` in float64."""

    def __init__(self, features: np.ndarray, origin: np.ndarray, rows: int):
        self.features, self._origin = features, origin
        self.rounded, self.squares = np.empty(features.shape, np.float32), np.empty(len(features))
        with np.errstate(over="ignore"):
            for at in _tiles(len(features), rows):
                self.rounded[at] = block = self.exact(at)
                self.squares[at] = np.einsum("ij,ij->i", block, block)
        self.moderate = MODERATE[0] < self.squares.max() < MODERATE[1]

    def exact(self, at: slice) -> np.ndarray:
        return np.subtract(self.features[at], self._origin, dtype=np.float64)


def nearby(ours: Points, at: slice, theirs: Points, to: slice, our_limit: np.ndarray, their_limit: np.ndarray,
           asked: np.ndarray | bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows of ours, rows of theirs, squared distance in float64) of every pair of a tile that is nearer than their
    limit, or than ours where they are `asked`; others may be among them. Limits are squared.

    A sum of D products in float32, in any order, is off by at most D u Σ|x_i y_i| and a little (Higham 2002, section
    3.1), u = 2⁻²⁴; so by |x|² + |y|² a bound on the rounding of all of |x|² + |y|² − 2 x·y is known before.
    """
    if ours.moderate and theirs.moderate:
        slack = 1 - (1.1 * ours.rounded.shape[1] + 16) * np.finfo(np.float32).eps / 2
        least = ours.rounded[at] @ theirs.rounded[to].T
        least *= -2
        least += (slack * ours.squares[at]).astype(np.float32)[:, None]
        least += (slack * theirs.squares[to]).astype(np.float32)
        near = (least < _above(our_limit)[:, None]) & asked
        near |= least < _above(their_limit)
        if np.count_nonzero(near) * DENSE <= near.size:
            one, two = np.nonzero(near)
            one, two = one + at.start, two + to.start
            return one, two, _squares(ours, one, theirs, two)
    square = squared_distances(ours.exact(at), theirs.exact(to))
    one, two = np.nonzero(((square < our_limit[:, None]) & asked) | (square < their_limit))
    return one + at.start, two + to.start, square[one, two]


def _above(limit: np.ndarray) -> np.ndarray:
    """The next number above, in float32."""
    with np.errstate(over="ignore"):
        return np.nextafter(limit.astype(np.float32), np.float32(np.inf))


def _squares(ours: Points, one: np.ndarray, theirs: Points, two: np.ndarray) -> np.ndarray:
    """Squared distances of pairs of rows."""
    found = np.empty(len(one))
    for start in range(0, len(one), PAIRS):
        part = slice(start, start + PAIRS)
        apart = np.subtract(ours.features[one[part]], theirs.features[two[part]], dtype=np.float64)
        found[part] = np.einsum("ij,ij->i", apart, apart)
    found[found <= SAME * (ours.squares[one] + theirs.squares[two])] = 0
    return found


def _keep(nearest: np.ndarray, index: np.ndarray, square: np.ndarray) -> None:
    """Takes in distances of the points `index`, the smallest of each."""
    order = np.lexsort((square, index))
    index, square = index[order], square[order]
    rank = np.arange(len(index)) - np.searchsorted(index, index)
    some = rank < nearest.shape[1]
    rows, place = np.unique(index, return_inverse=True)
    more = np.full((len(rows), nearest.shape[1]), np.inf)
    more[place[some], rank[some]] = square[some]
    both = np.concatenate([nearest[rows], more], axis=1)
    nearest[rows] = np.partition(both, nearest.shape[1] - 1, axis=1)[:, :nearest.shape[1]]


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """‖x − y‖² of float64 [N, D] and [M, D], [N, M]; exactly 0 where they are the same up to rounding."""
    lengths = np.sum(x**2, 1)[:, None] + np.sum(y**2, 1)
    square = x @ y.T
    square *= -2
    square += lengths
    lengths *= SAME
    square[square <= lengths] = 0
    return square


def _reach(squared_radius: np.ndarray, closed: bool) -> np.ndarray:
    """A squared distance below this is inside."""
    return squared_radius * (1 + TIE) + np.finfo(np.float64).tiny if closed else squared_radius * (1 - TIE)


def _tiles(num: int, rows: int) -> Iterator[slice]:
    return (slice(start, min(start + rows, num)) for start in range(0, num, rows))
