"""What can be scored: a run, a folder, an .npz, a data set by name."""

import dataclasses
import hashlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgan import buckets, catalogue, config, data, images
from jaxgan.data.source import MEMORY_LIMIT, Arrays, ArraySource, hashed, materialise, nbytes, read
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.metrics.features import Images
from jaxgan.runs import CONVERTED, RunFolder
from jaxgan.training.checkpoints import Checkpoints

HELD_OUT = ("test", "validation", "valid", "val")  # splits that held-out images are taken from, the first there is
READ = 512  # examples decoded at a time


class Input(NamedTuple):
    """Images of one side. name and split: what the record calls them."""

    name: str
    split: str
    source: data.Source

    def record(self) -> dict[str, Any]:
        """Which images these are, by content."""
        return {"data": self.name, "split": self.split, "sha256": self.source.info.content_hash}


def open_data(text: str, option: str, shape: tuple[int, int, int] | None = None) -> Input:
    """A folder, an .npz, or `dataset:split`: `digits`, `mnist:test`, `tfds:NAME:SPLIT`, `npz:PATH:SPLIT` …

    Images are read as they are, at the size they have, unless `shape` says what to bring them to. Raises InputError
    that begins with `option`.
    """
    try:
        spec = _data_spec(text)
        spec |= {"resolution": shape[:2], "channels": shape[2]} if shape else {}
        source = data.open(spec)
    except InputError as error:
        raise InputError(f"{option}={text}: {_without_config(str(error))}") from error
    return Input(source.info.name, spec.get("split", "train"), source)


def _data_spec(text: str) -> dict[str, Any]:
    if buckets.is_bucket(text):
        return {"name": "npz" if text.endswith(".npz") else "folder", "path": text}
    path = Path(text).expanduser()
    if path.is_dir():
        return {"name": "folder", "path": str(path)}
    first, _, rest = text.partition(":")
    before, _, split = rest.rpartition(":")
    if path.suffix == ".npz" and (path.exists() or first not in ("npz", "tfds")):
        return {"name": "npz", "path": str(path)}
    if first in ("folder", "npz", "pairs", "tfds"):
        whole = not before or Path(rest).exists() or re.fullmatch(r"\d+\.\d+\.\d+", split)
        return config.data_argument(text) if whole else config.data_argument(f"{first}:{before}") | {"split": split}
    if "/" in text or not re.fullmatch(r"\w+(:.+)?", text):
        raise InputError("There is no such folder or file. Give a folder of images, an .npz, or DATASET:SPLIT.")
    return config.data_argument(first) | ({"split": rest} if rest else {})


def _without_config(message: str) -> str:
    """A message of `jaxgan.data` without the advice that only a config can follow."""
    sentences = re.split(r"(?<=[.]) ", re.sub(r"^config\.data\.\w+: ", "", message))
    return " ".join(each for each in sentences if "config.data" not in each)


class Subset:
    """Some examples of a source."""

    def __init__(self, source: data.Source, rows: np.ndarray):
        self._source, self._rows = source, rows
        self.info = hashed(self, source.info)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._source[int(self._rows[index])]

    def read(self, indices: Sequence[int]) -> Arrays:
        return read(self._source, self._rows[np.asarray(indices)])


class Generated:
    """What a generator makes of seeds, as a source."""

    def __init__(self, experiment: Experiment, weights: Any, seeds: Sequence[int]):
        self._experiment, self._weights, self._seeds = experiment, weights, np.asarray(seeds, np.uint32)
        self._labels = experiment.draw_labels(self._seeds) if experiment.info.labelled else None
        self.info = hashed(self, dataclasses.replace(experiment.info, splits={}, skipped=()))

    def __len__(self) -> int:
        return len(self._seeds)

    def __getitem__(self, index: int) -> dict[str, Any]:
        arrays = self.read([index])
        return {"image": arrays.images[0]} | ({} if arrays.labels is None else {"label": arrays.labels[0]})

    def read(self, indices: Sequence[int]) -> Arrays:
        rows = np.asarray(indices)
        labels = None if self._labels is None else self._labels[rows]
        made = self._experiment.generate(self._weights, self._seeds[rows], labels)
        return Arrays(made if self.info.kind == "point" else images.to_uint8(made), labels)


def subset(given: Input, num: int | None, seed: int) -> Input:
    """`num` examples of an input, drawn without replacement; all of them where it has no more."""
    if num is None or num >= len(given.source):
        return given
    rows = np.sort(np.random.default_rng(seed).permutation(len(given.source))[:num])
    return given._replace(source=Subset(given.source, rows))


def digests(source: data.Source) -> list[bytes] | None:
    """A hash of each image's pixels; None where there are more than fit in memory, and looking takes too long."""
    if nbytes(source) > MEMORY_LIMIT:
        return None
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest()
            for rows in _chunks(len(source)) for image in read(source, rows).images]


class Run:
    """A trained run as a source of fakes, with the data it was trained on, or with those that `real` names. trust: as
    `RunFolder.config` says.

    Raises InputError where its own data have changed, or are not known because its weights come from elsewhere.
    """

    def __init__(self, workdir: Path, checkpoint: str = "latest", raw: bool = False, real: str | None = None,
                 trust: bool = False):
        folder = RunFolder(workdir)
        self.config, info = folder.config(trust), folder.info()
        if real is None and info.name == CONVERTED:
            raise InputError(f"{workdir} was converted from published weights, and the data they were trained on are "
                             "not in it: say what to compare with, by --real=P.")
        self.experiment = Experiment(self.config, info, examples=lambda: self.real.source)
        checkpoints = Checkpoints(folder.checkpoints, read_only=True)
        self.step = checkpoints.choose(checkpoint)
        state = checkpoints.restore(self.step, self.experiment.abstract_state())
        checkpoints.close()
        self.weights = self.experiment.weights(state, raw)
        self.name = f"{workdir} step {self.step}{' raw' if raw else ''}"
        self._own_data = real is None
        self.real = self._open(None) if self._own_data else open_data(real, "--real", info.shape)
        if self._own_data and self.real.source.info.content_hash != info.content_hash:
            raise InputError(f"The data of {workdir} have changed since it was trained: their content is another. "
                             "Say what to compare with, by --real=P.")

    def held_out(self) -> Input | None:
        """The split of its own data that is for testing, where there is one that was not trained on."""
        if not self._own_data:
            return None
        splits = self.real.source.info.splits
        return next((self._open(split) for split in HELD_OUT if split in splits and split != self.real.split), None)

    def fakes(self, seeds: Sequence[int]) -> Input:
        """Samples of these seeds; kept in memory where they fit."""
        source = Generated(self.experiment, self.weights, seeds)
        if nbytes(source) <= MEMORY_LIMIT:
            source = ArraySource(*source.read(np.arange(len(source))), source.info)
        return Input(self.name, f"seeds {seeds[0]}-{seeds[-1]}", source)

    def _open(self, split: str | None) -> Input:
        spec = self.config["data"]
        name, arguments = catalogue.split_spec(spec, "data")
        arguments |= {} if split is None else {"split": split}
        source = data.open({"name": name, **arguments})
        return Input(source.info.name, arguments.get("split", "train"), source)


def pictures(source: data.Source) -> Images:
    """A source as `CachedSample` reads it."""
    def whole() -> np.ndarray:
        if nbytes(source) <= MEMORY_LIMIT:
            return materialise(source).images
        dtype = np.float32 if source.info.kind == "point" else np.uint8
        with tempfile.TemporaryFile() as file:  # has no name, and goes with the last reference to the map
            array = np.memmap(file, dtype, "w+", shape=(len(source), *source.info.shape))
        for rows in _chunks(len(source)):
            array[rows] = read(source, rows).images
        return array

    def labels() -> np.ndarray | None:
        if source.info.label_kind == "none" or hasattr(source, "arrays"):
            return materialise(source).labels if hasattr(source, "arrays") else None
        return np.concatenate([read(source, rows).labels for rows in _chunks(len(source))])

    return Images(len(source), lambda start, stop: read(source, np.arange(start, stop)).images, whole, labels,
                  digest=lambda: source.info.content_hash)


def _chunks(num: int) -> Iterator[np.ndarray]:
    return (np.arange(start, min(start + READ, num)) for start in range(0, num, READ))
