import numpy as np
import pytest
from scipy.ndimage import correlate1d

from jaxgan.errors import InputError
from jaxgan.metrics import METRICS
from jaxgan.metrics.base import ArraySample, Sides
from jaxgan.metrics.ms_ssim import num_scales, pairs, similarity


def noisy(num, shape, seed=0):
    """Smooth images and copies of them with some noise."""
    rng = np.random.default_rng(seed)
    smooth = rng.uniform(60, 200, (num, 1, 1, shape[2])) + 40 * np.sin(np.arange(shape[1]) / 5)[None, None, :, None]
    smooth = np.broadcast_to(smooth, (num, *shape))
    return tuple(np.clip(smooth + std * rng.standard_normal(smooth.shape), 0, 255).astype(np.uint8) for std in (5, 20))


def reference(one, other):
    """Wang et al. 2003 on one grey image, by SciPy's filters and the paper's figures."""
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)

    def local(image):
        for axis in (0, 1):
            image = correlate1d(image, taps / taps.sum(), axis)
        return image[5:-5, 5:-5]
    result = 1.0
    for scale, weight in enumerate(weights):
        a, b = local(one), local(other)
        aa, bb, ab = local(one**2) - a**2, local(other**2) - b**2, local(one * other) - a * b
        contrast = (2 * ab + 58.5225) / (aa + bb + 58.5225)
        luminance = (2 * a * b + 6.5025) / (a**2 + b**2 + 6.5025)
        result *= np.mean(contrast * luminance if scale == 4 else contrast) ** weight
        if scale == 4:
            return result
        one, other = (sum(image[i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4 for image in (one, other))
    raise AssertionError


def test_five_scales_with_the_published_constants():
    one, other = noisy(2, (176, 192, 1))
    expected = [reference(a[..., 0].astype(float), b[..., 0].astype(float)) for a, b in zip(one, other)]
    np.testing.assert_allclose(similarity(one, other), expected, rtol=1e-10)
    assert 0.2 < expected[0] < 0.95


def test_single_scale_images_in_closed_form():
    """Flat images differ in luminance alone; one scale has all the weight."""
    flat = np.full((1, 8, 8, 1), 100, np.uint8)
    expected = (2 * 100 * 50 + 6.5025) / (100**2 + 50**2 + 6.5025)
    assert similarity(flat, flat // 2) == pytest.approx(expected)


@pytest.mark.parametrize(("shape", "scales"), [((8, 8), 1), ((1, 1), 1), ((20, 300), 1), ((21, 21), 2), ((28, 28), 2),
                                               ((64, 64), 3), ((160, 400), 4), ((161, 161), 5), ((512, 512), 5)])
def test_scales_on_which_the_window_fits(shape, scales):
    assert num_scales(*shape) == scales


@pytest.mark.parametrize("shape", [(8, 8, 1), (13, 29, 3), (43, 43, 2)])
def test_any_shape(shape):
    one, other = noisy(3, shape)
    np.testing.assert_allclose(similarity(one, one), 1, rtol=1e-12)
    np.testing.assert_allclose(similarity(one, other), similarity(other, one), rtol=1e-12)
    np.testing.assert_allclose(similarity(one, other),
                               np.mean([similarity(one[..., [c]], other[..., [c]]) for c in range(shape[2])], axis=0))
    inverted = similarity(one, 255 - one)
    assert np.isfinite(inverted).all()
    assert (inverted < similarity(one, other)).all()


def test_pairs_are_of_one_class_and_of_two_images():
    labels = np.array([0, 1, 1, 2, 2, 2, 2])
    one, other = pairs(7, labels, 2000, np.random.default_rng(0))
    assert (labels[one] == labels[other]).all()
    assert (one != other).all()
    assert len(set(zip(one.tolist(), other.tolist()))) == 2 + 12  # every pair of the two classes that have any
    one, other = pairs(3, None, 500, np.random.default_rng(0))
    assert set(zip(one.tolist(), other.tolist())) == {(a, b) for a in range(3) for b in range(3) if a != b}


def test_a_collapsed_generator_stands_out(digits):
    images, labels = digits.train
    metric = METRICS["ms_ssim"](num_pairs=300)
    real = ArraySample(images, labels)
    sound = metric.compute(Sides(real, ArraySample(images[::2], labels[::2])), np.random.default_rng(0))
    assert sound["ms_ssim"] == pytest.approx(sound["ms_ssim_real"], abs=0.05)
    assert sound["ms_ssim_scales"] == 1
    first = [np.flatnonzero(labels == label)[0] for label in range(10)] * 2
    collapsed = metric.compute(Sides(real, ArraySample(images[first], labels[first])), np.random.default_rng(0))
    assert collapsed["ms_ssim"] == pytest.approx(1)
    assert metric.score(sound) < metric.score(collapsed)


def test_what_it_refuses(digits):
    points = ArraySample(np.zeros((4, 1, 1, 2), np.float32))
    with pytest.raises(InputError, match="points"):
        METRICS["ms_ssim"]().compute(Sides(points, points), np.random.default_rng(0))
    with pytest.raises(InputError, match="no class has two"):
        pairs(2, np.array([0, 1]), 5, np.random.default_rng(0))
