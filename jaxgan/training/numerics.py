"""Numbers that are none: finding a NaN or an infinity in a run, and saying where it came from."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan import compilation, processes
from jaxgan.training.phases import Phase
from jaxgan.training.state import TrainState
from jaxgan.typing import Array, PyTree

FINITE = "/finite"  # what metrics of a phase under this name say: see `update.finite`


class Fault(NamedTuple):
    """What is not a finite number, found after `step` updates. player and phase: whose; None where it is nobody's."""

    step: int
    text: str
    player: str | None = None


class Diverged(Exception):  # noqa: N818 - says what happened, as Interrupted does
    """The run was stopped because its numbers went bad again and again; the message is for its user."""


class Call(NamedTuple):
    """One compiled call: the updates done before it, how many it did, and their mean metrics."""

    before: int
    count: int
    metrics: dict[str, Array]


class Watch:
    """Looks for bad numbers in what the steps reported and in the state itself; everything on the host, at rare times.

    Processes of one run come to the same answer: metrics and state are the same for all.
    """

    def __init__(self, phases: Sequence[Phase]):
        self.phases = phases
        self._whole = compilation.jit(lambda leaves: jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]))

    def find(self, calls: Sequence[Call], state: TrainState, step: int) -> Fault | None:
        """The first fault of these calls, or one that the state holds. state: as one device holds it."""
        return self._in_metrics(calls, state) or self._in_state(state, step)

    def _in_metrics(self, calls: Sequence[Call], state: TrainState) -> Fault | None:
        for before, count, metrics in calls:
            # The means of zeros and ones say how many turns went well, and so which phase was the first to fail.
            good = {phase: np.rint(metrics[phase.name + FINITE] * count * phase.repeat).astype(int)
                    for phase in self.phases if phase.name + FINITE in metrics}
            bad = {phase: turns.min() // phase.repeat for phase, turns in good.items()
                   if turns.min() < count * phase.repeat}
            if bad:
                first = min(bad, key=bad.__getitem__)  # among equals the one whose turn comes first
                return self._of_phase(first, good[first], before + int(bad[first]) + 1, state)
        return None

    def _of_phase(self, phase: Phase, good: np.ndarray, step: int, state: TrainState) -> Fault:
        loss, gradient = good[0], good[1:]
        paths = [name for name, _ in named(state.players[phase.player].params)]
        worst = np.flatnonzero(gradient == gradient.min()) if gradient.min() <= loss else []
        what = "loss and its gradient are" if loss == good.min() and len(worst) else (
            "gradient is" if len(worst) else "loss is")
        where = f", in {len(worst)} of its {len(paths)} leaves, the first of them {paths[worst[0]]}" * bool(len(worst))
        return Fault(step, f"the {phase.player}'s {what} not finite in step {step:,} (phase {phase.name}){where}",
                     phase.player)

    def _in_state(self, state: TrainState, step: int) -> Fault | None:
        leaves = named(state)
        finite = processes.fetch(self._whole([leaf for _, leaf in leaves]))
        if finite.all():
            return None
        bad = [name for (name, _), fine in zip(leaves, finite) if not fine]
        player = next((name for name in state.players if f"players/{name}/" in bad[0]), None)
        return Fault(step, f"{len(bad)} of {len(leaves)} leaves of the state are not finite after step {step:,}, the "
                     f"first of them {bad[0]}", player)


def named(tree: PyTree) -> list[tuple[str, Array]]:
    """The leaves that hold real numbers, each with its path, such as "players/generator/params/output/kernel"."""
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), leaf)
            for path, leaf in jax.tree.leaves_with_path(tree) if jnp.issubdtype(leaf.dtype, jnp.floating)]


def advice(fault: Fault, times: int, step: int) -> str:
    """The last words of a run that went bad `times` times in a row since `step`."""
    optimizer = f"config.optimizers.{fault.player or 'NAME'}"
    return (f"The run was stopped at step {fault.step:,}: {fault.text}. It is the failure number {times:,} since step "
            f"{step:,}, from which the run went on each time past other data (config.max_rollbacks is {times - 1}), so "
            f"chance is not the cause. Try a lower {optimizer}.learning_rate, {optimizer}.clip=1.0, or float32 where a "
            f"model's dtype is bfloat16."
            + (f" Nothing before step {step:,} is lost: the checkpoint is good." if step else ""))
