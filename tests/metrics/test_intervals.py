"""Intervals against closed forms."""

import numpy as np
import pytest

from jaxgan.metrics import intervals
from jaxgan.metrics.base import ArraySample, moments


def test_draws_give_students_interval():
    found = intervals.of_draws([{"a": 1.0}, {"a": 2.0}, {"a": 4.0}])["a"]
    assert found.value == pytest.approx(7 / 3)
    assert found.margin == pytest.approx(4.302653 * np.std([1, 2, 4], ddof=1) / 3**0.5, rel=1e-6)
    assert intervals.of_draws([{"a": 1.0}])["a"] == (1.0, None)


def test_the_jackknife_of_a_mean_is_the_standard_error():
    """With groups of one, exactly s / sqrt(n)."""
    x = np.random.default_rng(0).normal(size=40)
    left_out = [{"m": np.delete(x, index).mean()} for index in range(40)]
    found = intervals.of_groups({"m": x.mean()}, left_out)["m"]
    assert found.margin == pytest.approx(2.022691 * x.std(ddof=1) / 40**0.5, rel=1e-6)
    assert intervals.of_groups({"m": 1.0}, [])["m"] == (1.0, None)


@pytest.mark.parametrize(("num", "count", "sizes"), [(20, 10, {2}), (23, 5, {4, 5}), (7, 10, {2, 3}), (3, 10, set())])
def test_groups_share_everything_out(num, count, sizes):
    found = intervals.groups(num, count, np.random.default_rng(0))
    assert {len(group) for group in found} == sizes
    if found:
        assert sorted(np.concatenate(found)) == list(range(num))


def test_a_sample_without_rows_has_their_moments_taken_out():
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(50, 6)).astype(np.float32) + 100
    sample = ArraySample(rng.integers(0, 255, (50, 2, 2, 1), np.uint8), np.arange(50), {"pool": pool, "logits": pool})
    rows = np.array([3, 4, 17, 40])
    rest, kept = intervals.Without(sample, rows), np.delete(pool, rows, axis=0)
    expected = moments(kept)
    assert rest.num == rest.moments.num == 46
    np.testing.assert_array_equal(rest.pool, kept)
    np.testing.assert_array_equal(rest.labels, np.delete(np.arange(50), rows))
    np.testing.assert_allclose(rest.moments.mean, expected.mean, rtol=1e-13)
    np.testing.assert_allclose(rest.moments.covariance, expected.covariance, atol=1e-11)
