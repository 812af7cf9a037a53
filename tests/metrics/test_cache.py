"""The metrics cache: whole entries or none, whatever happens to the files."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from jaxgan.metrics.cache import Cache, default_folder, key


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def fill(cache, name, value, num=1000):
    with cache.write(name, (num, 3), "float32") as entry:
        entry[:] = value


def test_an_entry_is_read_as_a_memory_map(folder):
    with Cache(folder) as cache:
        assert cache.read("a") is None
        fill(cache, "a", 2.5)
        found = cache.read("a")
    assert isinstance(found, np.memmap)
    assert not found.flags.writeable
    np.testing.assert_array_equal(found, np.full((1000, 3), 2.5, np.float32))
    np.testing.assert_array_equal(np.load(folder / "a.npy"), found)  # a plain .npy file for everybody else
    assert [path.name for path in folder.iterdir()] == ["a.npy"]


@pytest.mark.parametrize("damage", [
    lambda data: data[:-1], lambda data: data[:len(data) // 2], lambda data: b"", lambda data: data + b"x",
    lambda data: data[:700] + bytes([data[700] ^ 1]) + data[701:],
    lambda data: bytes([data[0] ^ 128]) + data[1:], lambda data: data[:-1] + bytes([data[-1] ^ 1])],
    ids=["last byte", "half", "empty", "longer", "a bit of the data", "a bit of the header", "a bit of the digest"])
def test_a_damaged_entry_is_found_out_and_made_again(folder, damage):
    made = []

    def make():
        made.append(1)
        return np.arange(600.0)

    with Cache(folder) as cache:
        cache.array("a", make)
        cache.array("a", make)
        assert len(made) == 1
        path = folder / "a.npy"
        path.write_bytes(damage(path.read_bytes()))
        assert cache.read("a") is None
        np.testing.assert_array_equal(cache.array("a", make), np.arange(600.0))
        assert len(made) == 2
        np.testing.assert_array_equal(cache.read("a"), np.arange(600.0))


def test_an_interrupted_writer_leaves_nothing(folder):
    with Cache(folder) as cache:
        with pytest.raises(KeyboardInterrupt), cache.write("a", (10,), "float32"):
            raise KeyboardInterrupt
        assert cache.read("a") is None
    assert not list(folder.iterdir())


def write_often(folder, value):
    with Cache(folder) as cache:
        for _ in range(20):
            fill(cache, "a", value, num=20_000)


def test_concurrent_writers_leave_one_whole_entry_at_every_moment(folder):
    with Cache(folder) as cache, ThreadPoolExecutor(3) as pool:
        fill(cache, "a", 0, num=20_000)
        writers = [pool.submit(write_often, folder, value) for value in (1, 2, 3)]
        while not all(writer.done() for writer in writers):
            found = cache.read("a")
            assert found is not None
            assert len(np.unique(found)) == 1
        for writer in writers:
            writer.result()
    assert [path.name for path in folder.iterdir()] == ["a.npy"]


def test_without_a_cache_arrays_live_as_long_as_the_block():
    with Cache(None) as cache:
        fill(cache, "a", 1)
        place = os.path.dirname(cache.read("a").filename)
        assert os.path.isdir(place)
    assert not os.path.exists(place)


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with Cache(tmp_path / "file" / "cache") as cache:
        assert cache.read("a") is None
        fill(cache, "a", 1)
        assert cache.read("a") is not None
    assert "set XDG_CACHE_HOME" in capsys.readouterr().err


def test_what_a_killed_process_left_is_swept_up(folder):
    folder.mkdir()
    for name, age in ((".old.tmp", 2 * 24 * 3600), (".new.tmp", 60)):
        (folder / name).write_bytes(b"")
        os.utime(folder / name, times=(time.time() - age,) * 2)
    with Cache(folder) as cache:
        fill(cache, "a", 1)
    assert sorted(path.name for path in folder.iterdir()) == [".new.tmp", "a.npy"]


def test_keys_and_place(monkeypatch, tmp_path):
    assert key(a=1, b="x") == key(b="x", a=1) != key(a=1, b="y")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "jaxgan" / "metrics"
