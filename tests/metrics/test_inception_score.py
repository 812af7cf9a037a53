import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.metrics import METRICS
from jaxgan.metrics.inception_score import split_scores


@pytest.fixture
def score(sides, rng):
    """Of the metric, which may read no real image."""
    return lambda logits, splits: METRICS["is"](splits=splits).compute(
        sides(np.full((3, 2), np.nan), logits, output="logits"), rng)


def test_values_of_the_reference(fixture):
    arrays, record = fixture("metrics_isc")
    assert record["torch_fidelity"]
    for case in record["torch_fidelity"]:
        logits = arrays["logits"][arrays["permutation_seed2020"]] if case["shuffle"] else arrays["logits"]
        scores = split_scores(logits, case["splits"])
        assert (scores.mean(), scores.std()) == pytest.approx((case["mean"], case["std"]), rel=1e-9, abs=1e-12)


def test_the_metric_is_the_reference_where_the_order_does_not_matter(fixture, score):
    arrays, record = fixture("metrics_isc")
    found = score(arrays["logits"], 1)
    assert found == pytest.approx({"is": record["torch_fidelity"][0]["mean"], "is_std": 0}, rel=1e-9)


def test_sure_of_each_and_undecided_over_all_is_the_number_of_classes(score):
    """Shares that underflow to 0 among them."""
    found = score(np.tile(np.eye(7) * 1e4, (30, 1)), 3)
    assert found["is"] == pytest.approx(7, rel=0.05)
    assert split_scores(np.tile(np.eye(7) * 1e4, (30, 1)), 1) == pytest.approx([7], rel=1e-12)


def test_undecided_is_one_and_a_common_offset_changes_nothing(score, rng):
    assert score(np.zeros((20, 5)), 4) == pytest.approx({"is": 1, "is_std": 0}, abs=1e-12)
    logits = rng.standard_normal((50, 5))
    np.testing.assert_allclose(split_scores(logits + 1e4, 2), split_scores(logits, 2), rtol=1e-9)


def test_images_in_order_of_class_are_shuffled(score):
    logits = np.repeat(np.eye(4) * 50, 100, 0)
    np.testing.assert_allclose(split_scores(logits, 4), 1, rtol=1e-12)
    assert score(logits, 4)["is"] > 3.9


def test_what_cannot_be_scored(score):
    with pytest.raises(InputError, match="10 splits need as many images; there are 9"):
        score(np.zeros((9, 3)), 10)
    with pytest.raises(InputError, match="splits must be at least 1"):
        score(np.zeros((9, 3)), 0)
    with pytest.raises(InputError, match="generated image 1 are not finite"):
        score(np.array([[0.0, 1], [np.nan, 0]]), 1)
    assert METRICS["is"]().score({"is": 9.0}) < METRICS["is"]().score({"is": 2.0})
