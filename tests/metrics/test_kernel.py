import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.metrics import METRICS
from jaxgan.metrics.kernel import gaussian, mmd2, polynomial


def by_pairs(k, x, y):
    """The unbiased estimate, one pair after another."""
    def mean(a, b, skip):
        return np.mean([k(u, v) for i, u in enumerate(a) for j, v in enumerate(b) if not (skip and i == j)])
    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


@pytest.mark.parametrize("name", ["metrics_fid2048_lowrank", "metrics_fid_degenerate", "metrics_mixtures"])
def test_unbiased_value_of_the_reference(fixture, sides, rng, name):
    arrays, record = fixture(name)
    found = METRICS["kid_full"]().compute(sides(arrays["real"], arrays["fake"]), rng)
    assert found["kid_full"] == pytest.approx(record["values"]["kid_full_unbiased_float64"], abs=1e-12)


def test_another_polynomial_of_the_reference(fixture):
    arrays, record = fixture("metrics_mixtures")
    found = mmd2(polynomial(2, 0.0), arrays["real"], arrays["fake"])
    assert found == pytest.approx(record["values"]["kid_full_unbiased_degree2_coef0"], abs=1e-12)


@pytest.mark.parametrize("index", [0, 1])
def test_subsets_of_the_reference(fixture, sides, index):
    """The reference's rows come back from a generator that answers with them."""
    arrays, record = fixture("metrics_mixtures")
    expected = record["kid_torch_fidelity"][index]
    rows = iter(np.stack([arrays[f"kid{index}_idx_real"], arrays[f"kid{index}_idx_fake"]], 1).reshape(
        -1, expected["subset_size"]))

    class Drawn:
        def choice(self, num, size, replace):
            assert not replace
            assert size == expected["subset_size"]
            return next(rows)

    metric = METRICS["kid"](num_subsets=expected["subsets"], subset_size=expected["subset_size"])
    values = metric.compute(sides(arrays["real"], arrays["fake"]), Drawn())
    assert values["kid"] == pytest.approx(expected["mean_float64"], abs=1e-12)
    assert values["kid_std"] == pytest.approx(expected["std_float64"], abs=1e-12)
    assert (values["kid_subsets"], values["kid_subset_size"]) == (expected["subsets"], expected["subset_size"])


@pytest.mark.parametrize(("kernel", "k"), [
    (polynomial(), lambda u, v: (u @ v / 3 + 1) ** 3),
    (gaussian(0.7), lambda u, v: np.exp(-np.sum((u - v) ** 2) / (2 * 0.7**2)))])
def test_kernels_pair_by_pair_and_in_tiles(rng, kernel, k):
    x, y = rng.standard_normal((13, 3)), rng.standard_normal((8, 3)) + 0.5
    expected = by_pairs(k, x, y)
    for rows in (1, 4, 5, 100):
        assert mmd2(kernel, x, y, rows=rows) == pytest.approx(expected, rel=1e-12)


def test_whole_sets_as_subsets_are_the_full_value(sides, rng):
    both = sides(rng.standard_normal((30, 5)), rng.standard_normal((30, 5)) + 1)
    values = METRICS["kid"](num_subsets=4).compute(both, rng)
    assert values["kid"] == pytest.approx(METRICS["kid_full"]().compute(both, rng)["kid_full"], rel=1e-12)
    assert values["kid_std"] < 1e-12
    assert values["kid_subset_size"] == 30


@pytest.mark.parametrize("name", ["kid", "kid_rbf"])
def test_subsets_follow_the_seed_and_average_to_the_full_value(sides, rng, name):
    both = sides(rng.standard_normal((300, 5)), rng.standard_normal((200, 5)) + 0.5)
    metric = METRICS[name](num_subsets=200, subset_size=50)
    one, again, other = (metric.compute(both, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == again
    assert one[name] != other[name]
    kernel = gaussian(10) if name == "kid_rbf" else polynomial()
    full = mmd2(kernel, both.real.pool, both.fake.pool)
    assert one[name] == pytest.approx(full, abs=4 * one[f"{name}_std"] / np.sqrt(200))
    assert metric.score(one) == one[name]


def test_one_distribution_has_no_distance_on_average(rng):
    values = [mmd2(polynomial(), rng.standard_normal((20, 4)), rng.standard_normal((30, 4))) for _ in range(200)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(200)
    assert min(values) < 0 < max(values)


def test_cmmd_of_two_points(sides, rng):
    """All real images at one unit vector, all fakes at another across from it, whatever their lengths."""
    real, fake = np.tile([3.0, 0], (4, 1)), np.tile([0, 0.5], (6, 1))
    value = METRICS["cmmd"]().compute(sides(real, fake), rng)["cmmd"]
    assert value == pytest.approx(1000 * 2 * (1 - np.exp(-2 / 200)), rel=1e-12)
    assert METRICS["cmmd"]().compute(sides(fake, fake[::-1]), rng)["cmmd"] == pytest.approx(0, abs=1e-9)
    blank = METRICS["cmmd"]().compute(sides(real, 0 * fake), rng)["cmmd"]
    assert blank == pytest.approx(1000 * 2 * (1 - np.exp(-1 / 200)), rel=1e-12)


def test_cmmd_keeps_the_diagonal(sides, rng):
    x, y = rng.standard_normal((12, 6)), rng.standard_normal((9, 6)) + 1
    x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y))
    def mean(a, b):
        return np.mean(np.exp(-np.sum((a[:, None] - b[None]) ** 2, -1) / 200))
    expected = 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))
    assert METRICS["cmmd"]().compute(sides(5 * x, y), rng)["cmmd"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("name", "arguments"), [("kid", {"num_subsets": 0}), ("kid", {"subset_size": 1}),
                                                 ("kid_rbf", {"sigma": 0.0}), ("cmmd", {"sigma": -1.0})])
def test_arguments_out_of_range(name, arguments):
    with pytest.raises(InputError, match=f"^{name}: {next(iter(arguments))}|^{name}: num_subsets must"):
        METRICS[name](**arguments)
