import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.metrics import METRICS
from jaxgan.metrics.prdc import Points, nearby, precision_recall_density_coverage, squared_radii


@pytest.fixture
def prdc(sides, rng):
    return lambda real, fake, **own: METRICS["prdc"](**own).compute(sides(real, fake), rng)


@pytest.mark.parametrize("k", [3, 5])
def test_values_of_the_reference(fixture, prdc, k):
    arrays, record = fixture("metrics_mixtures")
    found = prdc(arrays["real"], arrays["fake"], k=k)
    assert found == pytest.approx(record["precision_recall"][f"prdc_k{k}"], rel=1e-14)
    closed = prdc(arrays["real"], arrays["fake"], k=k, closed=True)
    theirs = record["precision_recall"][f"torch_fidelity_prc_k{k}"]
    assert (closed["precision"], closed["recall"]) == pytest.approx((theirs["precision"], theirs["recall"]), rel=1e-6)
    radii = np.sqrt(squared_radii(arrays["real"].astype(np.float64), k))
    np.testing.assert_allclose(radii, arrays[f"radius_real_k{k}"], rtol=1e-6)


def test_points_by_hand(prdc):
    real = np.array([[0.0], [1.0], [3.0], [10.0]])   # radii 1, 1, 2, 7: (−1, 1) (0, 2) (1, 5) (3, 17)
    fake = np.array([[0.5], [4.0], [30.0]])          # radii 3.5, 3.5, 26: (−3, 4) (0.5, 7.5) (4, 56)
    assert prdc(real, fake, k=1) == pytest.approx({
        "precision": 2 / 3,        # 0.5 and 4
        "recall": 1.0,             # 0, 1 and 3 in the first ball, 10 in the third
        "density": 4 / 3,          # 0.5 lies in two balls, 4 in two
        "coverage": 1.0})


def test_precision_is_of_fakes_and_recall_of_real_images(prdc, rng):
    """Fakes all alike and good: precise, and they find little. Turned about, the two change places."""
    wide, narrow = rng.standard_normal((200, 2)) * 10, rng.standard_normal((200, 2)) * 0.1
    found = prdc(wide, narrow)
    assert found["precision"] > 0.9
    assert found["recall"] < 0.1
    assert found["coverage"] < 0.1
    turned = prdc(narrow, wide)
    assert (turned["precision"], turned["recall"]) == (found["recall"], found["precision"])


def test_ties_are_outside_unless_the_balls_are_closed(prdc):
    real = np.array([[0.0, 0], [2, 0], [0, 2], [2, 2]])  # all radii 2, k = 1
    fake = np.array([[-2.0, 0], [4, 2], [0, 4]])         # each 2 from one real image
    assert prdc(real, fake, k=1) == pytest.approx({"precision": 0, "recall": 1, "density": 0, "coverage": 0})
    closed = prdc(real, fake, k=1, closed=True)
    assert (closed["precision"], closed["density"], closed["coverage"]) == (1, 1, 0.75)


@pytest.mark.parametrize("rows", [7, 64, 1000])
def test_identical_sets_have_ties_everywhere_and_one_answer(rng, rows):
    """Each image lies on the edge of its neighbours' balls, where rounding must not decide."""
    x = rng.standard_normal((150, 40)).astype(np.float32) + 5
    found = precision_recall_density_coverage(x, x[::-1], k=4, rows=rows)
    assert found == {"precision": 1, "recall": 1, "density": 1, "coverage": 1}
    assert precision_recall_density_coverage(x, x, 4, closed=True, rows=rows)["density"] == 1.25


def test_copies_of_a_few_images(prdc, rng):
    """More than k copies have balls of radius 0: open ones hold nothing, closed ones their centre."""
    real = np.repeat(rng.standard_normal((4, 30)), 5, 0)
    fake = rng.permutation(real)
    assert set(prdc(real, fake, k=2).values()) == {0}
    assert prdc(real, fake, k=2, closed=True) == {"precision": 1, "recall": 1, "density": 2.5, "coverage": 1}


def test_tiles_and_a_far_origin_change_nothing(rng):
    real = rng.standard_normal((90, 6)).astype(np.float32)
    fake = rng.standard_normal((70, 6)).astype(np.float32) * np.float32(1.3)
    expected = precision_recall_density_coverage(real, fake, k=3)
    for rows in (5, 45, 89):
        assert precision_recall_density_coverage(real, fake, k=3, rows=rows) == expected
    far = (side.astype(np.float64) + 1e6 for side in (real, fake))
    assert precision_recall_density_coverage(*far, k=3) == expected


def test_neighbours_and_their_number(prdc, rng):
    x = rng.standard_normal((6, 2))
    assert prdc(x, x, k=5)["coverage"] == 1
    with pytest.raises(InputError, match="at least 7 images on each side; there are 6 real and 6 generated"):
        prdc(x, x, k=6)
    with pytest.raises(InputError, match="k must be at least 1; got 0"):
        prdc(x, x, k=0)
    assert METRICS["prdc"]().score({"coverage": 0.9}) < METRICS["prdc"]().score({"coverage": 0.1})


def by_definition(real, fake, k):
    """From all distances at once, each from its pair."""
    def distances(x, y):
        return np.linalg.norm(x[:, None] - y, axis=-1)
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    between = distances(fake, real)
    real_radii, fake_radii = (np.sort(distances(side, side), 1)[:, k] for side in (real, fake))
    inside = between < real_radii
    return {"precision": inside.any(1).mean(), "recall": (between < fake_radii[:, None]).any(0).mean(),
            "density": inside.sum() / (k * len(fake)), "coverage": inside.any(0).mean()}


@pytest.mark.parametrize("rows", [16, 500])
@pytest.mark.parametrize("spoil", [
    lambda x: x, lambda x: x * 1e-3 + 20, lambda x: x[:1] + 1e-4 * x, lambda x: x * 1e-25, lambda x: x * 1e18,
    lambda x: np.repeat(x[:40], 4, 0)[:len(x)], lambda x: x * 30], ids=[
    "alike", "collapsed and far off", "all but one image", "tiny", "huge", "repeated", "far too wide"])
def test_screening_in_float32_leaves_nothing_out(rng, spoil, rows):
    """Where the rounding of float32 hides which is nearer, and where it cannot even hold the squares."""
    real = rng.standard_normal((160, 12)).astype(np.float32)
    fake = spoil(rng.standard_normal((130, 12))).astype(np.float32)
    scale = 1e-25 if np.abs(fake).max() < 1e-20 else 1e18 if np.abs(fake).max() > 1e15 else 1.0
    real = (real * scale).astype(np.float32)
    assert precision_recall_density_coverage(real, fake, 3, rows=rows) == pytest.approx(by_definition(real, fake, 3))


def test_pairs_near_enough_are_few_and_all_there(rng, monkeypatch):
    features = rng.standard_normal((2, 300, 256)).astype(np.float32) + np.float32(3)
    exact = np.sum((features[0].astype(np.float64)[:, None] - features[1]) ** 2, axis=-1)
    ours, theirs = (Points(side, features[0].mean(0, dtype=np.float64), 64) for side in features)
    limits = np.quantile(exact, 0.01), np.quantile(exact, 0.002)

    def dense(*_):
        raise AssertionError("the tile was taken in float64")
    monkeypatch.setitem(nearby.__globals__, "squared_distances", dense)  # the package has a function of that name
    at, to = slice(64, 192), slice(100, 300)
    asked = rng.random(200) < 0.5
    one, two, square = nearby(ours, at, theirs, to, np.full(128, limits[0]), np.full(200, limits[1]), asked)
    np.testing.assert_allclose(square, exact[one, two], rtol=1e-13)
    wanted = ((exact[at, to] < limits[0]) & asked) | (exact[at, to] < limits[1])
    found = np.zeros_like(wanted)
    found[one - at.start, two - to.start] = True
    assert found[wanted].all()
    assert len(one) == found.sum() < 1.05 * wanted.sum() + 3
