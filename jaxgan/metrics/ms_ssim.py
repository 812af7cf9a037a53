"""Multi-scale structural similarity of random pairs: high among images that are all alike."""

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Sample, Sides
from jaxgan.metrics.checks import check_shapes

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003; their sum is 1.0001
K1, K2, RANGE = 0.01, 0.03, 255.0
WINDOW, SIGMA = 11, 1.5
BATCH = 64


def ms_ssim(num_samples: int = 2000, num_pairs: int = 1000) -> Metric:
    """Mean MS-SSIM of random pairs among the fakes, and among the real images (Odena et al. 2017, section 4.2).

    Pairs are of one class where labels are classes. Far above the real images' value the fakes lack diversity; far
    below it they may be noise. Images under 161 pixels have fewer scales than five, as `ms_ssim_scales` says, and
    values of different numbers of scales do not compare.
    """
    if num_samples < 2 or num_pairs < 1:
        raise InputError("config.metrics.ms_ssim needs num_samples of at least 2 and num_pairs of at least 1.")

    def compute(sides: Sides, rng: np.random.Generator) -> dict[str, float]:
        check_shapes(sides.real, sides.fake)
        fake, real = (mean_similarity(side, num_pairs, rng) for side in (sides.fake, sides.real))
        return {"ms_ssim": fake, "ms_ssim_real": real,
                "ms_ssim_scales": float(num_scales(*sides.fake.images.shape[1:3]))}
    return Metric(compute, lambda values: abs(values["ms_ssim"] - values["ms_ssim_real"]), ("images", "labels"),
                  num_samples)


def mean_similarity(side: Sample, num_pairs: int, rng: np.random.Generator) -> float:
    one, other = pairs(side.num, side.labels, num_pairs, rng)
    parts = [similarity(side.images[one[start:start + BATCH]], side.images[other[start:start + BATCH]])
             for start in range(0, num_pairs, BATCH)]
    return float(np.concatenate(parts).mean())


def pairs(num: int, labels: np.ndarray | None, num_pairs: int,
          rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of pairs of two different images, of one class where `labels` are int [N]."""
    classes = np.zeros(num, int) if labels is None or np.ndim(labels) != 1 else np.asarray(labels)
    order = np.argsort(classes, kind="stable")
    _, member, count = np.unique(classes[order], return_inverse=True, return_counts=True)
    paired = np.flatnonzero(count[member] > 1)
    if not len(paired):
        raise InputError("ms_ssim compares images of one class, and no class has two.")
    one = rng.choice(paired, num_pairs)
    begin, size = (np.cumsum(count) - count)[member[one]], count[member[one]]
    other = begin + (one - begin + rng.integers(1, size)) % size
    return order[one], order[other]


def similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """MS-SSIM (Wang et al. 2003) of pairs of uint8 images [N, H, W, C]: float64 [N], the mean over channels.

    Gaussian windows of 11 pixels and σ = 1.5 wholly inside the image, scales made by 2×2 means. A scale on which no
    window fits is left out and the weights of the others made to sum to one; images under 11 pixels have one scale
    with a window as large as they are, σ in proportion. Negative contrast terms, whose fractional powers are not real,
    count as zero.
    """
    if one.dtype != np.uint8 or other.dtype != np.uint8:
        raise InputError("ms_ssim compares uint8 images; these are points.")
    one, other = (np.moveaxis(np.asarray(images, np.float64), 3, 1) for images in (one, other))
    scales = num_scales(*one.shape[2:])
    some = np.asarray(WEIGHTS[:scales])
    result = 1.0
    for scale, weight in enumerate(some if scales == len(WEIGHTS) else some / some.sum()):
        luminance, contrast = statistics(one, other)
        term = luminance * contrast if scale == scales - 1 else contrast
        result = result * np.maximum(term.mean((2, 3)), 0) ** weight
        one, other = halved(one), halved(other)
    return result.mean(1)


def statistics(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maps of luminance and of contrast × structure (Wang et al. 2004, eqs. 6 and 9–13) of images [N, C, H, W]."""
    rows, columns = (window(size) for size in one.shape[2:])

    def local(images: np.ndarray) -> np.ndarray:
        return rows @ images @ columns.T
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    mean, mean_other = local(one), local(other)
    squares = local(one**2 + other**2) - mean**2 - mean_other**2
    covariance = local(one * other) - mean * mean_other
    luminance = (2 * mean * mean_other + c1) / (mean**2 + mean_other**2 + c1)
    return luminance, (2 * covariance + c2) / (squares + c2)


def window(size: int) -> np.ndarray:
    """The Gaussian window at every place it fits in `size` pixels, as a matrix [places, size]."""
    width = min(WINDOW, size)
    offsets = np.arange(width) - (width - 1) / 2
    taps = np.exp(-0.5 * (offsets / (SIGMA * width / WINDOW)) ** 2)
    places = size - width + 1
    matrix = np.zeros((places, size))
    for tap, value in enumerate(taps / taps.sum()):
        matrix[np.arange(places), np.arange(places) + tap] = value
    return matrix


def num_scales(height: int, width: int) -> int:
    """Scales on which a whole window fits, one at least and five at most."""
    return max(1, sum(-(-min(height, width) // 2**scale) >= WINDOW for scale in range(len(WEIGHTS))))


def halved(images: np.ndarray) -> np.ndarray:
    """Means of 2×2 pixels; an odd size is first made even by repeating its last row or column."""
    images = np.pad(images, [(0, 0), (0, 0), *((0, size % 2) for size in images.shape[2:])], mode="edge")
    height, width = images.shape[2:]
    return images.reshape(*images.shape[:2], height // 2, 2, width // 2, 2).mean((3, 5))
