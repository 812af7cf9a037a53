"""DP-SGD on the discriminator (Abadi et al. 2016; for GANs Xie et al. 2018), as the update asks for it.

A real image and the fake beside it are one example. The discriminator's objective is evaluated on single examples, so
no term of it can look at two, whatever it is written to do; each example's gradient is clipped to norm `clip`, the sum
takes Gaussian noise of standard deviation `noise` x `clip`, and is divided by the expected size of a batch, a constant.
Examples are drawn independently of one another, so that batches differ in size: they are padded to a capacity, and
places without an example give exactly 0. The generator is given no image and no label of the data.

The generator's updates, averages and everything else that reads the discriminator's weights are post-processing.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxgan import keys
from jaxgan.data import Info
from jaxgan.data.pipeline import Batches, Poisson, capacity
from jaxgan.errors import InputError
from jaxgan.privacy import accountant
from jaxgan.typing import Array, PyTree


@dataclasses.dataclass(frozen=True)
class Plan:
    """How often a run means to look at how much of its data. batch_size: the expected one. turns: of the discriminator
    in a step. accumulate: parts a batch passes in."""

    num_examples: int
    batch_size: int
    turns: int
    steps: int
    seed: int
    accumulate: int

    @classmethod
    def of(cls, config: Mapping[str, Any], num_examples: int) -> "Plan":
        size, turns = config["batch_size"], config["num_critic"]
        return cls(num_examples, size, turns, math.ceil(config["total_kimg"] * 1000 / (size * turns)), config["seed"],
                   config["accumulate"])

    @property
    def rate(self) -> float:
        """The chance of an example to be in a batch."""
        return self.batch_size / self.num_examples


@dataclasses.dataclass(frozen=True)
class DPSGD:
    """What an update needs to make the gradients of `player` private, and to draw what it sees.

    given_noise, target: config.privacy's `noise` and `epsilon`, one of which may be None.
    """

    plan: Plan
    info: Info
    clip: float
    given_noise: float | None
    target: float | None
    delta: float
    player: str = "discriminator"

    @functools.cached_property
    def noise(self) -> float:
        """The noise given, or the least one with which all planned steps stay within the target."""
        if self.given_noise is not None:
            return self.given_noise
        return accountant.noise_for(self.target, self.plan.rate, self.plan.steps * self.plan.turns, self.delta)

    @functools.cached_property
    def num_steps(self) -> int:
        """Steps that the run takes: those planned, or fewer where noise and target are both given and end it."""
        if self.given_noise is None or self.target is None:
            return self.plan.steps
        updates = accountant.steps_within(self.target, self.noise, self.plan.rate, self.delta,
                                          self.plan.steps * self.plan.turns)
        if updates < self.plan.turns:
            raise InputError(f"config.privacy: with noise {self.noise} not one step stays within epsilon "
                             f"{self.target}; raise noise or epsilon, or lower batch_size or num_critic.")
        return updates // self.plan.turns

    def epsilon_at(self, step: int) -> float:
        """What has been spent after so many steps."""
        return accountant.epsilon(self.noise, self.plan.rate, step * self.plan.turns, self.delta)

    def places(self, devices: int) -> int:
        """Examples that a padded batch holds at most, so that devices and parts share them evenly."""
        return capacity(self.plan.num_examples, self.plan.rate, devices * self.plan.accumulate)

    def batches(self, batches: Batches, devices: int) -> Poisson:
        """Batches drawn as the accountant takes them to be."""
        if batches.num_examples != self.plan.num_examples:
            raise InputError(f"config.privacy was planned for {self.plan.num_examples:,} examples, and the data have "
                             f"{batches.num_examples:,}; take a whole split of them.")
        return Poisson(batches, self.plan.rate, self.places(devices), self.plan.seed)

    def stand_in(self, key: Array) -> dict[str, Array]:
        """What the other player is given in the place of a real batch: images of zeros, and classes drawn evenly."""
        found = {"image": jnp.zeros((self.plan.batch_size, *self.info.shape))}
        if self.info.num_classes:
            draw = keys.stream(key, "label")
            found["label"] = jax.random.randint(draw, (self.plan.batch_size,), 0, self.info.num_classes)
        return found

    def gradients(self, objective: Callable, params: PyTree, state: PyTree, batch: PyTree, present: Array,
                  key: Array) -> tuple[Array, PyTree, Any]:
        """As `update.gradients`; batch: leaves of [B, ...], present: bool [B], False where there is no example.

        Metrics and value are means over the examples that are there. A gradient that is not finite counts as 0, which
        keeps the bound.
        """
        gradient = jax.value_and_grad(objective, has_aux=True)
        clip = functools.partial(clipped, limit=self.clip)

        def one(example: PyTree, there: Array, key: Array):
            (value, outcome), grads = gradient(params, state, jax.tree.map(lambda leaf: leaf[None], example), key)
            grads, norm = clip(grads, there)
            seen = outcome.metrics | {"d/example_norm": norm, "d/clipped": (norm > self.clip).astype(jnp.float32)}
            return grads, outcome._replace(parts={}, metrics={}), (value, seen)

        def part(total: PyTree, inputs: PyTree):
            grads, outcome, seen = jax.vmap(one)(*inputs)
            outcome = jax.tree.map(lambda leaf: leaf[0], outcome)  # all alike: no variable depends on the data
            return jax.tree.map(lambda sum_, leaf: sum_ + jnp.sum(leaf, axis=0), total, grads), (outcome, seen)

        count = self.plan.accumulate
        inputs = batch, present, jax.random.split(keys.stream(key, "examples"), len(present))
        inputs = jax.tree.map(lambda leaf: leaf.reshape(-1, count, *leaf.shape[1:]).swapaxes(0, 1), inputs)
        total, (outcomes, seen) = jax.lax.scan(part, jax.tree.map(jnp.zeros_like, params), inputs)
        grads = noised(total, keys.stream(key, "privacy"), self.noise * self.clip)
        grads = jax.tree.map(lambda leaf: leaf / self.plan.batch_size, grads)
        there = inputs[1]
        num = jnp.sum(there)
        value, metrics = jax.tree.map(lambda leaf: jnp.sum(jnp.where(there, leaf, 0)) / jnp.maximum(num, 1), seen)
        outcome = jax.tree.map(lambda leaf: leaf[-1], outcomes)
        return value, grads, outcome._replace(metrics=metrics | {"d/examples": num.astype(jnp.float32)})


def clipped(grads: PyTree, there: Array, limit: float) -> tuple[PyTree, Array]:
    """The gradients of one example, scaled to norm `limit` where theirs is larger, and the norm they had. Zeros where
    the example is not there, or the norm not finite."""
    norm = jnp.sqrt(sum(jnp.sum(jnp.square(leaf.astype(jnp.float32))) for leaf in jax.tree.leaves(grads)))
    scale, counts = jnp.minimum(1.0, limit / jnp.maximum(norm, 1e-12)), there & jnp.isfinite(norm)
    return jax.tree.map(lambda leaf: jnp.where(counts, leaf * scale, 0), grads), norm


def noised(tree: PyTree, key: Array, std: float) -> PyTree:
    """With independent Gaussian noise on every entry."""
    leaves, structure = jax.tree.flatten(tree)
    drawn = [jax.random.normal(part, leaf.shape) for part, leaf in zip(jax.random.split(key, len(leaves)), leaves)]
    return jax.tree.unflatten(structure, [leaf + std * noise for leaf, noise in zip(leaves, drawn)])


def dp_sgd(clip: float = 1.0, noise: float | None = None, epsilon: float | None = 10.0, delta: float = 1e-5, *,
           plan: Plan, info: Info) -> DPSGD:
    """clip: the norm that an example's gradient has at most. noise: standard deviation, in units of clip; None is the
    least with which the run, at its length, stays within epsilon. epsilon: the budget, of which None asks for a noise;
    with both, the run ends where it is spent. delta: well below one over the number of images."""
    for name, value in (("clip", clip), ("noise", noise), ("epsilon", epsilon)):
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"config.privacy.{name} must be above 0; got {value}.")
    if noise is None and epsilon is None:
        raise InputError("config.privacy needs epsilon or noise, or both.")
    if not 0 < delta < 1 / plan.num_examples:
        raise InputError(f"config.privacy.delta is {delta}: it must be above 0, and below one over the "
                         f"{plan.num_examples:,} training images, or publishing one of them would be allowed.")
    return DPSGD(plan, info, clip, noise, epsilon, delta)
