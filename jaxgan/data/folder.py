"""Images in a folder: in class subfolders, with a labels.csv, or flat."""

import dataclasses
from collections.abc import Sequence

import numpy as np

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
from jaxgan.data.transforms import Transform, decode, header
from jaxgan.errors import InputError


def folder(*, path: str, split: str = "train", labels: bool = True, resolution: int | Sequence[int] | None = None,
           channels: int | None = None, resize: str = "lanczos", crop: str = "center", mirror: bool = False,
           on_bad: str = "error", max_megapixels: float = 64.0) -> Source:
    """Every image file below `path`, in the order of their paths.

    Where the subfolders are `train` and others of val, valid, validation and test, `split` picks one of them.
    Labels come from `labels.csv` if there is one: a header `file,label` means classes, `file` and other columns a
    vector of numbers; only the files it lists are read. Otherwise every subfolder is a class of all images below it.
    A folder without subfolders, or labels=False, is unlabelled. Classes are ordered by name, or by value where all
    names are whole numbers. Images both outside and inside subfolders are refused; with on_bad="skip" they are read
    unlabelled. Hidden files and files without an image's extension are ignored. Links may not leave the folder.

    A set that fits in memory is decoded here. Of a larger one only the headers are read, and damage further inside a
    file shows when its turn comes, unless on_bad="skip", which decodes everything once to know what to leave out.
    """
    transform = Transform(resolution, channels, resize, crop, max_megapixels)
    top, split_names = find_split(path, split)
    bad = BadFiles(on_bad, top)
    entries, columns = list_entries(top, labels, bad)
    bad.some(entries)
    sizes = {name: sum(1 for _ in image_files(top.parent / name)) for name in split_names}
    sizes[split] = len(entries)

    kept, headers = bad.keep([e.name for e in entries], lambda i: header(top / entries[i].name, max_megapixels), False)
    bad.some(kept)
    entries = [entries[i] for i in kept]
    names = [e.name for e in entries]
    transform = transform.decided(_common_shape(names, headers, transform))
    threaded = max(height * width for height, width, _ in headers) >= THREADED_PIXELS
    images = None
    if bad.skip:
        kept, images = bad.keep_decodable(names, lambda i: decode(top / names[i], transform), transform.shape, threaded)
        entries = [entries[i] for i in kept]
        names = [e.name for e in entries]
    labels, class_names, kind = targets([e.label for e in entries], columns)
    info = Info(name=top.resolve().name, shape=transform.shape, num_classes=len(class_names), class_names=class_names,
                splits=sizes, label_kind=kind, skipped=tuple(bad.skipped))

    def load(indices: Sequence[int]) -> Arrays:
        pictures = [bad.strict(names[i], lambda i=i: decode(top / names[i], transform)) for i in indices]
        return Arrays(np.stack(pictures), None if labels is None else labels[np.asarray(indices)])

    if images is not None:
        return mirrored(ArraySource(images, labels, info), mirror)
    info = dataclasses.replace(info, **label_facts(labels, info))
    return mirrored(settled(EncodedSource(load, len(names), info, threaded)), mirror)


def _common_shape(names: Sequence[str], headers: Sequence[tuple[int, int, int]],
                  transform: Transform) -> tuple[int, int, int]:
    """(H, W, C) of the whole set: colour if any image has colour."""
    height, width, _ = headers[0]
    other = next((i for i, (h, w, _) in enumerate(headers) if (h, w) != (height, width)), None)
    if other is not None and transform.resolution is None:
        raise InputError(f"The images differ in size: {names[0]} is {width}x{height}, {names[other]} is "
                         f"{headers[other][1]}x{headers[other][0]}. Set --config.data.resolution to one size.")
    return height, width, max(channels for _, _, channels in headers)
