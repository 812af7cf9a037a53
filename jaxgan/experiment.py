"""From a config to the parts of a run, ready to go."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan import catalogue, compilation, keys, privacy, schedules, terms
from jaxgan.augmentation import AUGMENTATIONS
from jaxgan.conditioning import CONDITIONING
from jaxgan.data import Info, Source
from jaxgan.data.pipeline import Batches
from jaxgan.data.source import Arrays, read
from jaxgan.degradation import DEGRADATIONS, chain, in_order
from jaxgan.errors import InputError
from jaxgan.images import from_uint8
from jaxgan.latents import PRIORS
from jaxgan.latents.sampling import Sampler, Truncation, draw_labels
from jaxgan.latents.standing import standing_statistics
from jaxgan.layers.heads import WithHeads
from jaxgan.losses import LOSSES
from jaxgan.metrics.choice import Choice, choose, default_backbone
from jaxgan.models import FAMILIES
from jaxgan.regularizers import REGULARIZERS
from jaxgan.training import averages, optimizers, parallel, posthoc, update
from jaxgan.training.feed import Feed
from jaxgan.training.objectives import Parts, Term, build_phases
from jaxgan.training.state import TrainState
from jaxgan.typing import Array, PyTree

PLAYERS = ("generator", "discriminator")
LAZY = ("regularizers", "conditioning")  # sections whose parts take an interval, `every`
INIT_BATCH = 64  # latents and images that networks are initialised on; BatchNorm takes its first statistics from them


class Experiment:
    """One config on one kind of data. Raises InputError where they do not fit together.

    `config` is validated; `info` says what the data are; the attribute of that name, what the networks get of them.
    examples: gives the data, of which seed i takes image i where labels are images. Building it runs nothing on a
    device.
    """

    def __init__(self, config: Mapping[str, Any], info: Info, devices=None,
                 examples: Callable[[], Source] | None = None):
        self.config, self.examples = config, examples
        degrade = build_degradation(config, info)
        self.info = degraded_info(info, degrade)
        self.parallel = parallel.build(config["parallel"], config["batch_size"], config["accumulate"], devices)
        private = privacy.build(config, self.info)
        self.parts = build_parts(config, self.info)._replace(degrade=degrade)
        self.method = build_method(config, self.parts, self.parallel.axis, private)
        if private:
            kept = {name: set(jax.eval_shape(functools.partial(self.init_network, name), keys.root(0))) - {"params"}
                    for name in PLAYERS}
            privacy.check_parts(self.parts, kept)
        self.metrics = build_metrics(config, info)

    @property
    def total_steps(self) -> int:
        """Steps until `total_kimg` thousand real images have been shown, or a budget of privacy is spent."""
        if self.method.privacy:
            return self.method.privacy.num_steps
        return math.ceil(self.config["total_kimg"] * 1000 / self.method.images_per_step)

    def feed(self, batches: Batches) -> Feed:
        """What the compiled steps read, drawn as the method asks for it."""
        private = self.method.privacy
        drawn = private.batches(batches, self.parallel.mesh.size) if private else batches
        return Feed(drawn, self.method.num_slots, self.parallel)

    @functools.cached_property
    def sampler(self) -> Sampler:
        """Makes images by seed, on all devices."""
        return Sampler(self.parts.networks["generator"], self.parts.prior, self.parallel.mesh)

    def _initial_state(self) -> TrainState:
        networks = {name: functools.partial(self.init_network, name) for name in PLAYERS}
        return update.initial_state(self.method, networks, self.config["seed"])

    def init_network(self, name: str, key: Array) -> PyTree:
        """The variables that a player's network begins with."""
        label = self.info.blank_labels(INIT_BATCH)
        draw = keys.stream(key, "input")
        example = (self.parts.prior.sample(draw, (INIT_BATCH,)) if name == "generator"
                   else jax.random.uniform(draw, (INIT_BATCH, *self.info.shape), minval=-1.0))
        rngs = {stream: keys.stream(key, stream) for stream in ("params", "dropout", "noise")}
        return self.parts.networks[name].init(rngs, example, label, train=True)

    def initial_state(self) -> TrainState:
        """The state of step 0, on the devices."""
        return self.parallel.initialize(self._initial_state)

    def abstract_state(self) -> TrainState:
        """Shapes, dtypes and places on the mesh of a gathered state: what a checkpoint is read into."""
        shapes = jax.eval_shape(self._initial_state)
        return jax.tree.map(lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), shapes,
                            self.parallel.shardings(shapes))

    def weights(self, state: TrainState, raw: bool = False) -> PyTree:
        """The generator's weights to sample with: the average; those of the last step if `raw`, or if none is kept."""
        if raw or not state.averages:
            return update.weights(state.players)
        return next(iter(state.averages.values()))

    def stored_averages(self, folder: Path) -> posthoc.Store:
        """The power-function averages stored in `folder`, or to be stored there."""
        stds = {name: average.std for name, average in self.method.averages.items() if average.std is not None}
        return posthoc.Store(folder, stds, self.method.images_per_step)

    def standing(self, weights: PyTree, num_batches: int, truncation: Truncation | None = None) -> PyTree:
        """`weights` with BatchNorm statistics taken anew, over `num_batches` batches of the run's size.

        truncation: of the z they are taken over, for samples truncated alike.
        """
        generator = self.parts.networks["generator"]
        if not hasattr(generator, "norm_momentum") or "batch_stats" not in weights["variables"]:
            raise InputError("Standing statistics are of generators with BatchNorm and a norm_momentum, such as resnet "
                             f"and biggan; this run's is {self.config['generator']['name']}.")
        size = self.config["batch_size"]
        labels = self.draw_labels(np.arange(num_batches * size)) if self.info.labelled else None
        labels = None if labels is None else labels.reshape(num_batches, size, *labels.shape[1:])
        self.sampler.check(truncation)
        prior, key, shape = self.parts.prior, keys.stream(keys.root(0), "standing"), (num_batches, size)
        z = prior.truncated(key, shape, truncation.psi) if truncation else prior.sample(key, shape)
        fresh = compilation.jit(functools.partial(standing_statistics, generator))(
            {"params": weights["params"], **weights["variables"]}, z, labels)
        return {"params": fresh.pop("params"), "variables": fresh}

    def generate(self, weights: PyTree, seeds, labels: np.ndarray | None = None,
                 truncation: Truncation | None = None) -> np.ndarray:
        """float32 [N, H, W, C], in [-1, 1] for images. Labels not given are drawn as the data have them."""
        if self.info.labelled and labels is None:
            labels = self.draw_labels(seeds)
        return self.sampler(weights, seeds, labels, truncation)

    def draw_labels(self, seeds) -> np.ndarray:
        """`labels_of` seeds, for this run's data; where labels are images, seed i has what is given for example i."""
        if self.info.label_kind != "image" or self.examples is None:
            return labels_of(self.info, seeds)
        source = self.examples()
        rows = np.asarray(seeds) % len(source)
        return self.given(read(source, rows), rows)

    def given(self, examples: Arrays, numbers: np.ndarray) -> np.ndarray:
        """What the generator makes the images of examples from, float32 [N, h, w, c]: the images that are their labels,
        or what `degraded` makes of theirs."""
        if self.parts.degrade is not None:
            return self.degraded(examples.images, numbers)
        if np.shape(examples.labels)[1:] != self.info.label_shape:
            raise InputError("These are images alone, and this run makes them from others, "
                             f"{list(self.info.label_shape)}, that belong to them: give such pairs.")
        return from_uint8(examples.labels)

    def degraded(self, images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """What `config.degradation` makes of images, uint8 [N, H, W, C]: of image i always the same for number i."""
        return self._degrade(None, images, np.asarray(numbers, np.uint32))

    @functools.cached_property
    def _degrade(self):
        fixed = keys.stream(keys.root(0), "degradation")

        def function(_, images, numbers):
            return self.parts.degrade(jax.vmap(lambda number: jax.random.fold_in(fixed, number))(numbers),
                                      from_uint8(images))
        return self.sampler.compile(function)


def labels_of(info: Info, seeds) -> np.ndarray:
    """Labels for seeds, with the frequencies of the data; label vectors are taken from the data's own."""
    if info.label_kind == "image":
        raise InputError("This generator makes images from images, not from seeds: give it some, as labels "
                         f"{list(info.label_shape)}, or use jaxgan.enhance.")
    if info.label_kind == "class":
        return draw_labels(seeds, info.label_frequencies)
    rows = np.asarray(info.label_examples, np.float32)
    return rows[draw_labels(seeds, [1 / len(rows)] * len(rows))]


def build_parts(config: Mapping[str, Any], info: Info) -> Parts:
    """Every part the config names, from the catalogues."""
    prior = catalogue.build(PRIORS, config["latent"], "latent")
    conditioning = build_group(config, "conditioning", CONDITIONING, num_classes=info.num_classes, info=info,
                               codes=prior.codes)
    blind = any(part.hides_label for part, _ in conditioning.values())
    networks = {"generator": build_network(config, "generator", info, info.num_classes),
                "discriminator": build_network(config, "discriminator", info, 0 if blind else info.num_classes)}
    heads = merged_heads([part for part, _ in conditioning.values()])
    if heads:
        networks["discriminator"] = WithHeads(networks["discriminator"], heads)
    return Parts(
        networks=networks,
        loss=catalogue.build(LOSSES, config["loss"], "loss"),
        prior=prior,
        terms=build_regularizers(config, info) | conditioning_terms(conditioning),
        augmentations={f"augmentation.{name}": part for name, (part, _) in
                       build_group(config, "augmentation", AUGMENTATIONS, info=info).items()},
    )


def merged_heads(conditioning: Sequence[Any]) -> dict[str, Any]:
    """The heads of all conditioning parts; refuses two of one name, of which the second would replace the first."""
    heads: dict[str, Any] = {}
    for part in conditioning:
        for name, head in part.heads.items():
            if name in heads:
                raise InputError(f"config.conditioning: two parts bring a head called {name!r}; keep one of them.")
            heads[name] = head
    return heads


def build_network(config: Mapping[str, Any], player: str, info: Info, num_classes: int):
    """The network of one player. A name from outside jaxgan gives the class itself, one of ours the family it is in."""
    name, arguments = catalogue.split_spec(config[player], player)
    found = catalogue.find(FAMILIES, name, player)
    module = getattr(found, player.capitalize(), found)
    if player == "generator" and info.label_kind == "image" and "label_shape" not in catalogue.accepted(module):
        raise InputError(f"config.generator: {name} makes images from z alone, and here they are made from images: "
                         "choose srgan or pix2pix, or leave config.degradation out, or take other data.")
    return catalogue.call(module, arguments, player, image_shape=info.shape, num_classes=num_classes,
                          label_shape=info.label_shape)


def build_group(config: Mapping[str, Any], group: str, parts: Mapping[str, Any],
                **context) -> dict[str, tuple[Any, int]]:
    """The parts of one section of named parts, each with its interval."""
    built = {}
    for name, spec in config[group].items():
        key = f"{group}.{name}"
        part_name, arguments = catalogue.split_spec(spec, key)
        every = arguments.pop("every", 1) if group in LAZY else 1
        arguments = schedules.resolve(arguments, key, config["total_kimg"])
        part = catalogue.call(catalogue.find(parts, part_name, key), arguments, key, **context)
        if every > 1 and getattr(part, "apply", None) is terms.nothing:
            raise InputError(f"config.{key}.every: {part_name} adds nothing to a loss, so it cannot be lazy.")
        built[name] = part, every
    return built


def build_regularizers(config: Mapping[str, Any], info: Info) -> dict[str, Term]:
    """The regularizers of a config; one name may bring a term for each player."""
    found = {}
    for name, (part, every) in build_group(config, "regularizers", REGULARIZERS, info=info).items():
        if isinstance(part, terms.Regularizer):
            found[f"regularizers.{name}"] = Term(name, part, every)
        else:
            found |= {f"regularizers.{name}.{term.player}": Term(name, term, every) for term in part}
    return found


def conditioning_terms(conditioning: Mapping[str, tuple[Any, int]]) -> dict[str, Term]:
    """The objectives of each conditioning part, one for each player it speaks to."""
    return {f"conditioning.{name}.{term.player}": Term(name, term, every)
            for name, (part, every) in conditioning.items() for term in part.terms}


def build_degradation(config: Mapping[str, Any], info: Info) -> Callable[[Array, Array], Array] | None:
    """What spoils the images for the generator to restore; None where nothing does."""
    parts = {name: part for name, (part, _) in build_group(config, "degradation", DEGRADATIONS).items()}
    if parts and info.kind != "image":
        raise InputError("config.degradation spoils images, and these data are points: leave it out.")
    if parts and info.label_kind == "image":
        raise InputError("config.degradation makes the images that others are made from, and these data bring their "
                         "own: leave it out.")
    names = {name: catalogue.split_spec(config["degradation"][name], "degradation")[0] for name in parts}
    return chain([parts[name] for name in in_order(names)]) if parts else None


def degraded_info(info: Info, degrade: Callable | None) -> Info:
    """What the networks get: the spoilt image in the place of any label the data have."""
    if degrade is None:
        return info
    arguments = jax.eval_shape(lambda: (jax.random.split(keys.root(0), 1), jnp.zeros((1, *info.shape))))
    label = jax.eval_shape(degrade, *arguments)
    return dataclasses.replace(info, label_kind="image", label_shape=label.shape[1:], num_classes=0, class_names=(),
                               label_frequencies=(), label_examples=())


def build_method(config: Mapping[str, Any], parts: Parts, axis: parallel.Axis,
                 private: privacy.DPSGD | None) -> update.Method:
    """Phases, optimizers and averages of the update."""
    chosen = {}
    for player in PLAYERS:
        lazy = [term.every for term in parts.terms.values() if term.part.player == player and term.every > 1]
        turns = config["num_critic"] if player == "discriminator" else 1
        chosen[player] = optimizers.build(config["optimizers"][player], f"optimizers.{player}", lazy,
                                          images=config["batch_size"] * config["num_critic"] / turns,
                                          total_kimg=config["total_kimg"])
    kept = {name: average for name, (average, _) in build_group(config, "average", averages.AVERAGES).items()}
    if config["average_every"] and not any(average.std is not None for average in kept.values()):
        raise InputError("config.average_every stores power-function averages, and config.average has none: add two, "
                         "such as --config.average.short=\"{'name': 'power', 'std': 0.05}\" and one of std 0.1.")
    return update.Method(
        phases=build_phases(parts, axis, config["num_critic"], config["batch_size"] * config["num_critic"]),
        optimizers=chosen,
        averages=kept,
        stateful={key: term.part for key, term in parts.terms.items()} | dict(parts.augmentations),
        constraints={player: [term.part.constrain for term in parts.terms.values()
                              if term.part.player == player and term.part.constrain] for player in PLAYERS},
        prior=parts.prior,
        batch_size=config["batch_size"],
        accumulate=config["accumulate"],
        axis=axis,
        degrade=parts.degrade,
        privacy=private,
    )


def build_metrics(config: Mapping[str, Any], info: Info) -> list[Choice]:
    """The metrics of evaluation during training, the one that ranks checkpoints first."""
    return choose(config["metrics"], info, default_backbone(info))
