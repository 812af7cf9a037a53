"""Scores with their protocol: what is compared with what, on which features, and how sure the number is."""

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from flax import serialization

import jaxgan
from jaxgan import catalogue
from jaxgan.data.source import ArraySource, Source
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.images import to_uint8
from jaxgan.inputs import Input, digests, pictures
from jaxgan.latents.spaces import latent_spaces
from jaxgan.metrics import intervals
from jaxgan.metrics.backbones import BACKBONES
from jaxgan.metrics.backbones import classifier as classifier_factory
from jaxgan.metrics.backbones.base import Backbone
from jaxgan.metrics.backbones.classifier import build, identity, train
from jaxgan.metrics.base import Sample, Sides, Space
from jaxgan.metrics.cache import Cache, default_folder, key
from jaxgan.metrics.choice import Choice, Spec, score_name
from jaxgan.metrics.features import CachedSample, Extractor, code_version
from jaxgan.metrics.intervals import Estimate
from jaxgan.typing import PyTree

GROUPS = 10  # of the jackknife, unless asked for otherwise

Report = Callable[[int, int], None]
Say = Callable[[str], Report | None]  # what is being done -> who is told how far it is


class Result(NamedTuple):
    """One number that people see. interval: how low and high came about; all three None where nothing was repeated.
    details: further values of the metric that belong to this one, such as each class's. short: the name in the field,
    which says nothing of features and numbers."""

    name: str
    short: str
    value: float
    low: float | None
    high: float | None
    interval: dict[str, Any] | None
    details: dict[str, float]
    protocol: dict[str, Any]


class Watched:
    """Sides that remember whether the held-out one was looked at: the protocol names it only then."""

    def __init__(self, sides: Sides):
        self._sides, self.looked = sides, False

    def __getattr__(self, name: str) -> Any:
        self.looked |= name == "held_out"
        return getattr(self._sides, name)


class Judge:
    """Compares fakes with real images; each backbone is set up once, each side's features are computed once.

    held_out: real images the generator has not seen. A backbone that is trained on data is trained on `real`.
    cache: for what is real; fake_cache: for the fakes. say: where progress is shown.
    """

    def __init__(self, real: Input, held_out: Input | None, choices: Sequence[Choice], cache: Cache,
                 fake_cache: Cache | None = None, say: Say = lambda what: None, devices: Sequence[Any] | None = None):
        self.real, self.held_out, self.choices, self.say = real, held_out, choices, say
        self.cache, self.fake_cache = cache, fake_cache or cache
        self._devices = devices
        self._extractors: dict[str, Extractor] = {}
        self._real_samples: dict[tuple[str, str], Sample] = {}
        self._copies: dict[str, int | None] = {}

    def extractor(self, spec: Spec | None) -> Extractor | None:
        """The backbone of a choice, ready to run; None for none."""
        if spec is None:
            return None
        if self.real.source.info.kind == "point":
            raise InputError("Points in the plane have no features: score them with metrics that need none, such as "
                             "modes.")
        name = spec_text(spec)
        if name not in self._extractors:
            self._extractors[name] = Extractor(self._backbone(spec), self._devices)
        return self._extractors[name]

    def _backbone(self, spec: Spec) -> Backbone:
        real = CachedSample(pictures(self.real.source), None, (), self.cache)
        name, arguments = catalogue.split_spec(spec, "backbone")
        found = catalogue.find(BACKBONES, name, "backbone")
        if found is classifier_factory:
            found = self._classifier
        return catalogue.call(found, arguments, "backbone", real=real)

    def _classifier(self, real: Sample, seed: int = 0) -> Backbone:
        """The classifier, trained at most once on the same images."""
        trained_on = identity(real, seed)

        def trained() -> np.ndarray:
            if report := self.say("training a classifier on the real images"):
                report(0, 1)
            return np.frombuffer(serialization.to_bytes(train(real, seed)), np.uint8)

        stored = self.cache.array(key(kind="weights", trained_on=trained_on, code=code_version()), trained)
        return build(serialization.msgpack_restore(bytes(stored)), trained_on)

    def sides(self, choice: Choice, fake: Input, spaces: Mapping[str, Space] | None = None) -> Sides:
        """What the metric of a choice is given. spaces: of the generator behind the fakes."""
        extractor = self.extractor(choice.backbone)
        self._check(choice, fake, extractor)
        held_out = self._real_sample("held-out", self.held_out, choice, extractor) if self.held_out else None
        return Sides(real=self._real_sample("real", self.real, choice, extractor),
                     fake=self._sample(fake, f"fake {fake.split}", choice, extractor, self.fake_cache),
                     held_out=held_out,
                     spaces=spaces or {})

    def _real_sample(self, what: str, given: Input, choice: Choice, extractor: Extractor | None) -> Sample:
        place = what, spec_text(choice.backbone)
        if place not in self._real_samples:
            self._real_samples[place] = self._sample(given, f"{what} images", choice, extractor, self.cache)
        return self._real_samples[place]

    def _sample(self, given: Input, what: str, choice: Choice, extractor: Extractor | None, cache: Cache) -> Sample:
        name = extractor.backbone.name if extractor else ""
        kinds = {kind for other in self.choices if other.backbone == choice.backbone for kind in other.kinds}
        return CachedSample(pictures(given.source), extractor, sorted(kinds), cache, self.say(f"{name} of {what}"))

    def _check(self, choice: Choice, fake: Input, extractor: Extractor | None) -> None:
        """Refuses sides that this metric cannot compare."""
        for what, given in (("fake", fake), ("real", self.real), ("held-out", self.held_out)):
            if given is None:
                continue
            if len(given.source) < 2:
                raise InputError(f"The {what} side has {len(given.source)} image: scores need at least two.")
            shapes = [each.source.info.shape for each in (self.real, given)]
            if shapes[0] == shapes[1]:
                continue
            sizes = {extractor.input_shape(shape) for shape in shapes} if extractor else set()
            if "images" in choice.metric.reads or len(sizes) != 1:
                of = f" on the backbone {extractor.backbone.name}" if extractor else ""
                raise InputError(f"The real images are {shape_text(shapes[0])}, the {what} ones "
                                 f"{shape_text(shapes[1])}, and {choice.name}{of} takes one size: bring them to it, or "
                                 "choose a --backbone that resizes, such as inception.")

    def measure(self, choice: Choice, fakes: Sequence[Input], seed: int, groups: int = GROUPS,
                spaces: Mapping[str, Space] | None = None) -> list[Result]:
        """The values of one metric: the mean over several draws of fakes, or the value of one set with a jackknife.

        groups: of the jackknife; below 2 there is none. Values are kept in the cache under their whole protocol.
        """
        all_sides = [self.sides(choice, fake, spaces) for fake in fakes]
        protocol = self.protocol(choice, fakes, all_sides[0], seed)
        interval = ({"kind": "draws", "repeats": len(fakes), "level": intervals.LEVEL} if len(fakes) > 1 else
                    {"kind": "jackknife", "repeats": min(groups, all_sides[0].fake.num // 2), "level": intervals.LEVEL})

        def estimates() -> dict[str, Any]:
            if len(fakes) > 1:
                rows = [(sides, np.random.default_rng([seed, index])) for index, sides in enumerate(all_sides)]
                values, looked = self._compute(choice, rows)
                return {"values": intervals.of_draws(values), "held_out": looked}
            values, looked = self._compute(choice, self._jackknife(all_sides[0], seed, groups))
            return {"values": intervals.of_groups(values[0], values[1:]), "held_out": looked}

        facts = {"protocol": protocol, "interval": interval, "code": values_version(), "kind": "values"}
        found = remembered(self.fake_cache, facts, estimates) if ":" not in choice.name else estimates()
        if not found["held_out"]:
            protocol |= {"held_out": None, "n_held_out": None}
        return results({short: Estimate(*pair) for short, pair in found["values"].items()}, interval, protocol)

    @staticmethod
    def _jackknife(sides: Sides, seed: int, groups: int) -> list[tuple[Sides, np.random.Generator]]:
        """The whole, then the whole without each group, all of them with the same random numbers."""
        left_out = intervals.groups(sides.fake.num, groups, np.random.default_rng(seed))
        parts = [sides, *(sides._replace(fake=intervals.Without(sides.fake, rows)) for rows in left_out)]
        return [(part, np.random.default_rng([seed, 0])) for part in parts]

    def _compute(self, choice: Choice,
                 repetitions: Sequence[tuple[Sides, np.random.Generator]]) -> tuple[list[dict[str, float]], bool]:
        """The values of each repetition; whether the metric looked at held-out images."""
        report, values, looked = self.say(choice.name), [], False
        for sides, rng in repetitions:
            watched = Watched(sides)
            values.append(choice.metric.compute(watched, rng))
            looked |= watched.looked
            if report:
                report(len(values), len(repetitions))
        return values, looked

    @functools.cached_property
    def _real_digests(self) -> set[bytes] | None:
        found = digests(self.real.source)
        return None if found is None else set(found)

    def copies(self, fakes: Sequence[Input]) -> int | None:
        """How many fakes are real images, pixel for pixel; None where a side is too large to look."""
        for fake in fakes:
            name = fake.source.info.content_hash
            if name not in self._copies:
                found = digests(fake.source) if self._real_digests is not None else None
                self._copies[name] = None if found is None else sum(each in self._real_digests for each in found)
        counts = [self._copies[fake.source.info.content_hash] for fake in fakes]
        return None if None in counts else sum(counts)

    def protocol(self, choice: Choice, fakes: Sequence[Input], sides: Sides, seed: int) -> dict[str, Any]:
        """Everything that the number depends on, as the record has it."""
        extractor = self.extractor(choice.backbone)
        info = self.real.source.info
        return {
            "metric": choice.name,
            "arguments": dict(choice.arguments),
            "n_real": sides.real.num,
            "n_fake": sides.fake.num,
            "n_held_out": sides.held_out.num if sides.held_out else None,
            "real": self.real.record(),
            "fake": [fake.record() for fake in fakes],
            "held_out": self.held_out.record() if self.held_out else None,
            "copies": self.copies(fakes),
            "quantisation": "none (points)" if info.kind == "point" else "uint8",
            "backbone": backbone_record(extractor),
            "seed": seed,
            "jaxgan": jaxgan.__version__,
        }


def results(found: Mapping[str, Estimate], interval: dict[str, Any], protocol: dict[str, Any]) -> list[Result]:
    """One result a value, but for those whose names go on from another's: these are its details."""
    made = []
    for short, (value, margin) in found.items():
        if owner(short, found):
            continue
        backbone = protocol["backbone"]["name"] if protocol["backbone"] else None
        low, high = (None, None) if margin is None else (value - margin, value + margin)
        details = {other.removeprefix(f"{short}_"): estimate.value for other, estimate in found.items()
                   if owner(other, found) == short}
        made.append(Result(score_name(short, protocol["n_fake"], backbone), short, value, low, high,
                           None if margin is None else interval, details, protocol))
    return made


def owner(short: str, names: Iterable[str]) -> str | None:
    """The value that `short` is a detail of: `is` for `is_std`, `intra_fd` for `intra_fd_class3`."""
    return next((name for name in names if short.startswith(f"{name}_")), None)


def backbone_record(extractor: Extractor | None) -> dict[str, str] | None:
    """Name, resizer and weights of a backbone."""
    if extractor is None:
        return None
    backbone = extractor.backbone
    return {"name": backbone.name, "resizer": backbone.resizer, "weights_sha256": backbone.weights_sha256}


def spaces_of(experiment: Experiment, weights: PyTree) -> dict[str, Space]:
    """The latent spaces of a run's generator. Distances between its images are those of their pixels, not quantised."""
    draw_labels = experiment.draw_labels if experiment.info.num_classes else None
    return latent_spaces(experiment.sampler, weights, draw_labels, lambda made: made.reshape(len(made), -1))


def remembered(cache: Cache, facts: Mapping[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `make` gives, kept in the cache under `facts` as JSON, which holds floats exactly."""
    entry = cache.array(key(**facts), lambda: np.frombuffer(json.dumps(make()).encode(), np.uint8))
    return json.loads(bytes(entry))


def values_version() -> str:
    """sha256 (hex) of the code that turns features into values."""
    folder = Path(jaxgan.__file__).parent / "metrics"
    digest = hashlib.sha256(code_version().encode())
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def spec_text(spec: Spec | None) -> str:
    """A name for a spec, the same for the same arguments."""
    return spec if isinstance(spec, str) else json.dumps(spec and dict(spec), sort_keys=True)


def shape_text(shape: tuple[int, int, int]) -> str:
    return "×".join(map(str, shape))


class TrainingJudge:
    """Scores states of a run while it trains: the config's metrics of fixed seeds against the training data.

    Features of real images are kept in the cache, those of fakes for the moment only.
    """

    def __init__(self, experiment: Experiment, source: Source):
        self.experiment = experiment
        self.judge = Judge(Input(source.info.name, "train", source), None, experiment.metrics, Cache(default_folder()),
                           devices=list(experiment.parallel.mesh.devices.flat))

    def prepare(self) -> None:
        """Sets the backbones up. Raises InputError where one cannot be had: before the training rather than after."""
        for choice in self.experiment.metrics:
            self.judge.extractor(choice.backbone)

    def evaluate(self, weights: PyTree) -> tuple[dict[str, float], float | None]:
        """The values of all metrics, and the first one's score."""
        values, score = {}, None
        with Cache(None) as self.judge.fake_cache:
            fakes = self._fakes(weights)
            for choice in self.experiment.metrics:
                fake = Input("", "", fakes[choice.metric.num_samples])
                sides = self.judge.sides(choice, fake, spaces_of(self.experiment, weights))
                found = choice.metric.compute(sides, np.random.default_rng(self.experiment.config["seed"]))
                score = choice.metric.score(found) if score is None else score
                backbone = choice.backbone and self.judge.extractor(choice.backbone).backbone.name
                values |= {f"eval/{score_name(short, sides.fake.num, backbone)}": value
                           for short, value in found.items()}
        return values, score

    def _fakes(self, weights: PyTree) -> dict[int, Source]:
        """Samples of the first seeds, as many as each metric wants, made once."""
        experiment, info = self.experiment, self.experiment.info
        counts = {choice.metric.num_samples for choice in experiment.metrics}
        seeds = range(max(counts, default=0))
        labels = experiment.draw_labels(seeds) if info.labelled and seeds else None
        made = experiment.generate(weights, seeds, labels) if seeds else None
        made = made if made is None or info.kind == "point" else to_uint8(made)
        return {num: ArraySource(made[:num], None if labels is None else labels[:num], info) for num in counts}
