"""An adversarial step is a list of phases; the host knows which of them are due."""

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Phase(NamedTuple):
    """One optimizer step of one player.

    objective: `(params, state, batch, key) -> (scalar, Outcome)`, differentiated with respect to the player's params.
    every: steps between two turns; above 1 the phase is lazy. repeat: turns in one step, each on its own real batch.
    """

    name: str
    player: str
    objective: Callable
    every: int = 1
    repeat: int = 1


class Segment(NamedTuple):
    """Consecutive steps that run as one compiled call: the phases due in each of them, and how many steps."""

    due: tuple[str, ...]
    count: int


def due_phases(phases: Sequence[Phase], step: int) -> tuple[str, ...]:
    """Names of the phases that take their turn at `step`."""
    return tuple(phase.name for phase in phases if step % phase.every == 0)


def next_segment(phases: Sequence[Phase], step: int, stops: Sequence[int], limit: int) -> Segment:
    """The steps to run from `step` on: `limit` of them if they share one due set and cross no stop, else one.

    `stops` are cadences in steps at which the host wants control (0: never). Only two lengths occur, so a due set
    compiles at most twice. The partition depends on the absolute step alone: a run that resumes at one of its
    boundaries goes on with the very same calls, and so with the very same bits.
    """
    due = due_phases(phases, step)
    for ahead in range(1, limit):
        at = step + ahead
        if due_phases(phases, at) != due or any(stop and at % stop == 0 for stop in stops):
            return Segment(due, 1)
    return Segment(due, limit)
