"""Images of two classes, one above the other."""

import numpy as np
import pytest

from jaxgan import config as config_lib
from jaxgan import data
from jaxgan.data.source import materialise
from jaxgan.errors import InputError

IMAGES = np.arange(12, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 6), np.uint8)
LABELS = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2])


@pytest.fixture
def three(tmp_path):
    """Images 0 to 6 of class 0, 7 to 9 of class 1, 10 and 11 of class 2, all of one shade."""
    np.savez(tmp_path / "three.npz", images=IMAGES, labels=LABELS)
    return {"name": "npz", "path": str(tmp_path / "three.npz")}


def open_unpaired(of, **arguments):
    return data.open({"name": "unpaired", "of": of, **arguments})


def test_one_of_each_and_all_of_both(three):
    source = open_unpaired(three, classes=(1, "0"))
    assert (source.info.shape, source.info.label_shape, source.info.label_kind) == ((8, 6, 1), (8, 6, 1), "image")
    assert (source.info.class_names, source.info.num_classes, source.info.splits) == (("1", "0"), 0, {"train": 7})
    images, labels = materialise(source)
    np.testing.assert_array_equal(images, labels)
    upper, lower = images[:, 0, 0, 0], images[:, 4, 0, 0]
    assert (images[:, :4, :, 0] == upper[:, None, None]).all()
    assert sorted(lower) == [0, 1, 2, 3, 4, 5, 6]  # the larger class once
    assert set(np.bincount(upper, minlength=10)[7:]) == {2, 3}  # the smaller one as often as it takes
    assert not (np.diff(lower) == 1).all()  # no order of the files is left
    assert open_unpaired(three, classes=(1, "0")).info.content_hash == source.info.content_hash


def test_digits_are_two_classes_of_one_size():
    source = open_unpaired({"name": "digits", "resolution": 16}, classes=("3", "8"))
    assert (len(source), source.info.shape) == (183, (32, 16, 1))


@pytest.mark.parametrize(("of", "classes", "message"), [
    (None, None, r"config\.data\.classes: name two of the 3 classes .* such as .*\('0', '1'\)"),
    (None, ("0", "0"), "name two of the 3 classes"),
    (None, ("0", "7"), "has no class '7'"),
    ("toy", None, "has no two classes to translate between"),
    ("digis", None, r"config\.data\.of: there is no 'digis'\. Did you mean 'digits'"),
])
def test_refusals(three, of, classes, message):
    with pytest.raises(InputError, match=message):
        open_unpaired(of or three, **({} if classes is None else {"classes": classes}))


def test_code_from_outside_is_found_in_what_the_data_are_of(three):
    """A run's config may not hide it there from --trust."""
    config = config_lib.default()
    with config.unlocked():
        config.data = {"name": "unpaired", "of": {"name": "my_parts:source", "path": "a:b"}}
    assert config_lib.outside(config) == ["data=my_parts:source"]
    with config.unlocked():
        config.data = {"name": "unpaired", "of": "my_parts:source"}
    assert config_lib.outside(config) == ["data=my_parts:source"]
