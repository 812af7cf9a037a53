"""Prepared TensorFlow Datasets, read with `tfds.data_source`'s array_record reader: no TensorFlow, no network.

Images are decoded here, from the stored bytes: tfds converts no colour modes and ignores EXIF rotation.
"""

import difflib
import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from jaxgan import buckets
from jaxgan.data.bad import BadFiles
from jaxgan.data.source import (
    THREADED_PIXELS,
    Arrays,
    ArraySource,
    EncodedSource,
    Info,
    Source,
    mirrored,
    settled,
)
from jaxgan.data.transforms import Transform, decode
from jaxgan.errors import InputError

VERSION = re.compile(r"\d+\.\d+\.\d+")
NAME = re.compile(r"(?P<name>\w+)(/(?P<config>[\w.-]+))?(:(?P<version>\d+\.\d+\.\d+))?")


def tfds(*, dataset: str, split: str = "train", dir: str | None = None, labels: bool = True,
         resolution: int | Sequence[int] | None = None, channels: int | None = None, resize: str = "lanczos",
         crop: str = "center", mirror: bool = False, on_bad: str = "error", max_megapixels: float = 64.0) -> Source:
    """`dataset` ("mnist", or "name/config:1.0.0") as `python -m jaxgan.prepare` built it in `dir`.

    dir: None means TFDS_DATA_DIR, else ~/tensorflow_datasets. split may be a TFDS slice, "train[:1000]". Labels are the
    set's class labels; labels=False ignores them. A set that fits in memory is decoded here; of a larger one a damaged
    record shows when its turn comes, unless on_bad="skip", which decodes everything once to know what to leave out.
    """
    transform = Transform(resolution, channels, resize, crop, max_megapixels)
    builder = _builder(_find(dataset, data_folder(dir, dataset)))
    image_key, label_key = _keys(builder, dataset)
    label_key = label_key if labels else None
    records = _records(builder, split, image_key, dataset)
    bad = BadFiles(on_bad, f"{dataset} {split}")
    bad.some(records)
    transform = transform.decided(_shape(builder.info.features[image_key].shape, transform, dataset))
    height, width, _ = builder.info.features[image_key].shape
    threaded = not (height and width) or height * width >= THREADED_PIXELS
    rows, images = np.arange(len(records)), None
    if bad.skip:
        kept, images = bad.keep_decodable([f"record {i}" for i in rows],
                                          lambda i: decode(records[i][image_key], transform)[None],
                                          len(rows) * math.prod(transform.shape), threaded)
        rows = rows[kept]

    def load(indices: Sequence[int]) -> Arrays:
        numbers = [int(rows[i]) for i in indices]
        found = records.__getitems__(numbers)  # in bulk: five times as fast as one by one
        pictures = [bad.strict(f"record {number}", lambda r=record: decode(r[image_key], transform))
                    for number, record in zip(numbers, found)]
        return Arrays(np.stack(pictures), _labels(found, label_key, dataset))

    info = _info(builder, transform, label_key, tuple(bad.skipped))
    if images is None:
        return mirrored(settled(EncodedSource(load, len(rows), info, threaded)), mirror)
    return mirrored(ArraySource(images, _labels(records.__getitems__(rows.tolist()), label_key, dataset), info), mirror)


def data_folder(dir: str | None, dataset: str | None = None) -> Path:
    """Where prepared sets are looked for. Of a folder in a bucket, `dataset` is copied to this machine."""
    named = dir or os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets"
    if dataset and buckets.is_bucket(named):
        return buckets.fetched(f"{named}/{parse(dataset, 'config.data.dataset')[0]}").parent
    return Path(named).expanduser()


def tensorflow_datasets() -> ModuleType:
    """The library; it takes most of a second to import, so only what reads such a set does."""
    import tensorflow_datasets

    return tensorflow_datasets


def parse(dataset: str, option: str) -> tuple[str, str | None, str | None]:
    """"name/config:version" -> its three parts. `option` is for the message."""
    found = NAME.fullmatch(dataset)
    if not found:
        raise InputError(f"{option} must look like mnist, name/config or name/config:1.0.0; got {dataset!r}.")
    return found["name"], found["config"], found["version"]


def unknown(name: str, option: str, prepared: Sequence[str] = ()) -> InputError | None:
    """The refusal of a name that TFDS does not have, with close matches; None if it has it."""
    names = tensorflow_datasets().list_builders(with_community_datasets=False)
    if name in names:
        return None
    close = difflib.get_close_matches(name, {*names, *prepared}, n=3)
    hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else (
        "The names are listed at https://www.tensorflow.org/datasets/catalog.")
    return InputError(f"{option}: TFDS has no data set {name!r}. {hint}")


def prepared_folder(dataset: str, folder: Path, option: str) -> Path | None:
    """Where the newest prepared version of `dataset` lies below `folder`; None if it is not there."""
    name, config, version = parse(dataset, option)
    patterns = [f"{config}/{version or '*'}"] if config else [version or "*", f"*/{version or '*'}"]
    for pattern in patterns:
        found = [path.parent for path in (folder / name).glob(f"{pattern}/dataset_info.json")
                 if VERSION.fullmatch(path.parent.name)]  # not what an interrupted build left
        configs = sorted({path.parent.name for path in found})
        if len(configs) > 1:
            raise InputError(f"{option}: {name} has several configs in {folder / name}: {', '.join(configs)}. "
                             f"Write {name}/{configs[0]}.")
        if found:
            return max(found, key=lambda path: tuple(map(int, path.name.split("."))))
    return None


def _find(dataset: str, folder: Path) -> Path:
    """`prepared_folder`, or the refusal. tfds is not asked for what is missing: it would retry for minutes."""
    found = prepared_folder(dataset, folder, "config.data.dataset")
    if found:
        return found
    prepared = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    raise unknown(parse(dataset, "config.data.dataset")[0], "config.data.dataset", prepared) or InputError(
        f"config.data.dataset: {dataset!r} is not in {folder}{'' if folder.is_dir() else ', which does not exist'}. "
        f"Build it with `python -m jaxgan.prepare --dataset={dataset} --dir={folder}`, or point TFDS_DATA_DIR or "
        "--config.data.dir at the folder that holds it.")


def _builder(folder: Path) -> Any:
    """The prepared set in `folder`. TFDS imports whatever modules its features.json names: here, its own alone."""
    try:
        foreign = [name for name in _classes(json.loads((folder / "features.json").read_text(encoding="utf-8")))
                   if not name.startswith("tensorflow_datasets.")]
        if foreign:
            raise InputError(f"{folder}: its features.json names {foreign[0][:80]!r}, code that does not come with "
                             "TFDS and is not run. Use a set that `python -m jaxgan.prepare` built.")
        return tensorflow_datasets().builder_from_directory(folder)
    except InputError:
        raise
    except Exception as error:  # damaged descriptions raise almost anything inside TFDS
        raise InputError(f"{folder} is no prepared TFDS set, or a damaged one ({' '.join(str(error).split())[:200]}). "
                         "Build it again with `python -m jaxgan.prepare`.") from error


def _classes(features: Any) -> Iterator[str]:
    """The names of classes in a features.json, in any of the ways of writing it."""
    entries = features.items() if isinstance(features, dict) else enumerate(features)
    for key, value in entries:
        if isinstance(value, str) and key in ("type", "pythonClassName", "python_class_name"):
            yield value
        elif isinstance(value, dict | list):
            yield from _classes(value)


def _keys(builder: Any, dataset: str) -> tuple[str, str | None]:
    """The names of the image and of the class label among the set's features."""
    features = builder.info.features
    kinds = tensorflow_datasets().features
    images = [key for key, feature in features.items() if isinstance(feature, kinds.Image)]
    if "image" not in images and len(images) != 1:
        raise InputError(f"config.data.dataset: {dataset} has {len(images) or 'no'} image features "
                         f"({', '.join(images) or ', '.join(features)}); jaxgan needs one, or one called `image`.")
    classes = [key for key, feature in features.items() if isinstance(feature, kinds.ClassLabel)]
    label = "label" if "label" in classes else classes[0] if len(classes) == 1 else None
    return "image" if "image" in images else images[0], label


def _records(builder: Any, split: str, image_key: str, dataset: str) -> Sequence[dict[str, Any]]:
    library = tensorflow_datasets()
    if builder.info.file_format.value != "array_record":
        raise InputError(f"config.data.dataset: {dataset} in {builder.data_dir} is stored as "
                         f"{builder.info.file_format.value}, which needs TensorFlow to read. Build it again with "
                         f"`python -m jaxgan.prepare --dataset={dataset} --dir=ANOTHER_FOLDER`.")
    try:
        return builder.as_data_source(split=split, decoders={image_key: library.decode.SkipDecoding()})
    except (ValueError, AssertionError) as error:
        raise InputError(f"config.data.split: {dataset} has no split {split!r}. It has: "
                         f"{', '.join(builder.info.splits)}.") from error


def _shape(declared: tuple[int | None, ...], transform: Transform, dataset: str) -> tuple[int, int, int]:
    height, width, channels = declared
    if transform.resolution is None and None in (height, width):
        raise InputError(f"The images of {dataset} differ in size. Set --config.data.resolution to one size.")
    return height, width, channels or 3


def _labels(records: Sequence[dict[str, Any]], key: str | None, dataset: str) -> np.ndarray | None:
    if key is None:
        return None
    labels = np.asarray([record[key] for record in records], np.int32)
    if labels.min() < 0:
        raise InputError(f"This split of {dataset} is unlabelled. Pass --config.data.labels=false.")
    return labels


def _info(builder: Any, transform: Transform, label_key: str | None, skipped: tuple[str, ...]) -> Info:
    names = tuple(builder.info.features[label_key].names) if label_key else ()
    return Info(name=builder.info.name, shape=transform.shape, num_classes=len(names), class_names=names,
                splits={name: split.num_examples for name, split in builder.info.splits.items()},
                licence=getattr(builder.info.redistribution_info, "license", "") or "unknown",
                label_kind="class" if label_key else "none", skipped=skipped,
                label_frequencies=tuple(1 / len(names) for _ in names))
