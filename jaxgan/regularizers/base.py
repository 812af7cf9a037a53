"""The contract of a regularizer."""

from collections.abc import Callable
from typing import NamedTuple

from jaxgan.typing import Array, PyTree, View


class Regularizer(NamedTuple):
    """A term added to one player's loss.

    init() -> the state it carries from update to update (an empty tuple if none), part of the checkpoint.
    apply(state, view) -> (scalar float32 with its strength applied, new state, metrics: name -> scalar
    beside that value, which is logged anyway).
    player: whose loss it joins, "generator" or "discriminator". How often it runs is the engine's `every`.
    """

    init: Callable[[], PyTree]
    apply: Callable[[PyTree, View], tuple[Array, PyTree, dict[str, Array]]]
    player: str


def stateless(penalty: Callable[[View], tuple[Array, dict[str, Array]]], player: str) -> Regularizer:
    """The regularizer of a function of the view alone: `penalty(view) -> (scalar, metrics)`."""

    def apply(state: PyTree, view: View) -> tuple[Array, PyTree, dict[str, Array]]:
        value, metrics = penalty(view)
        return value, state, metrics

    return Regularizer(init=lambda: (), apply=apply, player=player)
