import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.metrics import METRICS
from jaxgan.metrics.frechet import frechet_distance


@pytest.fixture
def compute(sides, rng):
    return lambda *args: METRICS["intra_fd"]().compute(sides(*args[:2], labels=args[2:]), rng)


def test_each_class_and_their_mean(compute, rng):
    real, fake = rng.standard_normal((60, 4)), rng.standard_normal((40, 4)) + 1
    ours, theirs = rng.permutation(np.repeat([0, 3, 7], 20)), rng.permutation(np.repeat([0, 3, 7, 7], 10))
    values = compute(real, fake, ours, theirs)
    each = {f"intra_fd_class{label}": frechet_distance(real[ours == label], fake[theirs == label])
            for label in (0, 3, 7)}
    assert values == {"intra_fd": np.mean(list(each.values()))} | each
    assert METRICS["intra_fd"]().score(values) == values["intra_fd"]


def test_classes_mixed_up_look_the_same_only_to_the_whole(compute, rng):
    x = rng.standard_normal((40, 3)) + np.repeat([[0], [10]], 20, 0)
    labels = np.repeat([0, 1], 20)
    assert compute(x, x, labels, labels)["intra_fd"] < 1e-9
    assert frechet_distance(x, x) < 1e-9 < 100 < compute(x, x, labels, 1 - labels)["intra_fd"]


def test_classes_with_too_few_images_are_named(compute):
    x, labels = np.eye(8), np.arange(8) // 2
    with pytest.raises(InputError, match=r"too few of: 3 \(2 real, 0 generated\), 4 \(0 real, 2 generated\)\."):
        compute(x, x, labels, np.where(labels == 3, 4, labels))
    with pytest.raises(InputError, match=r"0 \(1 real, 1 generated\).*, 4 \(1 real, 1 generated\) and 3 more\."):
        compute(x, x, np.arange(8), np.arange(8))


def test_labels_of_one_class_each_are_needed(compute):
    x = np.eye(4)
    with pytest.raises(InputError, match="generated ones have no labels"):
        compute(x, x, np.zeros(4, int), None)
    with pytest.raises(InputError, match="real ones have several labels at once"):
        compute(x, x, np.eye(4), np.zeros(4, int))
