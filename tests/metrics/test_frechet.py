import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.metrics import METRICS
from jaxgan.metrics.base import ArraySample, Moments, Sides, moments
from jaxgan.metrics.frechet import extrapolate, frechet_distance, nuclear_norm, subset_sizes


@pytest.fixture
def fd(sides, rng):
    return lambda real, fake: METRICS["fd"]().compute(sides(real, fake), rng)["fd"]


class MomentsOnly:
    """A sample whose features would have to be computed."""

    def __init__(self, found):
        self.num, self.moments = found.num, found

    @property
    def pool(self):
        raise AssertionError("the features were read")


def exact_gaussian(rng, num, mean, root):
    """Rows with this sample mean, and exactly the unbiased covariance rootᵀ root."""
    x = rng.standard_normal((num, len(mean)))
    x -= x.mean(0)
    u, _, v = np.linalg.svd(x, full_matrices=False)
    return u @ v * np.sqrt(num - 1) @ root + mean


@pytest.mark.parametrize("name", ["metrics_fid2048_lowrank", "metrics_fid_degenerate", "metrics_mixtures"])
def test_values_of_the_reference(fixture, fd, name):
    arrays, record = fixture(name)
    assert fd(arrays["real"], arrays["fake"]) == pytest.approx(record["values"]["fid_exact_float64"], rel=1e-9)


@pytest.mark.parametrize("name", ["metrics_fid2048_lowrank", "metrics_fid_degenerate", "metrics_mixtures"])
def test_a_set_is_nowhere_from_itself(fixture, fd, name):
    real = fixture(name)[0]["real"]
    for copy in (real, real[::-1]):
        assert 0 <= fd(real, copy) < 1e-9


def test_gaussians_on_the_same_axes(rng, fd):
    one = exact_gaussian(rng, 50, np.zeros(3), np.diag([1.0, 2, 3]))
    two = exact_gaussian(rng, 70, np.array([1.0, 0, -2]), np.diag([2.0, 2, 0.5]))
    assert fd(one, two) == pytest.approx(1 + 4 + 1 + 0 + 2.5**2, rel=1e-12)


def test_gaussians_on_other_axes(rng, fd):
    # Σ₁ = [[2, 1], [1, 2]] and Σ₂ = diag(4, 1): in two dimensions tr √M = √(tr M + 2 √det M).
    one = exact_gaussian(rng, 40, np.zeros(2), np.linalg.cholesky(np.array([[2.0, 1], [1, 2]])).T)
    two = exact_gaussian(rng, 40, np.zeros(2), np.diag([2.0, 1]))
    assert fd(one, two) == pytest.approx(4 + 5 - 2 * np.sqrt(10 + 2 * np.sqrt(3 * 4)), rel=1e-12)


def test_two_images_a_side(fd):
    # Variances 2 along x and 8 along y, which share nothing; means apart by 5.
    assert fd(np.array([[-1.0, 0], [1, 0]]), np.array([[5.0, -2], [5, 2]])) == pytest.approx(25 + 2 + 8, rel=1e-12)


@pytest.mark.parametrize("num", [11, 12, 13, 14, 60])
def test_moments_and_rows_agree_about_the_dimension(rng, fd, num):
    real, fake = rng.standard_normal((num, 12)) * np.logspace(0, -4, 12), rng.standard_normal((25, 12)) + 0.5
    rows = [(x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (real, fake)]
    expected = np.sum((real.mean(0) - fake.mean(0)) ** 2) + sum(np.sum(x**2) for x in rows) - 2 * np.sum(
        np.linalg.svd(rows[0] @ rows[1].T, compute_uv=False))
    assert fd(real, fake) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("spoil", [lambda x: x * 0 + 3, lambda x: x * [1, 1, 0, 1], lambda x: x * [1, 1e-9, 1e-5, 1],
                                   lambda x: x[:, [0, 1, 0, 0]], lambda x: x + 1e6])
def test_near_degenerate_covariances(rng, fd, spoil):
    real, fake = spoil(rng.standard_normal((200, 4))), spoil(rng.standard_normal((300, 4)) * 2)
    assert 0 <= fd(real, real[::-1]) < 1e-9
    centred = [x - x.mean(0) for x in (real, fake)]
    rows = [x / np.sqrt(len(x) - 1) for x in centred]
    nuclear = np.linalg.svd(rows[0] @ rows[1].T, compute_uv=False).sum()
    expected = np.sum((real - fake.mean(0)).mean(0) ** 2) + sum(np.sum(x**2) for x in rows) - 2 * nuclear
    assert fd(real, fake) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_small_singular_values_are_not_lost():
    """Their squares are below the rounding of the largest one's, and there are many."""
    rng = np.random.default_rng(1)
    turn, _ = np.linalg.qr(rng.standard_normal((100, 100)))
    values = np.concatenate([[1.0], np.full(99, 1e-9)])
    assert nuclear_norm(turn * values @ turn.T) - 1 == pytest.approx(99e-9, rel=1e-4)
    assert nuclear_norm(np.zeros((3, 5))) == nuclear_norm(np.zeros((0, 5))) == 0


def test_it_is_moved_by_no_rotation_and_grows_with_the_square_of_the_scale(rng, fd):
    real, fake = rng.standard_normal((90, 6)), rng.standard_normal((70, 6)) * 1.5 + 1
    turn, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    expected = fd(real, fake)
    assert fd(fake, real) == pytest.approx(expected, rel=1e-11)
    assert fd(real @ turn + 7, fake @ turn + 7) == pytest.approx(expected, rel=1e-10)
    assert fd(3 * real, 3 * fake) == pytest.approx(9 * expected, rel=1e-11)


def test_moments_suffice_where_there_are_more_images_than_features(rng, fd):
    real, fake = rng.standard_normal((30, 5)), rng.standard_normal((40, 5)) + 1
    only = Sides(MomentsOnly(moments(real)), MomentsOnly(moments(fake)))
    assert METRICS["fd"]().compute(only, rng)["fd"] == fd(real, fake)
    few = Moments(4, np.zeros(5), np.eye(5))
    with pytest.raises(AssertionError, match="were read"):
        METRICS["fd"]().compute(Sides(MomentsOnly(few), MomentsOnly(few)), rng)


@pytest.mark.parametrize("name", ["fd", "fd_infinity", "kid", "kid_rbf", "kid_full", "cmmd", "prdc", "mind"])
@pytest.mark.parametrize("num", [6, 30])
def test_what_cannot_be_compared_is_refused(sides, rng, name, num):
    metric = METRICS[name]()
    good, bad = rng.standard_normal((30, 8)), rng.standard_normal((max(num, 20), 8))
    for value in (np.nan, np.inf):
        bad[5, 3], bad[7, 3] = value, -value
        with pytest.raises(InputError, match="features of generated image 5 are not finite"):
            metric.compute(sides(good, bad), rng)
        with pytest.raises(InputError, match="features of real image 5 are not finite"):
            metric.compute(sides(bad, good), rng)
    with pytest.raises(InputError, match="images on each side; there are 1 real and 30 generated"):
        metric.compute(sides(good[:1], good), rng)
    with pytest.raises(InputError, match="8 features and generated ones 7"):
        metric.compute(sides(good, good[:, :7]), rng)


def test_distance_of_the_spatial_features(sides, rng):
    real, fake = rng.standard_normal((9, 20)), rng.standard_normal((30, 20))
    value = METRICS["sfd"]().compute(sides(real, fake, output="spatial"), rng)["sfd"]
    assert value == frechet_distance(real, fake) > 0
    with pytest.raises(InputError, match="no spatial"):
        METRICS["sfd"]().compute(sides(real, fake), rng)


def test_line_to_infinity_of_the_reference(fixture):
    arrays, record = fixture("metrics_mixtures")
    sizes = arrays["fdinf_sizes"]
    np.testing.assert_array_equal(subset_sizes(len(arrays["fake"]), 15), sizes)
    drawn = np.split(arrays["fdinf_idx"], np.cumsum(sizes)[:-1])
    distances = [frechet_distance(arrays["real"], arrays["fake"][rows]) for rows in drawn]
    np.testing.assert_allclose(distances, arrays["fdinf_fds"], rtol=1e-6)
    assert extrapolate(sizes, distances) == pytest.approx(record["values"]["fd_infinity_dgm_eval"], rel=1e-6)


def test_at_infinity_the_bias_of_few_fakes_is_gone(rng, sides):
    """Both sides from one Gaussian: the distance of 400 fakes is all bias."""
    both = sides(rng.standard_normal((20000, 16)), rng.standard_normal((400, 16)))
    biased = METRICS["fd"]().compute(both, rng)["fd"]
    metric = METRICS["fd_infinity"]()
    found = [metric.compute(both, np.random.default_rng(seed))["fd_infinity"] for seed in (3, 3, 4)]
    assert found[0] == found[1] != found[2]
    assert max(map(abs, found)) < 0.4 * biased
    with pytest.raises(InputError, match="num_points"):
        METRICS["fd_infinity"](num_points=1)


def test_a_sample_without_features_says_so(rng):
    empty = ArraySample(np.zeros((8, 2, 2, 1), np.uint8))
    with pytest.raises(InputError, match="no pool"):
        METRICS["fd"]().compute(Sides(empty, empty), rng)
