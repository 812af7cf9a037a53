"""Published weights: fetched, checked, converted once, and kept in the user's cache folder."""

import hashlib
import math
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import flax.linen as nn
import jax
import numpy as np
from flax.traverse_util import flatten_dict

from jaxgan.errors import InputError
from jaxgan.interop import names, safetensors, torch_reader

CHUNK = 1 << 20
TIMEOUT = 30  # seconds without a byte


class Published(NamedTuple):
    """A file as its authors offer it; size in bytes."""

    url: str
    size: int
    sha256: str


class Weights(NamedTuple):
    """published: None where any file with the right tensors will do. convert(tensors, file name) -> ours, flat, "a/b"
    to array; raises InputError where tensors do not fit the network."""

    published: Published | None
    convert: Callable[[Mapping[str, np.ndarray], str], dict[str, np.ndarray]]


def shapes(network: nn.Module, *inputs: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Our names and shapes of the parameters of `network`, called on float32 inputs of these shapes; no computation."""
    arguments = [jax.ShapeDtypeStruct(shape, "float32") for shape in inputs]
    tree = jax.eval_shape(network.init, jax.random.key(0), *arguments)["params"]
    return {name: leaf.shape for name, leaf in flatten_dict(tree, sep="/").items()}


def folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxgan" / "weights"


def command(name: str) -> str:
    return f"python -m jaxgan.prepare --weights={name}"


def title(name: str, kind: Weights, sha256: str) -> str:
    """The name that scores carry: weights that are not the published ones say which they are."""
    return name if kind.published else f"{name}-{sha256[:8]}"


def prepare(name: str, kind: Weights, source: Path | None = None) -> Path:
    """Converts `source`, or without one the published file, which is fetched, and returns where the result lies.

    Raises InputError where the file is not the published one, cannot be fetched or read, or does not fit."""
    if source:
        return _store(name, kind, source)
    if kind.published is None:
        raise InputError(f"{name} has no published file: say which with --from=FILE.")
    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder(), prefix=f".{name}.") as temporary:
        file = Path(temporary, Path(kind.published.url).name)
        with file.open("wb") as target:
            _fetch(name, kind.published, target)
        return _store(name, kind, file)


def find(name: str, kind: Weights) -> Path | None:
    """Where the prepared weights lie; None where they are missing, damaged or of another file than they should be."""
    try:
        load(name, kind)
    except InputError:
        return None
    return _path(name)


def load(name: str, kind: Weights) -> tuple[dict, str]:
    """The prepared parameters, nested, and the sha256 of the file they came from."""
    path = _path(name)
    if not path.is_file():
        remedy = f"run `{command(name)} --from=FILE`"
        if kind.published:
            remedy = f"run `{command(name)}`, or, offline, add --from=FILE with {kind.published.url} fetched elsewhere"
        raise InputError(f"The weights of {name} are not on this machine: {remedy}.")
    flat, metadata = safetensors.read(path)
    sha256 = metadata.get("source", "")
    if metadata.get("content") != _content(flat) or (kind.published and sha256 != kind.published.sha256):
        raise InputError(f"{path} is damaged or not what it should be: run `{command(name)}` again.")
    return names.nest(flat), sha256


def _path(name: str) -> Path:
    return folder() / f"{name}.safetensors"


def _store(name: str, kind: Weights, file: Path) -> Path:
    sha256 = _sha256(file)
    if kind.published and sha256 != kind.published.sha256:
        other = f"{name.partition('-')[0]}-custom"
        raise InputError(
            f"{file} is not the published file of {name}: its sha256 is {sha256}, not {kind.published.sha256}. Fetch "
            f"{kind.published.url} again; if other weights are meant, run `{command(other)} --from=FILE`.")
    tensors = safetensors.read(file)[0] if file.suffix == ".safetensors" else torch_reader.read(file)
    flat = kind.convert(tensors, str(file))
    safetensors.write(_path(name), flat, {"source": sha256, "content": _content(flat)})
    return _path(name)


def _fetch(name: str, published: Published, target: BinaryIO) -> None:
    """Downloads, never more than the size that is known."""
    hint = f"Fetch it elsewhere and run `{command(name)} --from=FILE`."
    try:
        with urllib.request.urlopen(published.url, timeout=TIMEOUT) as answer, _progress(published) as report:
            done = 0
            while chunk := answer.read(min(CHUNK, published.size + 1 - done)):
                done += len(chunk)
                target.write(chunk)
                report(done)
    except (OSError, urllib.error.URLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(f"{published.url} cannot be fetched ({reason}). {hint}") from error
    if done != published.size:
        much = "more than" if done > published.size else f"only {done:,} of"
        raise InputError(f"{published.url} gave {much} the {published.size:,} bytes it should have. {hint}")


@contextmanager
def _progress(published: Published) -> Iterator[Callable[[int], None]]:
    """One line on stderr that says how far it is, where somebody watches."""
    shown = -1

    def report(done: int) -> None:
        nonlocal shown
        percent = math.floor(100 * done / published.size)
        if sys.stderr.isatty() and percent != shown:
            shown = percent
            name, megabytes = Path(published.url).name, published.size / 1e6
            print(f"\r{name}: {percent}% of {megabytes:,.0f} MB", end="", file=sys.stderr)

    yield report
    if shown >= 0:
        print(file=sys.stderr)


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}.") from error


def _content(flat: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(flat.items()):
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
