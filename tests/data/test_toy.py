import numpy as np
import pytest

from jaxgan import data
from jaxgan.errors import InputError


@pytest.mark.parametrize(("layout", "modes", "ratio"), [("ring", 8, 0.02 / 2), ("grid", 25, 0.05 / 4)])
def test_points_lie_around_equally_likely_modes(layout, modes, ratio):
    source = data.open({"name": "toy", "layout": layout, "num_examples": 20_000, "labels": True})
    points, labels = source.arrays
    assert points.shape == (20_000, 1, 1, 2)
    assert points.dtype == np.float32
    assert np.abs(points).max() <= 1
    centres = np.asarray(source.info.centres)
    assert centres.shape == (modes, 2)
    assert np.abs(centres).max() == pytest.approx(0.8)
    assert source.info.std == pytest.approx(0.8 * ratio)
    offsets = points[:, 0, 0] - centres[labels]
    np.testing.assert_allclose(offsets.std(axis=0), source.info.std, rtol=0.05)
    np.testing.assert_allclose(source.info.label_frequencies, 1 / modes, rtol=0.15)
    assert (source.info.kind, source.info.shape, source.info.num_classes) == ("point", (1, 1, 2), modes)


def test_layouts():
    ring = np.asarray(data.open({"name": "toy", "num_examples": 1}).info.centres)
    np.testing.assert_allclose(np.hypot(*ring.T), 0.8)
    grid = np.asarray(data.open({"name": "toy", "layout": "grid", "num_examples": 1}).info.centres)
    assert {tuple(np.round(c / 0.4).astype(int)) for c in grid} == {(x, y) for x in range(-2, 3) for y in range(-2, 3)}


def test_unlabelled_by_default_and_a_function_of_the_seed():
    first, again, other = (data.open({"name": "toy", "num_examples": 50, "seed": seed}) for seed in (0, 0, 1))
    assert "label" not in first[0]
    assert first.info.num_classes == 0
    assert first.info.content_hash == again.info.content_hash != other.info.content_hash


def test_wide_modes_stay_in_range():
    source = data.open({"name": "toy", "std": 3.0, "num_examples": 1000})
    assert np.abs(source.arrays.images).max() <= 1
    assert 5 * source.info.std + np.abs(source.info.centres).max() == pytest.approx(1)


@pytest.mark.parametrize("arguments", [{"std": 0.0}, {"std": float("nan")}, {"num_examples": 0}, {"seed": -1},
                                       {"layout": "line"}, {"split": "test"}, {"resolution": 8}])
def test_arguments_are_checked(arguments):
    with pytest.raises(InputError, match=next(iter(arguments))):
        data.open({"name": "toy"} | arguments)
