"""jaxgan from Python: what `import jaxgan` offers by name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan import config as config_lib
from jaxgan import exporting, images, inputs, training_run
from jaxgan.buckets import is_bucket
from jaxgan.data import Info
from jaxgan.data.source import ArraySource
from jaxgan.errors import InputError
from jaxgan.evaluation import GROUPS, Judge, Result
from jaxgan.experiment import labels_of
from jaxgan.interop import hub
from jaxgan.latents.sampling import Sampler, Truncation
from jaxgan.metrics.cache import Cache, default_folder
from jaxgan.metrics.choice import Spec, choose, default_backbone
from jaxgan.trained import Trained
from jaxgan.training.parallel import make_mesh
from jaxgan.typing import PyTree

Images = np.ndarray | tuple[np.ndarray, np.ndarray] | str | Path  # images, images and labels, or where they are


class Generator:
    """A trained generator, as `load` and `train` give it. info: what its data were (shape, classes, licence)."""

    def __init__(self, sampler: Sampler, weights: PyTree, config: Mapping[str, Any], info: Info):
        self.config, self.info = config, info
        self._sampler, self._weights = sampler, weights

    def __repr__(self) -> str:
        name = self.config["generator"]
        classes = f", {self.info.num_classes} classes" if self.info.num_classes else ""
        return f"<{name if isinstance(name, str) else name['name']} generator, {self.info.shape}{classes}>"

    def generate(self, seeds: Sequence[int] | np.ndarray, labels: int | Sequence[int] | np.ndarray | None = None,
                 truncation: float | None = None) -> np.ndarray:
        """Images of seeds, uint8 [N, H, W, C]: the bytes that jaxgan.sample writes. Of a run on points, float32.

        labels: one class for all, one a seed, or label vectors [N, num_classes]; None draws them as often as the data
        have them. truncation: as --truncation of jaxgan.sample. Raises InputError for what this generator cannot take.
        """
        seeds = np.asarray(seeds)
        if seeds.ndim != 1 or not len(seeds) or seeds.dtype.kind not in "iu" or seeds.min() < 0 or seeds.max() >= 2**32:
            raise InputError("seeds must be a list of whole numbers from 0 to 2**32 - 1, such as range(16).")
        made = self._sampler(self._weights, seeds.tolist(), self._labels(labels, seeds),
                             None if truncation is None else Truncation(float(truncation)))
        return made if self.info.kind == "point" else images.to_uint8(made)

    def _labels(self, labels: Any, seeds: np.ndarray) -> np.ndarray | None:
        if labels is None:
            return labels_of(self.info, seeds) if self.info.labelled else None
        count, kind, given = self.info.num_classes, self.info.label_kind, np.asarray(labels)
        if kind == "none":
            raise InputError("labels: this generator was trained without; leave them out.")
        if kind == "class" and given.dtype.kind in "iu" and given.shape in ((), (len(seeds),)):
            if given.min() < 0 or given.max() >= count:
                raise InputError(f"labels must be classes from 0 to {count - 1}; got {given.min()} to {given.max()}.")
            return np.broadcast_to(given, seeds.shape).astype(np.int32)
        if kind == "vector" and given.shape == (len(seeds), count):
            return given.astype(np.float32)
        wanted = f"one class, or {len(seeds)}, one a seed" if kind == "class" else f"numbers [{len(seeds)}, {count}]"
        raise InputError(f"labels must be {wanted}; got {given.dtype} {given.shape}.")


def load(path: str | Path, checkpoint: str | int = "latest", raw: bool = False, trust: bool = False) -> Generator:
    """The generator of a run's folder, of an export of jaxgan.export, or of one on the Hub, "hf:user/name".

    checkpoint: "latest", "best" or a step; raw: the weights of that step, not their average: both of a run only.
    trust: what is opened may name code from outside jaxgan, which is then imported. Raises InputError where there is
    nothing of that kind, or it is damaged.
    """
    if str(path).startswith(hub.SCHEME):
        path = hub.download(str(path), list(exporting.READ_BACK))
    if not is_bucket(path) and exporting.is_export(Path(path)):
        if checkpoint != "latest" or raw:
            raise InputError(f"{path} is an export, which has the weights of one step: leave checkpoint and raw out.")
        found = exporting.read(Path(path), make_mesh(), trust)
        return Generator(found.sampler, found.weights, found.config, found.info)
    run = Trained(path if is_bucket(path) else Path(path), str(checkpoint), trust=trust)
    return Generator(run.experiment.sampler, run.experiment.weights(run.state, raw), run.config, run.info)


def train(config: str | Path | Mapping[str, Any], workdir: str | Path | None = None,
          quiet: bool = False) -> Generator:
    """Trains or resumes the run in `workdir`, as jaxgan.main does; returns its generator.

    config: a file, "configs/dcgan.py:mnist", or what `jaxgan.config.load` and `default` give. workdir: for a file,
    outputs/CONFIG-DATA unless given. Raises InputError where something does not fit, and
    jaxgan.training.signals.Interrupted, after a checkpoint, on SIGTERM or Ctrl-C.
    """
    chosen = config_lib.load(str(config)) if isinstance(config, str | Path) else config
    if workdir is None:
        if not isinstance(config, str | Path):
            raise InputError("train: say where the run is to lie, by workdir=…")
        workdir = Path("outputs") / config_lib.run_name(str(config), chosen)
    config_lib.validate(chosen)
    training_run.train(chosen, workdir, quiet=quiet)
    return load(workdir, trust=True)  # it was trained with the parts that its config names


def score(fake: Images, real: Images, metrics: Sequence[Spec] = ("fd", "kid", "prdc"), held_out: Images | None = None,
          backbone: Spec | None = None, seed: int = 0) -> dict[str, Result]:
    """Scores of images against real ones, by the names that jaxgan.evaluate gives them, with interval and protocol.

    Images are uint8 [N, H, W, C], or (images, labels), or what --real of jaxgan.evaluate takes: a folder, an .npz,
    "mnist:test". backbone: of the features; None is a classifier trained on the real images where those have labels,
    else Inception. held_out: real images that a generator has not seen.
    """
    known, made = _input(real, "real"), _input(fake, "fake")
    unseen = None if held_out is None else _input(held_out, "held_out")
    info = known.source.info
    choices = choose(metrics, info, backbone or default_backbone(info), "metrics")
    with Cache(default_folder()) as cache:
        judge = Judge(known, unseen, choices, cache)
        return {result.name: result for choice in choices for result in judge.measure(choice, [made], seed, GROUPS)}


def _input(side: Images, name: str) -> inputs.Input:
    if isinstance(side, str | Path):
        return inputs.open_data(str(side), name)
    pictures, labels = side if isinstance(side, tuple) else (side, None)
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or (labels is not None and len(labels) != len(pictures)):
        raise InputError(f"{name}: images must be uint8 [N, H, W, C], with as many labels or none; got "
                         f"{pictures.dtype} {pictures.shape}.")
    info = Info(name, pictures.shape[1:], splits={"train": len(pictures)})
    if labels is not None:
        labels = np.asarray(labels, np.int32)
        count = int(labels.max()) + 1
        info = Info(name, pictures.shape[1:], count, tuple(map(str, range(count))), info.splits, label_kind="class")
    return inputs.Input("arrays", "all", ArraySource(pictures, labels, info))

