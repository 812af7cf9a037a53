"""Arrays in an .npz file, as MedMNIST lays them out."""

import contextlib
import math
import os
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from jaxgan.data.bad import BadFiles
from jaxgan.data.source import ArraySource, Info, Source, check_split, mirrored
from jaxgan.data.transforms import Transform, fit_array
from jaxgan.errors import InputError

MAX_BYTES = 16 << 30  # of one array as its header declares it
BOMB_BYTES, BOMB_RATIO = 1 << 26, 200  # an array larger than that, packed into less than this share, is not pictures
MAX_CLASSES = 100_000


class _BadLabelsError(Exception):
    """The labels cannot be used. The message follows the name of their array."""


def npz(*, path: str, split: str = "train", labels: bool = True, resolution: int | Sequence[int] | None = None,
        channels: int | None = None, resize: str = "lanczos", crop: str = "center", mirror: bool = False,
        on_bad: str = "error", max_megapixels: float = 64.0) -> Source:
    """`{split}_images` and `{split}_labels` of `path`, or `images` and, where there are any, `labels` (split "train").

    Images are [N, H, W] or [N, H, W, C], C in 1, 3, 4: uint8, bool, uint16 (scaled by its range) or floats in 0 to 1.
    Labels [N] or [N, 1] of whole numbers are classes, counted over all splits; [N, L] and floats are vectors.
    labels=False ignores them. With on_bad="skip" images with NaN or values out of range are left out, and labels that
    are missing or do not fit the images are done without. Nothing is ever unpickled.
    """
    transform = Transform(resolution, channels, resize, crop, max_megapixels)
    bad = BadFiles(on_bad, path)
    with _opened(path) as file:
        keys = _image_keys(file, path)
        check_split(split, tuple(keys), f"{path!r}")
        splits = {name: _header(file, key)[0][0] for name, key in keys.items()}
        _check_header(file, keys[split], path, max_megapixels)
        images = _array(file, keys[split])
        targets, num_classes = None, 0
        if labels:
            key = keys[split].removesuffix("images") + "labels"
            try:
                targets, num_classes = _targets(file, key, len(images))
            except _BadLabelsError as error:
                if not bad.skip:
                    raise InputError(f"{path}: {key} {error}. Repair it, or read the images unlabelled with "
                                     "--config.data.labels=false.") from error
                bad.report(key, f"{error}; the images are unlabelled")
    good = _good(images, keys[split], bad)
    images = _to_uint8(images[good])
    targets = None if targets is None else targets[good]
    transform = transform.decided(images.shape[1:])
    info = Info(name=Path(path).stem, shape=transform.shape, num_classes=num_classes, splits=splits,
                label_kind="none" if targets is None else "class" if targets.ndim == 1 else "vector",
                class_names=tuple(map(str, range(num_classes))), skipped=tuple(bad.skipped))
    return mirrored(ArraySource(fit_array(images, transform), targets, info), mirror)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[np.lib.npyio.NpzFile]:
    """The open file; whatever numpy and zip find wrong with it inside the block becomes an InputError."""
    if not Path(path).expanduser().is_file():
        raise InputError(f"config.data.path: there is no file {path!r}. Check the spelling, and that it is relative "
                         f"to {os.getcwd()}.")
    try:
        with Path(path).expanduser().open("rb") as stream:
            if not stream.read(2) == b"PK" or not zipfile.is_zipfile(stream):
                raise zipfile.BadZipFile("it is no whole zip archive")
            stream.seek(0)
            with warnings.catch_warnings(action="ignore"), np.load(stream, allow_pickle=False) as file:
                yield file  # numpy and zipfile warn of what the archive says of itself
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own for a damaged file
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is damaged or not an .npz file ({reason}). Download it again, or save it again with "
                         "numpy.savez.") from error


def _image_keys(file: np.lib.npyio.NpzFile, path: str) -> dict[str, str]:
    keys = {key.removesuffix("_images"): key for key in file.files if key.endswith("_images")}
    if not keys and "images" in file:
        keys = {"train": "images"}
    if not keys:
        raise InputError(f"{path} has no `train_images` and no `images`, but {', '.join(file.files) or 'nothing'}. "
                         "Save the images under one of those names.")
    return keys


def _header(file: np.lib.npyio.NpzFile, key: str) -> tuple[tuple[int, ...], np.dtype]:
    """(shape, dtype) as the array declares them; reads none of its data."""
    with file.zip.open(f"{key}.npy") as member:
        first = np.lib.format.read_magic(member) == (1, 0)
        read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(member)
    if any(side < 0 for side in shape):
        raise ValueError(f"{key} declares a negative size")
    return shape or (0,), dtype


def _array(file: np.lib.npyio.NpzFile, key: str) -> np.ndarray:
    """An array, once it is known to hold what it declares, and to be no bomb."""
    shape, dtype = _header(file, key)
    declared, entry = math.prod(shape) * dtype.itemsize, file.zip.getinfo(f"{key}.npy")
    if not dtype.itemsize or declared > min(entry.file_size, MAX_BYTES):
        raise ValueError(f"{key} declares more than it holds")
    if declared > BOMB_BYTES and declared > BOMB_RATIO * entry.compress_size:
        raise ValueError(f"{key} would unpack {declared / 2**20:,.0f} MiB from {entry.compress_size / 2**20:,.1f}")
    return file[key]


def _check_header(file: np.lib.npyio.NpzFile, key: str, path: str, max_megapixels: float) -> None:
    shape, dtype = _header(file, key)
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3, 4)) or 0 in shape:
        raise InputError(f"{path}: {key} must be [N, H, W] or [N, H, W, C] with C in 1, 3, 4; it is {list(shape)}.")
    if dtype.kind not in "bf" and dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path}: {key} must be uint8, uint16, bool or floats in 0 to 1; it is {dtype}.")
    if shape[1] * shape[2] > max_megapixels * 1e6:
        raise InputError(f"{path}: {key} declares images of {shape[2]}x{shape[1]} pixels, more than "
                         f"max_megapixels={max_megapixels:g}. Raise --config.data.max_megapixels if that is meant.")
    if math.prod(shape) * dtype.itemsize > MAX_BYTES:
        raise InputError(f"{path}: {key} declares {math.prod(shape) * dtype.itemsize / 2**30:.0f} GiB, more than the "
                         f"{MAX_BYTES >> 30} of an .npz. Save the images as files and use the folder source.")


def _targets(file: np.lib.npyio.NpzFile, key: str, num_images: int) -> tuple[np.ndarray | None, int]:
    """(int32 [N], float32 [N, L] or None; number of classes or L)."""
    if key not in file:
        if key == "labels":
            return None, 0
        raise _BadLabelsError("is missing")
    values = _label_array(file, key)
    if len(values) != num_images:
        raise _BadLabelsError(f"has {len(values)} entries for {num_images} images")
    if values.ndim == 2:
        return values, values.shape[1]
    others = [_label_array(file, other) for other in file.files if other.endswith("_labels") and other != key]
    return values, 1 + max(int(labels.max(initial=0)) for labels in (values, *others))


def _label_array(file: np.lib.npyio.NpzFile, key: str) -> np.ndarray:
    if _header(file, key)[1].hasobject:
        raise _BadLabelsError("holds pickled Python objects, which are never loaded")
    values = _array(file, key)
    if values.dtype.kind not in "biuf" or values.ndim not in (1, 2) or not np.isfinite(values).all():
        raise _BadLabelsError(f"must be finite numbers [N], [N, 1] or [N, L]; it is {values.dtype} "
                              f"{list(values.shape)}")
    if values.dtype.kind == "f" or values.shape[1:] not in ((), (1,)):
        return values.reshape(len(values), -1).astype(np.float32)
    if values.min(initial=0) < 0 or values.max(initial=0) >= MAX_CLASSES:
        raise _BadLabelsError(f"must number classes from 0 to below {MAX_CLASSES}; it runs from {values.min()} to "
                              f"{values.max()}")
    return values.ravel().astype(np.int32)


def _good(images: np.ndarray, key: str, bad: BadFiles) -> np.ndarray:
    """Which images hold usable values, bool [N]. Only floats can be wrong."""
    if images.dtype.kind != "f":
        return np.ones(len(images), bool)
    good = ((images >= 0) & (images <= 1)).reshape(len(images), -1).all(axis=1)
    for index in np.flatnonzero(~good):
        finite = np.isfinite(images[index]).all()
        bad.report(f"{key}[{index}]", "has values outside 0 to 1" if finite else "has NaN or infinite values")
    bad.some(np.flatnonzero(good).tolist())
    return good


def _to_uint8(images: np.ndarray) -> np.ndarray:
    """[N, H, W] or [N, H, W, C] -> uint8 [N, H, W, C]."""
    if images.dtype.kind == "f":
        images = np.round(images * 255).astype(np.uint8)
    elif images.dtype == np.uint16:
        images = ((images.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    elif images.dtype == bool:
        images = images.astype(np.uint8) * 255
    return images if images.ndim == 4 else images[..., None]
