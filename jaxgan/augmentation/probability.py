"""How often an augmentation acts: a number, a schedule over images, or adapted to the discriminator's overfitting."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from jaxgan.errors import InputError
from jaxgan.schedules import Schedule
from jaxgan.typing import Array, PyTree

COUNT_LIMIT = 2**30  # images are counted in int32; a schedule has long ended here


class Probability(NamedTuple):
    """init and control as an Augmentation has them; value: state -> p."""

    init: Callable[[], PyTree]
    value: Callable[[PyTree], float | Array]
    control: Callable[[PyTree, Array, int], PyTree]


def build(p: float | str | Schedule, *, initial: float = 0.0, target: float = 0.6, adjust_kimg: float = 500.0,
          interval: int = 4) -> Probability:
    """`p` is a number in [0, 1], a schedule, or "adaptive", which alone reads the other arguments."""
    if p == "adaptive":
        return adaptive(initial, target, adjust_kimg, interval)
    if callable(p):
        return scheduled(p)
    return fixed(p)


def fixed(p: float) -> Probability:
    """The same for the whole run."""
    _check(p, "p", ', a schedule, or "adaptive"')
    return Probability(init=lambda: (), value=lambda state: p, control=lambda state, sign, num_images: state)


def scheduled(schedule: Schedule) -> Probability:
    """The schedule's value at the images seen, which the state counts."""
    return Probability(init=lambda: {"images": jnp.int32(0)}, value=lambda state: schedule(state["images"]),
                       control=lambda state, sign, num_images: {"images": count(state["images"], num_images)})


def adaptive(initial: float, target: float, adjust_kimg: float, interval: int) -> Probability:
    """Karras et al. 2020, section 3.1: r = E[sign D(real)] above `target` raises p, below it lowers p.

    Every `interval` turns, by their images / `adjust_kimg` thousand, so that p goes from 0 to 1 in `adjust_kimg` at the
    fastest. p stays in [0, 1]; the reference code has no upper bound, which changes nothing at strength 1.
    """
    _check(initial, "initial_p")
    if not -1 < target < 1:
        raise InputError(f"target is a mean sign, between -1 and 1; got {target}.")
    if not adjust_kimg > 0 or interval < 1:
        raise InputError(f"adjust_kimg must be above 0 and interval at least 1; got {adjust_kimg} and {interval}.")

    def init() -> PyTree:
        return {"p": jnp.float32(initial), "sign": jnp.float32(0), "turns": jnp.int32(0)}

    def control(state: PyTree, sign: Array, num_images: int) -> PyTree:
        total, turns = state["sign"] + sign, state["turns"] + 1
        due = turns >= interval
        change = jnp.sign(total / turns - target) * (interval * num_images / (adjust_kimg * 1000))
        return {"p": jnp.where(due, jnp.clip(state["p"] + change, 0.0, 1.0), state["p"]),
                "sign": jnp.where(due, 0.0, total), "turns": jnp.where(due, 0, turns)}

    return Probability(init=init, value=lambda state: state["p"], control=control)


def count(images: Array, num_images: int) -> Array:
    """Images seen after one more turn."""
    return jnp.minimum(images, COUNT_LIMIT) + num_images


def _check(p: float, name: str, alternatives: str = "") -> None:
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise InputError(f"{name} must be a number from 0 to 1{alternatives}; got {p!r}.")
