"""What every data source offers, and the two kinds there are: arrays in memory, and examples decoded when asked for."""

import copy
import dataclasses
import functools
import hashlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np

from jaxgan.errors import InputError

MEMORY_LIMIT = 2 << 30  # bytes of decoded examples that may be held in memory
LARGEST = 10**9  # pixels times channels of an example that a record is believed
THREADED_PIXELS = 96 * 96  # decoding smaller images is mostly Python, which threads slow down twofold
CHUNK = 512


class Arrays(NamedTuple):
    """images: uint8 [N, H, W, C], or float32 in [-1, 1] for points. labels: int32 [N], float32 [N, L], uint8 images
    [N, h, w, c] or None."""

    images: np.ndarray
    labels: np.ndarray | None

    @property
    def nbytes(self) -> int:
        return self.images.nbytes + (0 if self.labels is None else self.labels.nbytes)


@dataclasses.dataclass(frozen=True)
class Info:
    """What a source holds.

    shape: (H, W, C) of every example. num_classes: of class labels, or the length of vector labels; 0 without labels.
    splits: examples in each split before mirroring and skipping. kind: "image" or "point".
    label_kind: "none", "class", "vector", or "image", of label_shape: what a generator makes its own image from.
    skipped: "file: reason" for what `on_bad="skip"` left out.
    label_frequencies: share of each class; taken as equal for a TFDS set that streams. label_examples: up to 256 of the
    label vectors. centres, std: of the modes, in the units of the points, where the data are a known mixture.
    hasher computes `content_hash`; a source sets it.
    """

    name: str
    shape: tuple[int, int, int]
    num_classes: int = 0
    class_names: tuple[str, ...] = ()
    splits: Mapping[str, int] = dataclasses.field(default_factory=dict)
    licence: str = "unknown"
    kind: str = "image"
    label_kind: str = "none"
    label_shape: tuple[int, ...] = ()
    skipped: tuple[str, ...] = ()
    label_frequencies: tuple[float, ...] = ()
    label_examples: tuple[tuple[float, ...], ...] = ()
    centres: tuple[tuple[float, ...], ...] = ()
    std: float | None = None
    hasher: Callable[[], str] | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def labelled(self) -> bool:
        """Whether networks are given a label of any kind."""
        return self.label_kind != "none"

    def blank_labels(self, count: int) -> np.ndarray | None:
        """As many labels as a network takes, of zeros; None for unlabelled data."""
        if not self.labelled:
            return None
        if self.label_kind == "class":
            return np.zeros(count, np.int32)
        return np.zeros((count, *(self.label_shape or (self.num_classes,))), np.float32)

    @functools.cached_property
    def content_hash(self) -> str:
        """sha256 (hex) over shape, decoded images and labels: the same for the same examples whatever file held them.

        Computed when first read; for a source that streams this decodes every example once.
        """
        return self.hasher()

    def to_dict(self) -> dict[str, Any]:
        """Everything but the hasher, the content hash in its place, ready for JSON; `from_dict` reads it back."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "hasher"}
        return fields | {"splits": dict(self.splits), "content_hash": self.content_hash}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Info":
        """The Info that `to_dict` wrote, from JSON or not. Raises TypeError, KeyError or ValueError for others."""
        def freeze(value):
            return tuple(map(freeze, value)) if isinstance(value, list) else value
        fields = {name: freeze(value) for name, value in fields.items()}
        digest = fields.pop("content_hash")
        info = cls(**fields, hasher=lambda: digest)
        _check_info(info, digest)
        return info


def _check_info(info: Info, digest: Any) -> None:
    """Refuses, with a ValueError or TypeError, what no data are like: a record may come from anywhere."""
    counts = (*info.shape, *info.label_shape, *info.splits.values())
    rows = (*info.label_examples, *info.centres)
    numbers = [number for row in (info.label_frequencies, (info.std or 0.0,), *rows) for number in row]
    texts = (info.name, info.licence, digest, *info.class_names, *info.skipped, *info.splits)
    sound = (all(type(count) is int and 0 <= count < 2**40 for count in (info.num_classes, *counts))
             and len(info.shape) == 3 and 0 < math.prod(info.shape) <= LARGEST
             and all(type(text) is str for text in texts) and all(math.isfinite(number) for number in numbers)
             and info.kind in ("image", "point") and info.label_kind in ("none", "class", "vector", "image")
             and len(info.label_frequencies) in (0, info.num_classes)
             and all(len(row) == info.num_classes for row in info.label_examples)
             and (info.label_kind in ("none", "image")) == (info.num_classes == 0)
             and (info.label_kind == "image") == (len(info.label_shape) == 3)
             and (info.label_kind != "class" or len(info.label_frequencies) == info.num_classes)
             and (info.label_kind != "vector" or len(info.label_examples) > 0))
    if not sound:
        raise ValueError("these are no facts of a set of images")


class Source(Protocol):
    """Examples by index. `source[i]` is {"image": uint8 [H, W, C], "label": int, float32 vector or uint8 image, where
    there is one}; points are float32 in [-1, 1] instead of uint8."""

    info: Info

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> dict[str, Any]: ...


class ArraySource:
    """A source whose examples are in memory."""

    def __init__(self, images: np.ndarray, labels: np.ndarray | None, info: Info):
        self.arrays = Arrays(images, labels)
        self.info = hashed(self, dataclasses.replace(info, **label_facts(labels, info)))

    def __len__(self) -> int:
        return len(self.arrays.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return _example(Arrays(*(None if a is None else a[_checked(index, len(self))] for a in self.arrays)))

    def read(self, indices: Sequence[int]) -> Arrays:
        return Arrays(*(None if a is None else a[np.asarray(indices)] for a in self.arrays))


class EncodedSource:
    """A source whose examples are decoded when asked for.

    `load(indices)` decodes a few examples, in order; `threaded` says whether several threads do that faster than one.
    """

    def __init__(self, load: Callable[[Sequence[int]], Arrays], length: int, info: Info, threaded: bool):
        self._load = load
        self._length = length
        self._threaded = threaded
        self.info = hashed(self, info)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> dict[str, Any]:
        arrays = self.read([_checked(index, len(self))])
        return _example(Arrays(*(None if a is None else a[0] for a in arrays)))

    def read(self, indices: Sequence[int]) -> Arrays:
        """Decodes many examples."""
        images = np.empty((len(indices), *self.info.shape), np.uint8)

        def fill(places: range) -> np.ndarray | None:
            part = self._load([indices[place] for place in places])
            images[places.start:places.stop] = part.images
            return part.labels

        size = min(CHUNK, -(-len(indices) // (4 * num_threads()))) if self._threaded else CHUNK
        labels = in_chunks(fill, range(len(indices)), size, self._threaded)
        return Arrays(images, None if labels[0] is None else np.concatenate(labels))


class Mirrored:
    """A source followed by its own mirror image: example `n + i` of the 2n is example i flipped left to right."""

    def __init__(self, source: Source):
        self._source = source
        self._images = ("image", "label") if source.info.label_kind == "image" else ("image",)
        self.info = hashed(self, source.info)

    def __len__(self) -> int:
        return 2 * len(self._source)

    def __getitem__(self, index: int) -> dict[str, Any]:
        index = _checked(index, len(self))
        example = self._source[index % len(self._source)]
        if index < len(self._source):
            return example
        return {name: flipped(value) if name in self._images else value for name, value in example.items()}

    @functools.cached_property
    def arrays(self) -> Arrays:
        images, labels = materialise(self._source)
        again = flipped(labels) if "label" in self._images else labels
        return Arrays(np.concatenate([images, flipped(images)]),
                      None if labels is None else np.concatenate([labels, again]))

    def read(self, indices: Sequence[int]) -> Arrays:
        indices = np.asarray(indices)
        images, labels = read(self._source, indices % len(self._source))
        turned = (indices >= len(self._source))[:, None, None, None]
        again = np.where(turned, flipped(labels), labels) if "label" in self._images else labels
        return Arrays(np.where(turned, flipped(images), images), again)


def flipped(image: np.ndarray) -> np.ndarray:
    """An image [H, W, C] or several [N, H, W, C], left to right."""
    return image[..., ::-1, :]


def read(source: Source, indices: Sequence[int]) -> Arrays:
    """Examples `indices` of any source, stacked."""
    if hasattr(source, "read"):
        return source.read(indices)
    examples = [source[int(i)] for i in indices]
    images = np.stack([e["image"] for e in examples])
    if source.info.label_kind == "none":
        return Arrays(images, None)
    dtype = {"class": np.int32, "vector": np.float32, "image": np.uint8}[source.info.label_kind]
    return Arrays(images, np.asarray([e["label"] for e in examples], dtype))


def materialise(source: Source) -> Arrays:
    """Every example, decoded. The caller decides whether that fits: see `nbytes`."""
    return source.arrays if hasattr(source, "arrays") else read(source, np.arange(len(source)))


def settled(source: EncodedSource) -> ArraySource | EncodedSource:
    """Decoded here and now where that fits in memory, so that damaged files show at once."""
    return ArraySource(*materialise(source), source.info) if nbytes(source) <= MEMORY_LIMIT else source


def nbytes(source: Source) -> int:
    """Bytes that the decoded images of `source` take, and those that are labels."""
    itemsize = 4 if source.info.kind == "point" else 1
    labels = math.prod(source.info.label_shape) if source.info.label_shape else 0
    return len(source) * (math.prod(source.info.shape) * itemsize + labels)


def hashed(source: Source, info: Info) -> Info:
    """`info` with the content hash of `source`, as whose last attribute it is set.

    A twin is hashed: a source that held itself would lie about until Python looks for cycles among old objects, with
    the samples of hundreds of evaluations.
    """
    twin = copy.copy(source)
    twin.info = dataclasses.replace(info, hasher=None)  # which may hold what the source was made from
    return dataclasses.replace(info, hasher=lambda: content_hash(twin))


def content_hash(source: Source) -> str:
    """See `Info.content_hash`."""
    digest = hashlib.sha256()
    labels = []
    for start in range(0, len(source), CHUNK):
        part = read(source, np.arange(start, min(start + CHUNK, len(source))))
        if start == 0:
            digest.update(f"{part.images.dtype}{(len(source), *part.images.shape[1:])}".encode())
        digest.update(np.ascontiguousarray(part.images))
        labels.append(part.labels)
    if labels[0] is not None:
        whole = np.concatenate(labels)
        digest.update(f"{whole.dtype}{whole.shape}".encode())
        digest.update(np.ascontiguousarray(whole))
    return digest.hexdigest()


def label_facts(labels: np.ndarray | None, info: Info) -> dict[str, tuple]:
    """The label fields of Info that follow from the labels themselves."""
    if labels is None or info.label_kind == "image":
        return {}
    if info.label_kind == "class":
        shares = np.bincount(labels, minlength=info.num_classes) / len(labels)
        return {"label_frequencies": tuple(shares.tolist())}
    return {"label_examples": tuple(map(tuple, np.asarray(labels[:256], np.float64).tolist()))}


def num_threads() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_chunks(function: Callable[[Sequence[int]], Any], indices: Sequence[int], size: int, threaded: bool) -> list:
    """`function` of each run of `size` indices, in order, on several threads or one."""
    chunks = [indices[start:start + size] for start in range(0, len(indices), size)]
    if not threaded or len(chunks) == 1:
        return [function(chunk) for chunk in chunks]
    with ThreadPoolExecutor(num_threads()) as pool:
        return list(pool.map(function, chunks))


def mirrored(source: Source, mirror: bool) -> Source:
    """`source`, doubled by its mirror image where `config.data.mirror` says so."""
    return Mirrored(source) if mirror else source


def check_choice(value: Any, options: Sequence[Any], key: str) -> None:
    """Refuses a value of config.data.`key` outside `options`."""
    if value not in options:
        raise InputError(f"config.data.{key} must be one of {', '.join(map(repr, options))}; got {value!r}.")


def check_split(split: str, splits: Sequence[str], what: str) -> None:
    if split not in splits:
        raise InputError(f"config.data.split: {what} has no split {split!r}. It has: {', '.join(splits) or 'none'}.")


def _checked(index: int, length: int) -> int:
    if not 0 <= index < length:
        raise IndexError(f"example {index} of a source of {length}")
    return int(index)


def _example(one: Arrays) -> dict[str, Any]:
    if one.labels is None:
        return {"image": one.images}
    return {"image": one.images, "label": one.labels if np.ndim(one.labels) else int(one.labels)}
