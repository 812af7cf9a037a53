import json
from typing import NamedTuple

import numpy as np
import pytest

from jaxgan import data
from jaxgan.metrics.base import ArraySample, Sides


@pytest.fixture
def fixture(shared):
    """`fixture("metrics_isc")` -> (arrays, json) of a reference fixture."""
    def read(name):
        with np.load(shared(f"reference/{name}.npz")) as arrays:
            return dict(arrays), json.loads(shared(f"reference/{name}.json").read_text(encoding="utf-8"))
    return read


@pytest.fixture
def sides():
    """`sides(real, fake, labels=(a, b), output="pool")` -> Sides of which only those arrays can be read."""
    def make(real, fake, labels=(None, None), output="pool"):
        images = np.zeros((0, 1, 1, 1), np.uint8)
        return Sides(*(ArraySample(images, label, {output: np.asarray(features)})
                       for features, label in zip((real, fake), labels)))
    return make


@pytest.fixture
def rng():
    return np.random.default_rng(0)


class Digits(NamedTuple):
    train: tuple[np.ndarray, np.ndarray]
    held_out: tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="session")
def digits():
    """Handwritten digits at their own 8×8, (images, labels) of 1,000 to learn from and of 400 others."""
    images, labels = data.open({"name": "digits", "resolution": 8}).arrays
    return Digits((images[:1000], labels[:1000]), (images[1000:1400], labels[1000:1400]))
