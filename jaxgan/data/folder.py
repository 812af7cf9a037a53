"""Images in a folder: in class subfolders, with a labels.csv, or flat."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from jaxgan.data import medical
from jaxgan.data.bad import BadFiles
from jaxgan.data.listing import find_split, image_files, list_entries, targets
from jaxgan.data.source import (
    THREADED_PIXELS,
    Arrays,
    ArraySource,
    EncodedSource,
    Info,
    Source,
    label_facts,
    mirrored,
    settled,
)
from jaxgan.data.transforms import BadImageError, Transform, decode, header
from jaxgan.errors import InputError


def folder(*, path: str, split: str = "train", labels: bool = True, resolution: int | Sequence[int] | None = None,
           channels: int | None = None, resize: str = "lanczos", crop: str = "center", mirror: bool = False,
           on_bad: str = "error", max_megapixels: float = 64.0, window: Sequence[float] | None = None,
           plane: str = "axial") -> Source:
    """Every image file below `path`, in the order of their paths.

    Where the subfolders are `train` and others of val, valid, validation and test, `split` picks one of them.
    Labels come from `labels.csv` if there is one: a header `file,label` means classes, `file` and other columns a
    vector of numbers; only the files it lists are read. Otherwise every subfolder is a class of all images below it.
    A folder without subfolders, or labels=False, is unlabelled. Classes are ordered by name, or by value where all
    names are whole numbers. Images both outside and inside subfolders are refused; with on_bad="skip" they are read
    unlabelled. Hidden files and files without an image's extension are ignored. Links may not leave the folder.

    A set that fits in memory is decoded here. Of a larger one only the headers are read, and damage further inside a
    file shows when its turn comes, unless on_bad="skip", which decodes everything once to know what to leave out.

    DICOM (.dcm, .dicom, .ima) and NIfTI files (.nii, .nii.gz) need `pip install 'jaxgan[medical]'`. Each frame of the
    first, and each slice of the second in the `plane` "axial", "coronal" or "sagittal", is an image with its file's
    label. Values are rescaled as the file says and seen through `window`, (centre, width) in those units; None takes
    the file's own window, and without one the range of the file. MONOCHROME1, whose least value is white, is inverted.
    """
    transform = Transform(resolution, channels, resize, crop, max_megapixels)
    viewing = medical.Viewing(window, plane, max_megapixels)
    top, split_names = find_split(path, split)
    bad = BadFiles(on_bad, top)
    entries, columns = list_entries(top, labels, bad)
    bad.some(entries)
    if viewing.chosen and not any(medical.is_medical(entry.name) for entry in entries):
        raise InputError(f"config.data.window and config.data.plane are for DICOM and NIfTI files, and {top} has none: "
                         "leave them out.")
    sizes = {name: sum(_count(top.parent / name / file, viewing) for file in image_files(top.parent / name))
             for name in split_names if name != split}
    listed = len(entries)
    kept, files = bad.keep([e.name for e in entries], lambda i: _opened(top / entries[i].name, viewing), False)
    bad.some(kept)
    entries = [entries[i] for i in kept]
    sizes[split] = listed - len(files) + sum(file.count for file in files)
    sizes = {name: sizes[name] for name in split_names or (split,)}
    transform = transform.decided(_common_shape(entries, files, transform))
    threaded = max(file.shape[0] * file.shape[1] for file in files) >= THREADED_PIXELS

    images = None
    if bad.skip:
        nbytes = sum(file.count for file in files) * math.prod(transform.shape)
        kept, images = bad.keep_decodable(
            [e.name for e in entries], lambda i: np.stack(files[i].decode(range(files[i].count), transform)), nbytes,
            threaded)
        entries, files = [entries[i] for i in kept], [files[i] for i in kept]
    counts = [file.count for file in files]
    labels, class_names, kind = targets([e.label for e in entries], columns)
    labels = None if labels is None else np.repeat(labels, counts, axis=0)
    info = Info(name=top.resolve().name, shape=transform.shape, num_classes=len(class_names), class_names=class_names,
                splits=sizes, label_kind=kind, skipped=tuple(bad.skipped))
    if images is not None:
        return mirrored(ArraySource(images, labels, info), mirror)
    load = _loader([e.name for e in entries], files, labels, transform, bad)
    info = dataclasses.replace(info, **label_facts(labels, info))
    return mirrored(settled(EncodedSource(load, sum(counts), info, threaded)), mirror)


@dataclasses.dataclass(frozen=True)
class _Picture:
    """A file that holds one image. shape: (H, W, C)."""

    path: Path
    shape: tuple[int, int, int]
    count: int = 1

    def decode(self, indices: Sequence[int], transform: Transform) -> list[np.ndarray]:
        return [decode(self.path, transform) for _ in indices]


def _opened(path: Path, viewing: medical.Viewing) -> _Picture | medical.Volume:
    if medical.is_medical(path.name):
        return medical.opened(path, viewing)
    return _Picture(path, header(path, viewing.max_megapixels))


def _count(path: Path, viewing: medical.Viewing) -> int:
    """Images in a file of another split."""
    if not medical.is_medical(path.name):
        return 1
    try:
        return medical.opened(path, viewing).count
    except BadImageError:
        return 1


def _loader(names: Sequence[str], files: Sequence[_Picture | medical.Volume], labels: np.ndarray | None,
            transform: Transform, bad: BadFiles) -> Callable[[Sequence[int]], Arrays]:
    """Decodes images by their place among those of all files."""
    counts = [file.count for file in files]
    owner, first = np.repeat(np.arange(len(files)), counts), np.cumsum([0, *counts])

    def load(indices: Sequence[int]) -> Arrays:
        pictures = []
        for own, places in itertools.groupby(indices, lambda i: owner[i]):  # a file that has several is opened once
            inside = [int(i - first[own]) for i in places]
            pictures += bad.strict(names[own], lambda own=own, inside=inside: files[own].decode(inside, transform))
        return Arrays(np.stack(pictures), None if labels is None else labels[np.asarray(indices)])

    return load


def _common_shape(entries: Sequence, files: Sequence[_Picture | medical.Volume],
                  transform: Transform) -> tuple[int, int, int]:
    """(H, W, C) of the whole set: colour if any image has colour."""
    height, width, _ = files[0].shape
    other = next((i for i, file in enumerate(files) if file.shape[:2] != (height, width)), None)
    if other is not None and transform.resolution is None:
        raise InputError(f"The images differ in size: {entries[0].name} is {width}x{height}, {entries[other].name} is "
                         f"{files[other].shape[1]}x{files[other].shape[0]}. Set --config.data.resolution to one size.")
    return height, width, max(file.shape[2] for file in files)
