"""A run opened to be used: what it was made of, its state at one step, and real images to hold beside it."""

import functools
import re
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan import catalogue, data
from jaxgan.data.source import Arrays, materialise, read
from jaxgan.errors import InputError
from jaxgan.evaluation import Judge
from jaxgan.experiment import Experiment
from jaxgan.images import from_uint8
from jaxgan.inputs import HELD_OUT, Input, open_data, pictures
from jaxgan.latents.critic import Calibration, alone, calibrate
from jaxgan.latents.multimodal import find_centres
from jaxgan.latents.perceptual import Features, of_backbone
from jaxgan.latents.sampling import Truncation
from jaxgan.metrics.cache import Cache, default_folder
from jaxgan.metrics.choice import Spec
from jaxgan.metrics.features import CachedSample, Extractor
from jaxgan.runs import CONVERTED, RunFolder
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.state import TrainState
from jaxgan.typing import PyTree

CALIBRATION_IMAGES = 2048  # of each side; of the real ones, all where there are fewer


class Trained:
    """The run in `workdir` at a checkpoint. real: data that stand for its own, as `inputs.open_data` reads them.
    trust: as `RunFolder.config` says.

    Raises InputError where there is no such run or checkpoint; its data and its state are read when first asked for.
    """

    def __init__(self, workdir: Path | str, checkpoint: str = "latest", real: str | None = None, trust: bool = False):
        self.folder = RunFolder(workdir)
        self.config = self.folder.config(trust)
        self.experiment = Experiment(self.config, self.folder.info(), examples=lambda: self.real.source)
        self.info = self.experiment.info
        self._checkpoints = Checkpoints(self.folder.checkpoints, read_only=True)
        self.step = self._checkpoints.choose(checkpoint)
        self._real = real

    @functools.cached_property
    def state(self) -> TrainState:
        """Read when it is first asked for, so that a command can refuse its other options before."""
        with closing(self._checkpoints) as checkpoints:
            return checkpoints.restore(self.step, self.experiment.abstract_state())

    @property
    def title(self) -> str:
        """`"dcgan-digits, step 4,000"`."""
        return f"{self.folder.path.resolve().name}, step {self.step:,}"

    @property
    def draw_labels(self):
        """`Experiment.draw_labels`; None for an unlabelled run."""
        return self.experiment.draw_labels if self.info.labelled else None

    @functools.cached_property
    def real(self) -> Input:
        """The images it was trained on, or those that stand for them."""
        if self._real is not None:
            found = open_data(self._real, "--real", self.info.shape)
            if found.source.info.shape != self.info.shape:
                raise InputError(f"--real={self._real}: these are {found.source.info.shape}, the run's images "
                                 f"{self.info.shape}.")
            return found
        if self.info.name == CONVERTED:
            raise InputError(f"{self.folder.name} was converted from published weights, and the data they were trained "
                             "on are not in it: name real images by --real=P.")
        found = self._own(None)
        if found.source.info.content_hash != self.info.content_hash:
            raise InputError(f"The data of {self.folder.name} have changed since it was trained: their content is "
                             "another. Name real images by --real=P.")
        return found

    @property
    def unseen(self) -> Input:
        """Real images it was not trained on, where its data have such a split; else those of `real`."""
        real = self.real
        splits = [] if self._real else real.source.info.splits
        held_out = next((split for split in HELD_OUT if split in splits and split != real.split), None)
        return self._own(held_out) if held_out else real

    def _own(self, split: str | None) -> Input:
        name, arguments = catalogue.split_spec(self.config["data"], "data")
        arguments |= {} if split is None else {"split": split}
        return Input(name, arguments.get("split", "train"), data.open({"name": name, **arguments}))

    @property
    def discriminator(self) -> PyTree:
        """The discriminator's weights, {"params", "variables"}. Raises InputError where they were never trained."""
        record = self.folder.record()
        converted = record.get("converted", {"discriminator": True})
        if not (isinstance(converted, dict) and converted.get("discriminator")):
            raise InputError(f"{self.folder.name} was converted from published weights that had no discriminator, and "
                             "this needs one.")
        player = self.state.players["discriminator"]
        return {"params": player.params, "variables": player.variables}

    @functools.cached_property
    def _judge(self):
        judge = alone(self.experiment.parts.networks["discriminator"])
        return {what: self.experiment.sampler.compile(
            lambda weights, images, labels, what=what: getattr(judge(weights, images, labels), what))
            for what in ("logit", "features")}

    def judge(self, what: str, images: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """The discriminator's "logit" or "features" of images, each by itself; float32 in [-1, 1], or uint8."""
        images = from_uint8(images) if images.dtype == np.uint8 else images
        return self._judge[what](self.discriminator, images, labels if self.info.labelled else None)

    def calibration(self, weights: PyTree, truncation: Truncation | None) -> tuple[Calibration, np.ndarray]:
        """How the discriminator's logit is to be read, from fakes of the first seeds and from real images, unseen ones
        where there are; and what the calibrated logits of those fakes are."""
        source = self.unseen.source
        rows = np.random.default_rng(0).permutation(len(source))[:CALIBRATION_IMAGES]
        real = self.judge("logit", *self._labelled(read(source, np.sort(rows))))
        seeds = range(CALIBRATION_IMAGES)
        labels = self.draw_labels(seeds) if self.draw_labels else None
        fake = self.judge("logit", self.experiment.sampler(weights, seeds, labels, truncation), labels)
        found = calibrate(real, fake)
        return found, found.log_ratio(fake)

    def choose_weights(self, options: Any, classes: Sequence[int] | None) -> tuple[PyTree, Truncation | None, str]:
        """The weights and the truncation that the options of `command.add_weights` ask for, and the former in words.

        classes: those of which --centres are wanted; None for centres of all codes together.
        """
        experiment, truncation = self.experiment, None
        if options.truncation is not None:
            truncation = Truncation(options.truncation, options.cutoff)
            experiment.sampler.check(truncation)
        weights, described = experiment.weights(self.state, options.raw), "raw" if options.raw else "average"
        if options.average_std is not None:
            stored = experiment.stored_averages(self.folder.averages)
            weights = stored.reconstruct(options.average_std, int(self.state.step))
            described = f"average of std {options.average_std:g}"
        if options.standing is not None:
            if options.standing < 1:
                raise InputError(f"--standing={options.standing}: give a number of batches from 1.")
            weights = experiment.standing(weights, options.standing, truncation)
            described += f", statistics of {options.standing} batches"
        if options.centres is not None:
            if self.info.label_kind == "vector":
                raise InputError("--centres are of all codes or of a class: this run's labels are vectors.")
            centres = find_centres(experiment.sampler, weights, options.centres, classes)
            truncation = truncation._replace(centres=centres)
        return weights, truncation, described

    def features(self, backbone: Spec, images: np.ndarray, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Features of all real images [N, D], which are kept in the cache, and of those given, uint8 [M, H, W, C].

        backbone: as metrics name them, or "discriminator", what the run's own reads its logit from.
        """
        if backbone == "discriminator":
            return self.judge("features", *self._labelled(materialise(self.real.source))), self.judge(
                "features", images, labels)
        with Cache(default_folder()) as cache:
            extractor = self._extractor(backbone, cache)
            real = np.array(CachedSample(pictures(self.real.source), extractor, ("pool",), cache).pool)
        stream = extractor.stream(lambda start, stop: images[start:stop], len(images))
        return real, np.concatenate([outputs["pool"] for _, outputs in stream])

    def perceptual(self, backbone: Spec) -> Features:
        """The same features as functions with a gradient."""
        if backbone == "discriminator":
            judge = alone(self.experiment.parts.networks["discriminator"])
            return Features(self.discriminator, lambda *inputs: judge(*inputs).features)
        with Cache(default_folder()) as cache:
            return of_backbone(self._extractor(backbone, cache).backbone, self.info.shape)

    def _extractor(self, backbone: Spec, cache: Cache) -> Extractor:
        try:
            return Judge(self.real, None, (), cache).extractor(backbone)
        except InputError as error:  # backbones are named in a config too, and say so
            raise InputError(re.sub(r"^config\.backbone", "--backbone", str(error))) from error

    def _labelled(self, arrays: Arrays) -> Arrays:
        """`arrays`, if the discriminator has the labels it needs."""
        if self.info.label_kind == "image":
            return Arrays(arrays.images, self.experiment.given(arrays, np.arange(len(arrays.images))))
        kind = self.real.source.info.label_kind
        if self.info.labelled and kind != self.info.label_kind:
            raise InputError(f"--real={self._real}: the discriminator judges images by their labels; name images that "
                             "have the run's.")
        return arrays
