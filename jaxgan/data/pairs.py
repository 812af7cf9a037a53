"""Pairs of images, of which one is to be made from the other (pix2pix, Isola et al. 2017)."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from jaxgan.data.listing import find_split, image_files
from jaxgan.data.source import THREADED_PIXELS, Arrays, EncodedSource, Info, Source, mirrored, settled
from jaxgan.data.transforms import BadImageError, Transform, decode, fit_array, header
from jaxgan.errors import InputError

FOLDERS = (("given", "wanted"), ("A", "B"))
WHOLE, LEFT, RIGHT = "whole", "left", "right"


class Picture(NamedTuple):
    """An image of a pair: a file, or the left or right half of one."""

    path: Path
    part: str


def pairs(*, path: str, split: str = "train", reverse: bool = False, resolution: int | Sequence[int] | None = None,
          channels: int | None = None, given_channels: int | None = None, resize: str = "lanczos", crop: str = "center",
          mirror: bool = False, max_megapixels: float = 64.0) -> Source:
    """Images that are wanted, each with the image that it is to be made from as its label.

    Where there are subfolders `given` and `wanted`, or `A` and `B`, a pair is two files of one name, whatever their
    endings, one in each. Elsewhere it is the halves of one file, what is given on the left. The two are of one size.
    reverse: the other way round. Splits, and which files are read: as `folder` has it.

    channels: of what is wanted; given_channels: of what is given; None: colour if any of them has colour. Everything
    else is done to both alike.
    """
    transform = Transform(resolution, channels, resize, crop, max_megapixels)
    top, split_names = find_split(path, split)
    found = listed(top)
    if not found:
        raise InputError(f"There is no pair of images in {top}. Choose other data in config.data.")
    given, wanted = zip(*(pair[::-1] if reverse else pair for pair in found))
    sizes = {picture: size(picture, max_megapixels) for picture in (*given, *wanted)}
    check_sizes(found, sizes, resolution)
    transforms = [each.decided((*sizes[column[0]][:2], max(sizes[picture][2] for picture in column)))
                  for each, column in ((dataclasses.replace(transform, channels=given_channels), given),
                                       (transform, wanted))]
    info = Info(name=top.resolve().name, shape=transforms[1].shape, label_kind="image", label_shape=transforms[0].shape,
                splits={name: len(listed(top.parent / name)) for name in split_names} | {split: len(found)})

    def load(indices: Sequence[int]) -> Arrays:
        made = [np.stack([read(column[i], sizes[column[i]], each) for i in indices])
                for column, each in zip((given, wanted), transforms)]
        return Arrays(made[1], made[0])

    height, width, _ = sizes[given[0]]
    return mirrored(settled(EncodedSource(load, len(found), info, height * width >= THREADED_PIXELS)), mirror)


def listed(top: Path) -> list[tuple[Picture, Picture]]:
    """The pairs below a folder, in the order of their names."""
    folders = [(top / one, top / other) for one, other in FOLDERS if (top / one).is_dir() and (top / other).is_dir()]
    if not folders:
        return [(Picture(top / name, LEFT), Picture(top / name, RIGHT)) for name in sorted(image_files(top))]
    first, second = (named(folder) for folder in folders[0])
    for files, others, folder in ((first, second, folders[0][1]), (second, first, folders[0][0])):
        alone = sorted(files.keys() - others.keys())
        if alone:
            raise InputError(f"{files[alone[0]]} has no counterpart in {folder}: both of a pair have one name.")
    return [(Picture(first[name], WHOLE), Picture(second[name], WHOLE)) for name in sorted(first)]


def named(folder: Path) -> dict[str, Path]:
    """The image files below a folder by their names without an ending."""
    found: dict[str, Path] = {}
    for name in sorted(image_files(folder)):
        stem = str(PurePosixPath(name).with_suffix(""))
        if stem in found:
            raise InputError(f"{found[stem]} and {folder / name} have one name: it is not known which of them belongs "
                             "to a pair.")
        found[stem] = folder / name
    return found


def size(picture: Picture, max_megapixels: float) -> tuple[int, int, int]:
    """(height, width, channels), from the file's header."""
    height, width, channels = attempt(picture, lambda: header(picture.path, max_megapixels))
    if picture.part == WHOLE:
        return height, width, channels
    if width % 2:
        raise InputError(f"{picture.path} is {width} pixels wide, which two images of one size side by side cannot be. "
                         "Images in two folders are read from `given` and `wanted`, or `A` and `B`.")
    return height, width // 2, channels


def check_sizes(found: Sequence[tuple[Picture, Picture]], sizes: dict[Picture, tuple[int, int, int]],
                resolution: Any) -> None:
    """Refuses pairs of two sizes, and sets of several where they are not brought to one."""
    first = found[0][0]
    for one, other in found:
        if sizes[one][:2] != sizes[other][:2]:
            raise InputError(f"{one.path} is {words(sizes[one])}, {other.path} is {words(sizes[other])}: both of a "
                             "pair must have one size.")
        if resolution is None and sizes[one][:2] != sizes[first][:2]:
            raise InputError(f"The images differ in size: {first.path} is {words(sizes[first])}, {one.path} is "
                             f"{words(sizes[one])}. Set --config.data.resolution to one size.")


def words(size: tuple[int, int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def read(picture: Picture, size: tuple[int, int, int], transform: Transform) -> np.ndarray:
    """The image, uint8 `transform.shape`."""
    if picture.part == WHOLE:
        return attempt(picture, lambda: decode(picture.path, transform))
    height, width, _ = size
    as_it_is = dataclasses.replace(transform, resolution=(height, 2 * width))
    both = attempt(picture, lambda: decode(picture.path, as_it_is))
    return fit_array((both[:, :width] if picture.part == LEFT else both[:, width:])[None], transform)[0]


def attempt(picture: Picture, function: Callable[[], Any]) -> Any:
    """`function()`, where the file can be used."""
    try:
        return function()
    except BadImageError as error:
        raise InputError(f"{picture.path} {error}. Repair it, or remove the pair.") from error
