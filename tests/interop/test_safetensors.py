import json
import struct

import ml_dtypes
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.interop import names, safetensors


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "a" / "x.safetensors"
    arrays = {"a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3).T, "b": np.ones(2, ml_dtypes.bfloat16),
              "c": np.array(7), "d": np.zeros((0, 3), np.float16)}
    safetensors.write(path, arrays, {"source": "me"})
    found, metadata = safetensors.read(path)
    assert metadata == {"source": "me"}
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
    assert [file.name for file in path.parent.iterdir()] == ["x.safetensors"]


def test_a_write_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(Exception, match="object"):
        safetensors.write(tmp_path / "x.safetensors", {"a": np.array([object()])}, {})
    assert not list(tmp_path.iterdir())


def test_damaged_files(tmp_path):
    path = tmp_path / "x.safetensors"
    safetensors.write(path, {"a": np.ones(3, np.float32)}, {})
    whole = path.read_bytes()
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}}).encode()
    for content in (b"", whole[:4], whole[:-1], whole + b"x", b"\xff" * 100, struct.pack("<Q", 1 << 62),
                    struct.pack("<Q", len(header)) + header + bytes(4)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"x\.safetensors is damaged"):
            safetensors.read(path)
    with pytest.raises(InputError, match="cannot be read"):
        safetensors.read(tmp_path / "none.safetensors")


def test_all_that_does_not_fit_is_listed_at_once():
    wanted = {"a": (1,), "b": (2, 3), "c": (4,)}
    found = {"b": np.zeros((3, 2)), "c": np.zeros(4), "d": np.zeros(1), "e.num_batches_tracked": np.zeros(())}
    with pytest.raises(InputError) as caught:
        names.check(found, wanted, "file.pth", r".*num_batches_tracked")
    assert str(caught.value) == ("file.pth does not hold the weights of this network. 1 missing: a. 1 not known: d. "
                                 "1 of another shape: b (3, 2), not (2, 3).")
    names.check({name: np.zeros(shape) for name, shape in wanted.items()}, wanted, "file.pth", "")
