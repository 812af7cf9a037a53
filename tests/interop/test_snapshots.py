"""Network snapshots are read as state_dicts, whatever is done to their bytes, and nothing in them is ever run."""

import contextlib

import numpy as np
import pytest
import torch_files
from torch_files import Call

from jaxgan.errors import InputError
from jaxgan.interop import snapshots

TENSORS = {"mapping.fc0.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "mapping.w_avg": np.float32([1, 2]),
           "strength": np.float32(3)}


def snapshot(protocol=4, **attributes):
    made = torch_files.module(TENSORS, "raise SystemExit", "Generator", ["w_avg"], **attributes)
    return torch_files.dumps({"G_ema": made, "cur_nimg": 3}, protocol)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_names_and_arguments(protocol, tmp_path):
    path = tmp_path / "x.pkl"
    numbers = Call("numpy._core.multiarray.scalar", Call("numpy.dtype", "f8", False, True), b"\0" * 8)
    path.write_bytes(snapshot(protocol, size=numbers, _init_kwargs={"c_dim": 0}))
    (name, network), = snapshots.read(path).items()
    assert (name, network.arguments) == ("G_ema", {"c_dim": 0})
    assert network.tensors.keys() == TENSORS.keys()
    for key, value in TENSORS.items():
        np.testing.assert_array_equal(network.tensors[key], value, strict=True)


def test_buffers_that_no_state_dict_has_are_left_out(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(snapshot(_non_persistent_buffers_set={"strength"}))
    assert snapshots.read(path)["G_ema"].tensors.keys() == TENSORS.keys() - {"strength"}


def test_bytes_cut_or_changed(tmp_path):
    path, content = tmp_path / "x.pkl", snapshot()
    for length in range(0, len(content), 41):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"x\.pkl"):
            snapshots.read(path)
    rng = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(content)
        changed[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(changed)
        with contextlib.suppress(InputError):
            snapshots.read(path)


def test_what_is_no_module(tmp_path):
    path = tmp_path / "x.pkl"
    endless = torch_files.module({})
    endless.state["_modules"]["again"] = endless
    useless = {"no networks": {"a": 1}, "not put together": {"G": endless},
               "not put": {"G": Call("training.networks.Generator", state={"_parameters": 1})},
               "networks are": [1], "put together": {"G": torch_files.module({}, _init_kwargs=3)}}
    for message, content in useless.items():
        path.write_bytes(torch_files.dumps(content, 4))
        with pytest.raises(InputError, match=message):
            snapshots.read(path)
    storage = torch_files.Storage(np.zeros(500, np.float32), "0")
    data = torch_files.legacy_file(storage, [storage])
    again = [Call("torch.storage._load_from_bytes", data) for _ in range(3)]  # the same bytes, kept once
    path.write_bytes(torch_files.dumps(again, 4))
    with pytest.raises(InputError, match="damaged"):
        snapshots.read(path)
