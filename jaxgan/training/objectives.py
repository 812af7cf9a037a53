"""What each player minimises, put together from the parts of a config."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxgan.augmentation.base import Augmentation
from jaxgan.images import from_uint8
from jaxgan.keys import stream
from jaxgan.losses import Loss
from jaxgan.terms import Regularizer
from jaxgan.training.parallel import Axis
from jaxgan.training.phases import Phase
from jaxgan.training.state import TrainState
from jaxgan.typing import Array, DiscriminatorOutput, Prior, PyTree, View

SHORT = {"generator": "g", "discriminator": "d"}


class Term(NamedTuple):
    """A regularizer or conditioning objective as the config placed it: in every step, or every so many.

    name: what metrics and phases call it.
    """

    name: str
    part: Regularizer
    every: int = 1


class Parts(NamedTuple):
    """A GAN as a choice of parts. Terms and augmentations stand under the names of their states.

    degrade(keys [B], real [B, H, W, C]) -> labels [B, h, w, c] for networks that make images from images; None where
    the labels are those of the data.
    """

    networks: Mapping[str, nn.Module]
    loss: Loss
    prior: Prior
    terms: Mapping[str, Term]
    augmentations: Mapping[str, Augmentation]
    degrade: Callable[[Array, Array], Array] | None = None


class Outcome(NamedTuple):
    """What an objective leaves behind besides its value: the player's new variables, new states of parts, metrics."""

    variables: dict[str, PyTree]
    parts: dict[str, PyTree]
    metrics: dict[str, Array]


class Batch(NamedTuple):
    """One real batch, and latents for as many fakes. image: float32 [B, H, W, C] in [-1, 1]. label: int32 [B], float32
    [B, L] or [B, h, w, c], or None. z: float32 [B, dim]."""

    image: Array
    label: Array | None
    z: Array


def batch_labels(degrade: Callable | None, real: Mapping[str, Array], key: Array, axis: Axis) -> Array | None:
    """The labels of a real batch: its own, or what `degrade` makes of its images. Images in [-1, 1]."""
    if degrade is None:
        label = real.get("label")
        return from_uint8(label) if label is not None and label.dtype == jnp.uint8 else label
    # As with z: the numbers of an example do not depend on how many devices there are.
    each = jax.random.split(stream(key, "degradation"), len(real["image"]) * axis.size)
    return degrade(axis.split(each), real["image"])


def build_phases(parts: Parts, axis: Axis, num_critic: int, images_per_step: int) -> tuple[Phase, ...]:
    """Discriminator, its lazy terms, generator, its lazy terms: the order of one step."""
    stage = Stage(parts, axis, images_per_step)
    phases = []
    for player, main, repeat in (("discriminator", discriminator_loss, num_critic), ("generator", generator_loss, 1)):
        terms = {key: term for key, term in parts.terms.items() if term.part.player == player}
        joined = {key: term for key, term in terms.items() if term.every == 1}
        phases.append(Phase(SHORT[player], player, main(stage, joined), repeat=repeat))
        phases += [Phase(f"{SHORT[player]}_{term.name}", player, lazy_loss(stage, key), every=term.every)
                   for key, term in terms.items() if term.every > 1]
    return tuple(phases)


def forward(module: nn.Module, params: PyTree, variables: dict, *inputs, key: Array,
            method: str = "__call__") -> tuple[PyTree, dict]:
    """Runs a network in training mode: (output, updated variables)."""
    rngs = {name: stream(key, name) for name in ("dropout", "noise")}
    return module.apply({"params": params, **variables}, *inputs, train=True, mutable=list(variables), rngs=rngs,
                        method=method)


class Judged(NamedTuple):
    """A pass of the discriminator. gradient: as `View` has it."""

    output: DiscriminatorOutput
    variables: dict[str, PyTree]
    gradient: Callable[[], Array]


class Stage(NamedTuple):
    """What every objective of a run is built on."""

    parts: Parts
    axis: Axis
    images_per_step: int


class Scene:
    """One update seen by one player: the networks as functions, with `params` in the place of the player's own."""

    def __init__(self, stage: Stage, player: str, params: PyTree, state: TrainState, batch: Batch, key: Array):
        parts, self.axis, self.images_per_step = stage
        self.parts, self.state, self.batch, self.player, self.params = parts, state, batch, player, params
        self.key, self.z = self.axis.local(key), batch.z
        self.latent_cost = jnp.float32(0)
        self.moved = any(term.part.latent for term in parts.terms.values())  # then fakes depend on D's params too
        for name, term in parts.terms.items():
            if term.part.latent:
                self.z, cost = term.part.latent(state.parts[name], self.view(None, None, None, name))
                self.latent_cost += cost

    def weights(self, name: str) -> tuple[PyTree, dict]:
        player = self.state.players[name]
        return self.axis.whole((self.params if name == self.player else player.params, player.variables))

    def generate(self, z: Array, label: Array | None, stream_name: str = "generator") -> tuple[Array, dict]:
        params, variables = self.weights("generator")
        return forward(self.parts.networks["generator"], params, variables, z, label, key=stream(self.key, stream_name))

    def half(self, method: str, stream_name: str) -> Callable | None:
        """A generator's `mapping` or `synthesis`, its inputs alone left to give; None where it has none."""
        network = self.parts.networks["generator"]
        if not hasattr(type(network), method):
            return None
        params, variables = self.weights("generator")
        key = stream(self.key, stream_name)
        return lambda *inputs: forward(network, params, variables, *inputs, key=key, method=method)[0]

    def discriminate(self, image: Array, label: Array | None, stream_name: str,
                     variables: dict | None = None) -> tuple[DiscriminatorOutput, dict]:
        params, own = self.weights("discriminator")
        key = stream(self.key, stream_name)
        image = augment(self.parts.augmentations, self.state.parts, image, key)
        return forward(self.parts.networks["discriminator"], params, own if variables is None else variables,
                       image, label, key=key)

    def judge(self, image: Array, stream_name: str, variables: dict | None = None) -> Judged:
        """`discriminate` on labels of the batch, and the gradient of that pass: a penalty on it would otherwise make
        the same pass, and go back through it, a second time."""
        def total(image):
            output, new = self.discriminate(image, self.batch.label, stream_name, variables)
            return output.logit.sum(), (output, new)
        value, pull, (output, new) = jax.vjp(total, image, has_aux=True)
        if self.moved:
            pull = jax.vjp(total, jax.lax.stop_gradient(image), has_aux=True)[1]
        return Judged(output, new, lambda: pull(jnp.ones_like(value))[0])

    def mix_in(self, fake: Array) -> Batch:
        """The batch that the discriminator is shown as real from here on: an augmentation may put fakes in."""
        shown = mix(self.parts.augmentations, self.state.parts, self.batch.image, fake, stream(self.key, "mix"))
        self.batch = self.batch._replace(image=shown)
        return self.batch

    def view(self, fake: Array | None, of_real: Judged | None, of_fake: Judged | None, name: str) -> View:
        """What the term called `name` may look at."""
        return View(
            generator=lambda z, label: self.generate(z, label, name)[0],
            discriminator=lambda image, label: self.discriminate(image, label, name)[0],
            params=self.params, real=self.batch.image, fake=fake, label=self.batch.label, z=self.z,
            real_output=of_real and of_real.output, fake_output=of_fake and of_fake.output,
            key=stream(self.key, name), step=self.state.step,
            images=self.state.step.astype(jnp.float32) * self.images_per_step,
            real_gradient=of_real and of_real.gradient, fake_gradient=of_fake and of_fake.gradient,
            mapping=self.half("mapping", name), synthesis=self.half("synthesis", name))


def augment(augmentations: Mapping[str, Augmentation], states: Mapping[str, PyTree], image: Array, key: Array) -> Array:
    """Every augmentation of the run, in the config's order."""
    for name, augmentation in augmentations.items():
        image = augmentation.apply(states[name], image, stream(key, name))
    return image


def mix(augmentations: Mapping[str, Augmentation], states: Mapping[str, PyTree], real: Array, fake: Array,
        key: Array) -> Array:
    """What is shown as real in the discriminator's update: the real batch, unless an augmentation mixes fakes in."""
    for name, augmentation in augmentations.items():
        if augmentation.mix:
            real = augmentation.mix(states[name], real, fake, stream(key, name))
    return real


def apply_terms(terms: Mapping[str, Term], states: Mapping[str, PyTree],
                view_of: Callable[[str], View]) -> tuple[Array, dict[str, PyTree], dict[str, Array]]:
    """Sum, new states and metrics of the terms that join one loss."""
    total, new_states, metrics = jnp.float32(0), {}, {}
    for key, term in terms.items():
        value, new_states[key], extra = term.part.apply(states[key], view_of(key))
        total += value
        prefix = f"{SHORT[term.part.player]}/{term.name}"
        metrics |= {prefix: value} | {f"{prefix}_{name}": extra[name] for name in extra}
    return total, new_states, metrics


def discriminator_loss(stage: Stage, terms: Mapping[str, Term]) -> Callable:
    """The discriminator's main objective. Real and fake pass it separately, real first, as BatchNorm statistics ask."""
    parts, axis, _ = stage

    def objective(params: PyTree, state: TrainState, batch: Batch, key: Array) -> tuple[Array, Outcome]:
        scene = Scene(stage, "discriminator", params, state, batch, key)
        fake = scene.generate(scene.z, batch.label)[0]
        batch = scene.mix_in(fake)
        of_real = scene.judge(batch.image, "real")
        of_fake = scene.judge(fake, "fake", of_real.variables)
        outputs = {"real": of_real.output, "fake": of_fake.output}
        loss = jnp.mean(parts.loss.discriminator(outputs["real"].logit, outputs["fake"].logit))
        extra, states, metrics = apply_terms(terms, state.parts, lambda name: scene.view(fake, of_real, of_fake, name))
        logits = {f"d/logit_{what}": jnp.mean(output.logit) for what, output in outputs.items()}
        signs = {f"d/sign_{what}": axis.mean(jnp.mean(jnp.sign(output.logit))) for what, output in outputs.items()}
        states |= {name: part.control(state.parts[name], signs["d/sign_real"], batch.image.shape[0] * axis.size)
                   for name, part in parts.augmentations.items()}
        return loss + extra + scene.latent_cost, Outcome(of_fake.variables, states,
                                                         {"d/loss": loss} | signs | logits | metrics)
    return objective


def generator_loss(stage: Stage, terms: Mapping[str, Term]) -> Callable:
    """The generator's main objective; paired losses see real images too, each beside the fake of its own index."""
    parts = stage.parts

    def objective(params: PyTree, state: TrainState, batch: Batch, key: Array) -> tuple[Array, Outcome]:
        scene = Scene(stage, "generator", params, state, batch, key)
        fake, variables = scene.generate(scene.z, batch.label)
        of_real = scene.judge(batch.image, "real") if parts.loss.paired else None
        of_fake = scene.judge(fake, "fake")
        losses = parts.loss.generator(of_fake.output.logit, of_real.output.logit if of_real else None)
        loss = weighted_mean(parts, state, losses, of_fake.output.logit)
        extra, states, metrics = apply_terms(terms, state.parts, lambda name: scene.view(fake, of_real, of_fake, name))
        return loss + extra + scene.latent_cost, Outcome(variables, states, {"g/loss": loss} | metrics)
    return objective


def weighted_mean(parts: Parts, state: TrainState, losses: Array, fake_logit: Array) -> Array:
    """The mean of the generator's losses, weighed by the terms that choose among fakes."""
    weights = jnp.ones_like(losses)
    for key, term in parts.terms.items():
        if term.part.weigh:
            weights *= jax.lax.stop_gradient(term.part.weigh(state.parts[key], fake_logit, state.step))
    return jnp.sum(weights * losses) / jnp.maximum(jnp.sum(weights), 1e-8)


def lazy_loss(stage: Stage, name: str) -> Callable:
    """A term alone, times its interval, so that on average it weighs what it would in every step (StyleGAN2, B)."""
    term = stage.parts.terms[name]
    player = term.part.player

    def objective(params: PyTree, state: TrainState, batch: Batch, key: Array) -> tuple[Array, Outcome]:
        scene = Scene(stage, player, params, state, batch, key)
        fake = scene.generate(scene.z, batch.label)[0]
        batch = scene.mix_in(fake) if player == "discriminator" else batch
        # What the term does not read, XLA leaves out.
        view = scene.view(fake, scene.judge(batch.image, "real"), scene.judge(fake, "fake"), name)
        value, states, metrics = apply_terms({name: term}, state.parts, lambda _: view)
        return value * term.every, Outcome(state.players[player].variables, states, metrics)
    return objective
