"""The contract of what is added to a player's loss: regularizers, and the label-side objectives of conditioning."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from jaxgan.typing import Array, PyTree, View


class Regularizer(NamedTuple):
    """A term added to one player's loss, and where a method needs them, hooks around it.

    init() -> the state it carries from update to update (an empty tuple if none), part of the checkpoint.
    apply(state, view) -> (scalar float32 with its strength applied, new state, metrics: name -> scalar).
    player: whose loss it joins, "generator" or "discriminator". How often it runs is the engine's `every`.
    constrain(params) -> params, after every optimizer step of that player.
    weigh(state, fake_logit [B], step) -> weights [B]: the generator's loss is their weighted mean.
    latent(state, view) -> (z to use instead of the one drawn, scalar to add to the loss), in the updates of both
    players, in lazy ones without the scalar; the view holds no fakes.
    """

    init: Callable[[], PyTree]
    apply: Callable[[PyTree, View], tuple[Array, PyTree, dict[str, Array]]]
    player: str
    constrain: Callable[[PyTree], PyTree] | None = None
    weigh: Callable[[PyTree, Array, Array], Array] | None = None
    latent: Callable[[PyTree, View], tuple[Array, Array]] | None = None


def stateless(penalty: Callable[[View], tuple[Array, dict[str, Array]]], player: str) -> Regularizer:
    """The regularizer of a function of the view alone: `penalty(view) -> (scalar, metrics)`."""

    def apply(state: PyTree, view: View) -> tuple[Array, PyTree, dict[str, Array]]:
        value, metrics = penalty(view)
        return value, state, metrics

    return Regularizer(init=lambda: (), apply=apply, player=player)


def nothing(state: PyTree, view: View) -> tuple[Array, PyTree, dict[str, Array]]:
    """The `apply` of a part that has hooks alone."""
    return jnp.float32(0), state, {}
