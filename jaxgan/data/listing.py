"""Which files of an image folder make up the set, and their labels. Reads names and labels.csv, never an image."""

import csv
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgan.data.bad import BadFiles
from jaxgan.data.medical import is_medical
from jaxgan.data.source import check_split
from jaxgan.errors import InputError

EXTENSIONS = frozenset((".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff",
                        ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".avif"))
SPLITS = frozenset(("train", "val", "valid", "validation", "test"))
TABLE = "labels.csv"


class Entry(NamedTuple):
    """A file, by its path below the set's folder with forward slashes, and its class, its vector or None."""

    name: str
    label: str | tuple[float, ...] | None


def find_split(path: str, split: str) -> tuple[Path, list[str]]:
    """(The folder that holds `split`, the names of all split folders); (the folder itself, []) where it has none."""
    top = Path(path).expanduser()
    if not top.is_dir():
        raise InputError(f"config.data.path: there is no folder {path!r}. Check the spelling, and that it is relative "
                         f"to {os.getcwd()}.")
    names = _subfolders(top)
    if "train" in names and SPLITS.issuperset(names):
        check_split(split, names, f"{path!r}")
        return top / split, names
    check_split(split, ("train",), f"{path!r}")
    return top, []


def list_entries(top: Path, labels: bool, bad: BadFiles) -> tuple[list[Entry], tuple[str, ...]]:
    """The files in order, and the column names of vector labels."""
    if labels and (top / TABLE).is_file():
        return _from_table(top, bad)
    names = sorted(image_files(top, bad))
    outside = [name for name in names if "/" not in name]
    subfolders = _subfolders(top)
    if labels and outside and any("/" in name for name in names):
        if not bad.skip:
            raise InputError(f"{top} holds images both inside and outside class folders, such as {outside[0]!r}: move "
                             "those, or pass --config.data.labels=false to read all images unlabelled.")
        labels = False
    if not labels or outside or not subfolders:
        return [Entry(name, None) for name in names], ()
    classes = {name.partition("/")[0] for name in names}
    for empty in (name for name in subfolders if name not in classes):
        bad.report(empty, "is a class folder without images")
    return [Entry(name, name.partition("/")[0]) for name in names], ()


def image_files(top: Path, bad: BadFiles | None = None) -> Iterator[str]:
    """Names of the image files below `top`, in no order. Reports links that lead outside, where `bad` is given."""
    inside = top.resolve()
    for folder, subfolders, files in os.walk(top):
        subfolders[:] = [name for name in subfolders if not _hidden(name)]
        below = Path(folder).relative_to(top)
        for name in subfolders:
            if bad and os.path.islink(os.path.join(folder, name)):
                bad.report((below / name).as_posix(), "is a symbolic link to a folder, and those are not followed")
        for name in files:
            if _hidden(name) or not (os.path.splitext(name)[1].lower() in EXTENSIONS or is_medical(name)):
                continue
            problem = _file_problem(Path(folder, name), inside)
            if not problem:
                yield (below / name).as_posix()
            elif bad:
                bad.report((below / name).as_posix(), problem)


def targets(labels: Sequence[str | tuple[float, ...] | None],
            columns: tuple[str, ...]) -> tuple[np.ndarray | None, tuple[str, ...], str]:
    """(int32 [N], float32 [N, L] or None; class or column names; Info.label_kind)."""
    if labels[0] is None:
        return None, (), "none"
    if columns:
        return np.asarray(labels, np.float32), columns, "vector"
    names = set(labels)
    numbers = all(name.isascii() and name.isdigit() for name in names)
    ordered = sorted(names, key=lambda name: (int(name), name) if numbers else name)
    index = {name: i for i, name in enumerate(ordered)}
    return np.asarray([index[label] for label in labels], np.int32), tuple(ordered), "class"


def _from_table(top: Path, bad: BadFiles) -> tuple[list[Entry], tuple[str, ...]]:
    table = top / TABLE
    if problem := _file_problem(table, top.resolve()):
        raise InputError(f"{table} {problem}. Put the table itself there.")
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = [(number, [cell.strip() for cell in row]) for number, row in enumerate(csv.reader(file), 1) if row]
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise InputError(f"{table} cannot be read ({error}). Save it as comma-separated text in UTF-8.") from error
    header = rows[0][1] if rows else []
    if len(header) < 2 or header[0] != "file":
        raise InputError(f"{table} must begin with the line `file,label` (classes) or `file` and the columns of a "
                         f"vector; it begins with {','.join(header)[:60]!r}.")
    columns = () if header[1:] == ["label"] else tuple(header[1:])
    inside = top.resolve()
    entries: dict[str, Entry] = {}
    for number, row in rows[1:]:
        label = _row_label(row, len(header), bool(columns))
        if label is None:
            bad.report(f"{TABLE} line {number}", "needs a file and " + (
                f"{len(columns)} finite numbers" if columns else "a class name"))
            continue
        name = os.path.normpath(row[0]).replace(os.sep, "/")
        problem = "is listed twice in labels.csv" if name in entries else _file_problem(top / name, inside)
        if problem:
            bad.report(name, problem)
        else:
            entries[name] = Entry(name, label)
    return [entries[name] for name in sorted(entries)], columns


def _row_label(row: list[str], width: int, vector: bool) -> str | tuple[float, ...] | None:
    if len(row) != width or not all(row):
        return None
    if not vector:
        return row[1]
    try:
        numbers = tuple(map(float, row[1:]))
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _file_problem(path: Path, inside: Path) -> str | None:
    try:
        if not path.resolve().is_relative_to(inside):
            return "leads outside the data folder"
        if not path.exists():
            return "does not exist"
    except (OSError, ValueError, RuntimeError):  # too long, or with a zero byte; links in a circle
        return "is no name of a file"
    return None if path.is_file() else "is not a file"


def _subfolders(top: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(top) if entry.is_dir(follow_symlinks=False)
                  and not _hidden(entry.name))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
