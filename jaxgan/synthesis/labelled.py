"""Images by class: folders of PNG files that other programs read, or one .npz in the layout of MedMNIST."""

import csv
import dataclasses
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgan.data import Info, Source
from jaxgan.data.source import THREADED_PIXELS, Arrays, ArraySource, EncodedSource, read, settled
from jaxgan.images import load_png, replacing, save_png
from jaxgan.synthesis.journal import Journal
from jaxgan.synthesis.place import Place
from jaxgan.synthesis.plan import Plan, folder_names
from jaxgan.synthesis.search import Kept, Progress, begin

SPLITS = ("train", "val", "test")
READ = 512  # real images written between two lines of the journal

Report = Callable[[int, int], None]
Entry = dict[str, Any]


class Layout(NamedTuple):
    """top: the folder of images that are for training. folders: one for each class; none, and all lie together. val,
    test: shares of the generated images of each class, its last ones, that go into those folders instead."""

    top: str
    folders: Sequence[str]
    val: float = 0.0
    test: float = 0.0

    def split(self, index: int, count: int) -> str:
        """Where the image goes that is the `index`-th generated one of `count` of its class."""
        test, val = (round(share * count) for share in (self.test, self.val))
        return "test" if index >= count - test else "val" if index >= count - test - val else self.top

    def path(self, split: str, label: np.ndarray | None, name: str) -> str:
        """The path of an image below the set's folder."""
        return "/".join([split, *([self.folders[int(label)]] if self.folders else []), name])


def layout_of(info: Info, top: str = "train", val: float = 0.0, test: float = 0.0) -> Layout:
    return Layout(top, folder_names(info) if info.label_kind == "class" else (), val, test)


def write_real(folder: Path, journal: Journal, layout: Layout, source: Source, report: Report) -> list[Entry]:
    """The run's own training images, as far as they are not there yet."""
    entries = [entry for line in journal.lines for entry in line.get("real", ())]
    for start in range(len(entries), len(source), READ):
        rows = np.arange(start, min(start + READ, len(source)))
        found = read(source, rows)
        new = []
        for row, image, label in zip(rows.tolist(), found.images, found.labels):
            file = layout.path(layout.top, label, f"real{row:06d}.png")
            new.append({"file": file, "real": row, "label": label.tolist(), "sha256": _saved(folder / file, image)})
        journal.append({"real": new})
        entries += new
        report(len(entries), len(source))
    return entries


def write_generated(folder: Path, journal: Journal, layout: Layout, plan: Plan, first: int,
                    blocks: Callable[[Progress], Iterator[tuple[Kept, Progress]]],
                    report: Report) -> tuple[list[Entry], Progress]:
    """The generated images, as far as they are not there yet; blocks: `search` from a progress on."""
    entries, progress = [], begin(plan, first)
    for line in journal.lines:
        if "images" in line:
            entries += line["images"]
            progress = Progress(**line["progress"])
    total = sum(plan.counts.values())
    report(len(entries), total)
    for kept, following in blocks(progress):
        new, places = [], dict(zip(plan.counts, progress.kept))
        for row, seed in enumerate(kept.seeds.tolist()):
            label = None if kept.labels is None else kept.labels[row]
            key = None if None in places else int(label)
            file = layout.path(layout.split(places[key], plan.counts[key]), label, f"seed{seed:06d}.png")
            places[key] += 1
            named = {} if label is None else {"label": label.tolist()}
            values = {column: float(found[row]) for column, found in kept.values.items()}
            new.append({"file": file, "seed": seed, **named, "sha256": _saved(folder / file, kept.images[row]),
                        **values})
        progress = following
        journal.append({"images": new, "progress": dataclasses.asdict(progress)})
        entries += new
        report(len(entries), total)
    return entries, progress


def _saved(path: Path, image: np.ndarray) -> str:
    save_png(image, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_tables(folder: Path, entries: Sequence[Entry], columns: Sequence[str]) -> None:
    """labels.csv of a set whose labels are vectors, as jaxgan's folders of images have it."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["file", *columns])
    rows.writerows([entry["file"].partition("/")[2], *entry["label"]] for entry in entries)
    with replacing(folder / "train" / "labels.csv") as file:
        file.write(text.getvalue().encode())


def pack(place: Place, entries: Sequence[Entry], info: Info) -> list[Entry]:
    """Puts the .npz together from what lies in the place's folder; returns the entries as they are true of it.

    `{split}_images` uint8 [N, H, W] or [N, H, W, C] and `{split}_labels` [N, 1], or for vectors [N, L]; an unlabelled
    set has `images` alone. sha256 is then that of an image's pixels, row by row.
    """
    arrays, packed = {}, []
    for split in SPLITS:
        part = [entry for entry in entries if entry["file"].startswith(f"{split}/")]
        if not part:
            continue
        name = "images" if info.label_kind == "none" else f"{split}_images"
        pictures = np.stack([load_png(place.folder / entry["file"]) for entry in part])
        arrays[name] = pictures[..., 0] if pictures.shape[3] == 1 else pictures
        if info.label_kind != "none":
            labels = np.asarray([entry["label"] for entry in part])
            arrays[f"{split}_labels"] = (labels.astype(np.float32) if info.label_kind == "vector" else labels.astype(
                np.uint8 if info.num_classes <= 256 else np.int32)[:, None])
        for row, (entry, image) in enumerate(zip(part, pictures)):
            rest = {key: value for key, value in entry.items() if key != "file"}
            packed.append({"array": name, "row": row, **rest, "sha256": hashlib.sha256(image.tobytes()).hexdigest()})
    with replacing(place.output) as file:
        np.savez_compressed(file, **arrays)
    return packed


def source_of(place: Place, entries: Sequence[Entry], info: Info) -> Source:
    """The images of entries, as data of the run's kind; decoded when asked for where they are many."""
    labels = None
    if info.label_kind != "none":
        dtype = np.int32 if info.label_kind == "class" else np.float32
        labels = np.asarray([entry["label"] for entry in entries], dtype)
    about = dataclasses.replace(info, splits={}, skipped=())
    if place.is_npz:
        with np.load(place.output, allow_pickle=False) as file:
            arrays = {name: file[name] for name in {entry["array"] for entry in entries}}
        pictures = np.stack([arrays[entry["array"]][entry["row"]] for entry in entries])
        return ArraySource(pictures.reshape(-1, *info.shape), labels, about)

    def load(indices: Sequence[int]) -> Arrays:
        pictures = [load_png(place.folder / entries[index]["file"]) for index in indices]
        return Arrays(np.stack(pictures), None if labels is None else labels[np.asarray(indices)])
    return settled(EncodedSource(load, len(entries), about, info.shape[0] * info.shape[1] >= THREADED_PIXELS))


def rates(plan: Plan, progress: Progress, names: Sequence[str]) -> list[Mapping[str, Any]]:
    """For each class of a plan how many images were wanted, tried and kept."""
    return [({} if label is None else {"label": label, "name": names[label]}) | {"tried": tried, "kept": kept}
            for label, tried, kept in zip(plan.counts, progress.tried, progress.kept)]
