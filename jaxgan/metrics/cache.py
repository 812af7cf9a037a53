"""Arrays on disk under the hash of everything they follow from: features are computed once for the same images."""

import hashlib
import json
import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from jaxgan.errors import InputError

DIGEST = hashlib.sha256().digest_size
BLOCK = 1 << 20
ABANDONED = 24 * 3600.0  # seconds after which an unfinished file must be one that a killed process left


def default_folder() -> Path:
    """XDG_CACHE_HOME/jaxgan/metrics, XDG_CACHE_HOME being ~/.cache where it is not set."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxgan" / "metrics"


def key(**facts: object) -> str:
    """The name of an entry: sha256 (hex) over what it follows from. Facts are anything that JSON can write."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class Cache:
    """Entries that appear whole or not at all, and are checked whenever they are opened. Use it in a `with` block.

    An entry is a plain .npy file followed by the sha256 of its bytes, so a truncated or altered one is found out,
    removed and made again. Any number of processes may write the same entry: the last to finish stays, and whoever has
    an earlier one open keeps it. Nothing is ever evicted; the folder may be deleted at any time.

    folder: None keeps the arrays in a temporary folder that goes with the block. So does a folder that cannot be
    written, with a line on stderr.
    """

    def __init__(self, folder: Path | None):
        self._folder, self._temporary, self._ready = folder, None, False

    def _writable_folder(self) -> Path:
        """The folder, made when something is first to be written there."""
        if self._ready:
            return self._folder
        self._ready = True
        if self._folder is not None and not _writable(self._folder):
            print(f"The metrics cache {self._folder} cannot be written, so nothing is kept: set XDG_CACHE_HOME to a "
                  "folder that can.", file=sys.stderr)
            self._folder = None
        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="jaxgan-metrics-")
            self._folder = Path(self._temporary.name)
        for path in self._folder.glob(".*.tmp"):
            _remove_abandoned(path)
        return self._folder

    def __enter__(self) -> "Cache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Removes what was only kept for the time being."""
        if self._temporary:
            self._temporary.cleanup()

    def read(self, name: str) -> np.ndarray | None:
        """The entry as a read-only memory map; None where there is none, or only a damaged one, which is removed."""
        if self._folder is None:
            return None
        path = self._folder / f"{name}.npy"
        try:
            file = open(path, "rb")  # noqa: SIM115 (closed below)
        except OSError:
            return None
        with file:  # opened once: by another look at the path a writer may have put another file there
            size = os.fstat(file.fileno()).st_size - DIGEST
            if size > 0 and _digest(file, size) == file.read():
                file.seek(0)
                with suppress(Exception), warnings.catch_warnings(action="ignore"):  # signed, and yet not of this class
                    np.lib.format.read_magic(file)
                    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                    if dtype.hasobject:  # numpy would take the bytes for addresses
                        raise ValueError("pointers")
                    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != size - file.tell():
                        raise ValueError("another size than it declares")
                    return np.memmap(file, dtype, mode="r", offset=file.tell(), shape=shape)
        path.unlink(missing_ok=True)
        return None

    @contextmanager
    def write(self, name: str, shape: tuple[int, ...], dtype: str) -> Iterator[np.ndarray]:
        """A memory map to fill; it becomes the entry when the block ends, unless by an exception."""
        folder = self._writable_folder()
        descriptor, unfinished = tempfile.mkstemp(dir=folder, prefix=f".{name[:16]}.", suffix=".tmp")
        os.close(descriptor)
        try:
            array = np.lib.format.open_memmap(unfinished, mode="w+", dtype=dtype, shape=shape)
            _reserve(unfinished)
            yield array
            array.flush()
            del array
            with open(unfinished, "r+b") as file:
                digest = _digest(file, os.path.getsize(unfinished))
                file.write(digest)
            os.replace(unfinished, folder / f"{name}.npy")
        finally:
            Path(unfinished).unlink(missing_ok=True)

    def array(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The entry, made and kept if there is none."""
        found = self.read(name)
        if found is None:
            found = make()
            with self.write(name, found.shape, found.dtype.str) as entry:
                entry[...] = found
        return found


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _remove_abandoned(path: Path) -> None:
    try:
        if time.time() - path.stat().st_mtime > ABANDONED:
            path.unlink()
    except OSError:  # another process was faster, or owns it
        return


def _reserve(path: str) -> None:
    """Takes the file's room on the disk now: a memory map that finds none later kills the process without a word."""
    size = os.path.getsize(path)
    try:
        with open(path, "r+b") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        raise InputError(f"{Path(path).parent} has no room for {size / 2**20:,.0f} MiB ({error.strerror}): make room, "
                         "or set XDG_CACHE_HOME (with --no_cache, TMPDIR) to a folder that has it.") from error


def _digest(file: BinaryIO, size: int) -> bytes:
    """sha256 of the next `size` bytes."""
    digest = hashlib.sha256()
    while size > 0 and (block := file.read(min(BLOCK, size))):
        digest.update(block)
        size -= len(block)
    return digest.digest()
