"""Reads PyTorch's .pth and .pt files, in the zip format and in the one before it, without PyTorch and without running
the pickle inside (`pickles`)."""

import io
import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from jaxgan.errors import InputError
from jaxgan.interop import pickles

MAGIC = 0x1950A86A20F9469CFC6C  # what a file of the older format starts with
DTYPES = {"Float": np.float32, "Double": np.float64, "Half": np.float16, "BFloat16": ml_dtypes.bfloat16,
          "Char": np.int8, "Byte": np.uint8, "Short": np.int16, "Int": np.int32, "Long": np.int64, "Bool": np.bool_}
STORAGES = {f"torch.{name}Storage": np.dtype(dtype) for name, dtype in DTYPES.items()}
NUMPY = ("numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
DEEPEST, MOST = 16, 100_000  # of nesting and of entries that a file of weights is believed to have


def load(path: str | Path) -> Any:
    """What was saved, of dicts, lists, tuples, strings, numbers, None and numpy arrays; arrays may be read-only views
    of one another. Raises InputError for any other content and for a damaged file."""
    try:
        with Path(path).open("rb") as file:
            return load_from(file, str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


def load_from(file: BinaryIO, where: str) -> Any:
    """`load` of an open file. where: its name, for messages."""
    size = file.seek(0, io.SEEK_END)
    zipped = zipfile.is_zipfile(file)
    file.seek(0)
    return (_load_zip if zipped else _load_legacy)(file, where, size)


def read(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays among what was saved, by name; names inside nested dicts and lists are joined by dots."""
    return flat(load(path), str(path))


def flat(content: Any, where: str) -> dict[str, np.ndarray]:
    """The arrays in nested dicts and lists, names joined by dots. Raises InputError for none, or for far too much."""
    arrays: dict[str, np.ndarray] = {}
    pending: list[tuple[str, Any, int]] = [("", content, 0)]
    visited = 0
    while pending and (visited := visited + 1) + len(pending) < MOST:
        name, value, depth = pending.pop()
        if isinstance(value, np.ndarray):
            arrays[name] = value
        elif isinstance(value, dict | list | tuple) and depth < DEEPEST:
            entries = value.items() if isinstance(value, dict) else enumerate(value)
            pending += [(f"{name}.{key}" if name else str(key), entry, depth + 1) for key, entry in entries]
    if pending or not arrays:
        what = "too much that is nested" if pending else "no arrays"
        raise InputError(f"{where} is no file of weights: it holds {what}.")
    return dict(sorted(arrays.items()))


@contextmanager
def _damage_is_said(where: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, *pickles.DAMAGE) as error:
        raise InputError(f"{where} is damaged or cut short, or no file of PyTorch.") from error


def _load_zip(file: BinaryIO, where: str, size: int) -> Any:
    storages: dict[str, np.ndarray] = {}
    with _damage_is_said(where):
        archive = zipfile.ZipFile(file)
        (top,) = [name.removesuffix("data.pkl") for name in archive.namelist() if name.endswith("/data.pkl")]
        read = _reader(archive, size)
        if f"{top}byteorder" in archive.namelist() and read(f"{top}byteorder") != b"little":
            raise InputError(f"{where} was written on a big-endian machine, which is not supported.")

        def persistent(identity: Any) -> np.ndarray:
            dtype, key, count = _storage(identity)
            if key not in storages:
                storages[key] = np.frombuffer(read(f"{top}data/{key}"), dtype)
            return _checked(storages[key], dtype, count)

        return pickles.load(io.BytesIO(read(f"{top}data.pkl")), where, tensor_calls(where), persistent)


def _reader(archive: zipfile.ZipFile, left: int) -> Callable[[str], bytes]:
    """Reads entries of an archive of `left` bytes. PyTorch never compresses and shares no bytes; a bomb would."""
    def read(name: str) -> bytes:
        nonlocal left
        entry = archive.getinfo(name)
        left -= entry.file_size
        if entry.compress_type != zipfile.ZIP_STORED or left < 0:
            raise ValueError("more data than the file holds")
        return archive.read(name)
    return read


def _load_legacy(file: BinaryIO, where: str, size: int) -> Any:
    """Pickles of a magic number, the format's version, the machine, the content and the storages' keys; then for each
    key the number of its entries and the entries."""
    left = size
    storages: dict[str, np.ndarray] = {}

    def persistent(identity: Any) -> np.ndarray:
        nonlocal left
        *plain, view = identity
        dtype, key, count = _storage(tuple(plain))
        if view is not None or count * dtype.itemsize > left:
            raise ValueError("a view of a storage, or more data than the file holds")
        if key not in storages:
            left -= count * dtype.itemsize
            storages[key] = np.empty(count, dtype)  # filled below, once its place in the file is known
        return _checked(storages[key], dtype, count)

    with _damage_is_said(where):
        magic, _, machine = (pickles.load(file, where, {}, _storage) for _ in range(3))
        if magic != MAGIC:
            raise InputError(f"{where} is no file of PyTorch.")
        if machine["little_endian"] is not True:
            raise InputError(f"{where} was written on a big-endian machine, which is not supported.")
        result = pickles.load(file, where, tensor_calls(where), persistent)
        keys = pickles.load(file, where, {}, _storage)
        if sorted(keys) != sorted(storages):
            raise ValueError("other storages than those named")
        for key in keys:
            target = storages[key].view(np.uint8)
            if int.from_bytes(file.read(8), "little") != len(storages[key]) or file.readinto(target) != len(target):
                raise ValueError("data cut short")
        return result


def _checked(storage: np.ndarray, dtype: np.dtype, count: int) -> np.ndarray:
    if storage.dtype != dtype or len(storage) != count:
        raise ValueError("one storage, two types or sizes")
    return storage


def _storage(identity: Any) -> tuple[np.dtype, str, int]:
    """("storage", type, key, device, number of entries) -> dtype, key, number."""
    kind, storage, key, _, count = identity
    if kind != "storage" or type(key) is not str or type(count) is not int or count < 0:
        raise ValueError("no storage")
    return STORAGES[storage.text], key, count


def nothing(*_: Any) -> None:
    """What an object that is read but not used comes out as."""


def tensor_calls(where: str) -> dict[str, Callable]:
    """Names that tensors, and the numbers kept beside them, are built with, for `pickles.load`."""
    def tensor(storage: np.ndarray, offset: int, size: tuple, stride: tuple, *_: Any) -> np.ndarray:
        """A view of a storage. The trailing arguments concern gradients."""
        numbers = [offset, *size, *stride]
        if not isinstance(storage, np.ndarray) or any(type(n) is not int or n < 0 for n in numbers):
            raise TypeError("no tensor")
        reach = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1
        if 0 in size:
            return np.empty(size, storage.dtype)
        if reach > len(storage) or math.prod(size) > len(storage):
            raise ValueError("a tensor larger than its storage")
        strides = [step * storage.itemsize for step in stride]
        return np.lib.stride_tricks.as_strided(storage[offset:], size, strides)

    def latin(text: str, encoding: str) -> bytes:
        """How the older protocols write bytes."""
        if encoding != "latin1":
            raise ValueError("no bytes")
        return str.encode(text, "latin1")

    def never(*_: Any) -> None:
        raise InputError(f"{where} is refused: its pickle makes a storage of its own.")

    return {"torch._utils._rebuild_tensor": tensor, "torch._utils._rebuild_tensor_v2": tensor,
            "torch._utils._rebuild_parameter": lambda data, *_: data, **dict.fromkeys(STORAGES, never),
            **dict.fromkeys(NUMPY, nothing), "_codecs.encode": latin}
