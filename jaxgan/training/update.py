"""One training step, and many of them in one compiled call."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxgan import keys, trees
from jaxgan.augmentation.base import Augmentation
from jaxgan.images import from_uint8
from jaxgan.privacy import DPSGD
from jaxgan.terms import Regularizer
from jaxgan.training.averages import Average
from jaxgan.training.objectives import Batch, Outcome, batch_labels
from jaxgan.training.parallel import Axis
from jaxgan.training.phases import Phase
from jaxgan.training.state import Player, TrainState
from jaxgan.typing import Array, Prior, PyTree


class Method(NamedTuple):
    """All that a step needs and a state does not hold."""

    phases: Sequence[Phase]
    optimizers: Mapping[str, optax.GradientTransformation]
    averages: Mapping[str, Average]
    stateful: Mapping[str, Regularizer | Augmentation]  # whatever keeps a state in TrainState.parts
    constraints: Mapping[str, Sequence[Callable[[PyTree], PyTree]]]  # player -> what its params must obey
    prior: Prior
    batch_size: int
    accumulate: int  # parts of a batch
    axis: Axis
    degrade: Callable[[Array, Array], Array] | None = None  # as `Parts` has it
    privacy: DPSGD | None = None

    @property
    def num_slots(self) -> int:
        """Real batches a step consumes: one a turn of the discriminator, and one for the generator, if it sees any."""
        return max(phase.repeat for phase in self.phases) + (self.privacy is None)

    @property
    def images_per_step(self) -> int:
        """Real images the discriminator trains on in a step: the unit in which progress is counted."""
        return self.batch_size * max(phase.repeat for phase in self.phases)


def initial_state(method: Method, networks: Mapping[str, Callable[[Array], PyTree]], seed: int) -> TrainState:
    """`networks[name](key)` gives the variables of a player. Deterministic in `seed`."""
    key = keys.root(seed)
    players = {}
    for name, init in networks.items():
        variables = dict(init(keys.stream(key, f"init/{name}")))
        params = variables.pop("params")
        players[name] = Player(params, variables, method.optimizers[name].init(params))
    return TrainState(
        step=jnp.int32(0),
        skipped=jnp.int32(0),
        key=keys.stream(key, "train"),
        players=players,
        averages={name: average.init(weights(players)) for name, average in method.averages.items()},
        parts={name: part.init() for name, part in method.stateful.items()},
    )


def weights(players: Mapping[str, Player]) -> PyTree:
    """What an average follows and sampling needs: the generator's params and variables."""
    return {"params": players["generator"].params, "variables": players["generator"].variables}


def make_steps(method: Method) -> Callable:
    """`steps(state, feed, data, due) -> (state, metrics)`: one training step for each leading entry of `feed`.

    feed: {"index": int32 [steps, slots, B]} into `data` = {"image": [N, ...], "label": [N, ...]}, or the batches
    themselves under those names with `data` empty. due: names of the phases that take their turn, static.
    metrics: means over the steps, float32 scalars; `PHASE/finite` is a vector, as `finite` has it.
    """
    def steps(state: TrainState, feed: PyTree, data: PyTree, due: tuple[str, ...]) -> tuple[TrainState, dict]:
        state, metrics = jax.lax.scan(lambda carry, slots: step(method, carry, slots, data, due), state, feed)
        return state, trees.mean(metrics)
    return steps


def step(method: Method, state: TrainState, slots: PyTree, data: PyTree,
         due: tuple[str, ...]) -> tuple[TrainState, dict]:
    """One step: every due phase in order, then the averages."""
    key = jax.random.fold_in(state.key, state.step + state.skipped)
    metrics = {}
    for phase in method.phases:
        if phase.name in due:
            state, new = turns(method, phase, state, slots, data, keys.stream(key, phase.name))
            metrics |= new
    seen = (state.step + 1).astype(jnp.float32) * method.images_per_step  # int32 would wrap at two billion images
    averages = {name: method.averages[name].update(average, weights(state.players), seen, method.images_per_step)
                for name, average in state.averages.items()}
    return state.replace(step=state.step + 1, averages=averages), metrics


def turns(method: Method, phase: Phase, state: TrainState, slots: PyTree, data: PyTree,
          key: Array) -> tuple[TrainState, dict]:
    """The turns of one phase in one step, each on its own batch; metrics are means over them."""
    if phase.repeat == 1:
        slot = method.num_slots - 1 if phase.player == "generator" else 0
        return turn(method, phase, state, given(method, phase, slots, slot, data, key), key)

    def body(carry, index):
        part = jax.random.fold_in(key, index)
        return turn(method, phase, carry, given(method, phase, slots, index, data, part), part)
    state, metrics = jax.lax.scan(body, state, jnp.arange(phase.repeat))
    return state, trees.mean(metrics)


def given(method: Method, phase: Phase, slots: PyTree, slot: int | Array, data: PyTree,
          key: Array) -> Mapping[str, Array]:
    """The real batch of a turn; with privacy its stand-in, where the player must not see the data."""
    if method.privacy and phase.player != method.privacy.player:
        return method.axis.split(method.privacy.stand_in(key))
    return read(slots, slot, data)


def turn(method: Method, phase: Phase, state: TrainState, real: Mapping[str, Array],
         key: Array) -> tuple[TrainState, dict]:
    """One optimizer step of one player. Only that player's variables are committed."""
    # Drawn for the global batch and then split, so that z does not depend on the number of devices.
    z = method.prior.sample(keys.stream(key, "z"), (len(real["image"]) * method.axis.size,))
    batch = Batch(real["image"], batch_labels(method.degrade, real, key, method.axis), method.axis.split(z))
    player = state.players[phase.player]
    if method.privacy and phase.player == method.privacy.player:
        made = method.privacy.gradients(phase.objective, player.params, state, batch, real["present"], key)
    else:
        made = gradients(method, phase, state, batch, key)
    value, grads, (variables, parts, metrics) = method.axis.mean(made)
    updates, opt_state = method.optimizers[phase.player].update(grads, player.opt_state, player.params)
    params = optax.apply_updates(player.params, updates)
    for constrain in method.constraints[phase.player]:
        params = constrain(params)
    player = Player(params, variables, opt_state)
    squares = [jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(grads)]
    metrics = metrics | {f"{phase.name}/grad_norm": jnp.sqrt(sum(squares)),
                         f"{phase.name}/finite": finite(value, squares)}
    return state.replace(players=state.players | {phase.player: player}, parts=state.parts | parts), metrics


def finite(value: Array, squares: Sequence[Array]) -> Array:
    """1 for the loss and for each leaf of its gradient that is finite, else 0: float32 [1 + leaves]. squares: the sum
    of squares of each leaf, which cost nothing more once there is a norm."""
    return jnp.isfinite(jnp.stack([value, *squares])).astype(jnp.float32)


def gradients(method: Method, phase: Phase, state: TrainState, batch: Batch,
              key: Array) -> tuple[Array, PyTree, Outcome]:
    """The value and the gradients of a phase, and what its objective leaves behind.

    A batch in several parts passes part by part. Each sees the variables and states that the one before it left;
    gradients and metrics are means. Part i holds every `accumulate`-th example from the i-th on, whatever the number
    of devices.
    """
    gradient, count = jax.value_and_grad(phase.objective, has_aux=True), method.accumulate
    params = state.players[phase.player].params
    if count == 1:
        (value, outcome), grads = gradient(params, state, batch, key)
        return value, grads, outcome

    def part(carry, inputs):
        state, total = carry
        index, batch = inputs
        (value, (variables, parts, metrics)), grads = gradient(params, state, batch, jax.random.fold_in(key, index))
        player = state.players[phase.player].replace(variables=variables)
        state = state.replace(players=state.players | {phase.player: player}, parts=state.parts | parts)
        return (state, jax.tree.map(jnp.add, total, grads)), (value, metrics)

    def strided(leaf):
        return leaf.reshape(-1, count, *leaf.shape[1:]).swapaxes(0, 1)
    zeros = jax.tree.map(jnp.zeros_like, params)
    (state, total), seen = jax.lax.scan(part, (state, zeros), (jnp.arange(count), jax.tree.map(strided, batch)))
    grads = jax.tree.map(lambda leaf: leaf / count, total)
    value, metrics = trees.mean(seen)
    return value, grads, Outcome(state.players[phase.player].variables, dict(state.parts), metrics)


def read(slots: PyTree, slot: int | Array, data: PyTree) -> dict[str, Array]:
    """The real images and labels of one slot: gathered from resident data, or taken as fed. uint8 becomes [-1, 1]."""
    fed = {name: leaf[slot] for name, leaf in slots.items()}
    if "index" in fed:
        index = fed.pop("index")
        fed |= {name: leaf[index] for name, leaf in data.items()}
    image = fed["image"]
    return fed | {"image": from_uint8(image) if image.dtype == jnp.uint8 else image}
