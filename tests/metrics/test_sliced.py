import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.metrics import METRICS
from jaxgan.metrics.sliced import sliced_wasserstein2


@pytest.fixture
def mind(sides):
    return lambda real, fake, seed=0, **own: METRICS["mind"](**own).compute(
        sides(real, fake), np.random.default_rng(seed))["mind"]


@pytest.mark.parametrize("at_once", [7, 64, 500])
def test_value_of_the_reference(fixture, at_once):
    arrays, record = fixture("metrics_mixtures")
    real, fake, directions = arrays["real"], arrays["fake"][arrays["mind_idx_fake"]], arrays["mind_directions"]
    found = 3 * real.shape[1] * sliced_wasserstein2(real, fake, directions, at_once)
    assert found == pytest.approx(record["values"]["mind_torch_fidelity"], rel=1e-6)


def test_on_a_line_it_is_the_distance_of_sorted_points(mind):
    assert mind(np.array([[3.0], [0], [1]]), np.array([[1.0], [6], [2]])) == pytest.approx(3 * (1 + 1 + 9) / 3)


def test_a_shift_is_seen_in_full(mind, rng):
    """(u·c)² is ‖c‖²/D on average over directions."""
    x, shift = rng.standard_normal((50, 8)), np.arange(8.0)
    assert mind(x, x[::-1] + shift, num_directions=4000) == pytest.approx(3 * np.sum(shift**2), rel=0.1)
    assert mind(x, x[::-1]) == pytest.approx(0, abs=1e-20)


def test_the_larger_side_is_cut_by_the_seed(mind, rng):
    real, fake = rng.standard_normal((300, 4)), rng.standard_normal((5000, 4)) * 2
    assert mind(real, fake, 1) == mind(real, fake, 1) != mind(real, fake, 2)
    # Gaussians of one centre: the projections are those with standard deviations 1 and 2.
    for value in (mind(real, fake), mind(fake, real)):
        assert value == pytest.approx(3 * 4 * (2 - 1) ** 2, rel=0.2)


def test_directions_are_needed():
    with pytest.raises(InputError, match="num_directions must be at least 1; got 0"):
        METRICS["mind"](num_directions=0)
