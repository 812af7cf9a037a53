"""Numbers that change over training, as functions of the images seen.

Where a part takes a `float | Schedule`, a config may write a spec in the number's place:
`{"name": "cosine", "start": 0.05, "end": 0.005, "kimg": 20000}`. `resolve` turns specs into functions before the
part is built, and the part asks `at(value, images)`; a plain number passes through both.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp

from jaxgan import catalogue
from jaxgan.errors import InputError
from jaxgan.typing import Array

Schedule = Callable[[Array], Array]  # images seen -> value, both scalars; traceable


def constant(value: float) -> Schedule:
    """The same at every image."""
    return lambda images: jnp.full((), value, jnp.float32)


def linear(start: float, end: float, kimg: float | None = None, hold_kimg: float = 0.0,
           total_kimg: float = math.nan) -> Schedule:
    """From `start`, where the first `hold_kimg` thousand images stay, to `end`, which is reached at `kimg` and kept.
    kimg None: at the end of the run."""
    kimg = total_kimg if kimg is None else kimg
    _check_durations(kimg=kimg - hold_kimg)
    if hold_kimg < 0:
        raise InputError("A linear schedule's hold_kimg must not be negative.")
    return lambda images: start + (end - start) * _progress(images, hold_kimg, kimg)


def cosine(start: float, end: float, kimg: float | None = None, warmup_kimg: float = 0.0,
           warmup_start: float = 0.0, hold_kimg: float = 0.0, total_kimg: float = math.nan) -> Schedule:
    """Half a cosine from `start` to `end`, which is reached at `kimg` thousand images and kept (R3GAN's schedule).

    kimg None: at the end of the run. The first `warmup_kimg` of them go linearly from `warmup_start` to `start`, the
    next `hold_kimg` stay there.
    """
    kimg = total_kimg if kimg is None else kimg
    _check_durations(kimg=kimg - warmup_kimg - hold_kimg)
    if min(warmup_kimg, hold_kimg) < 0:
        raise InputError("A cosine schedule's warmup_kimg and hold_kimg must not be negative.")

    def value(images: Array) -> Array:
        falling = 0.5 - 0.5 * jnp.cos(jnp.pi * _progress(images, warmup_kimg + hold_kimg, kimg))
        level = start + (end - start) * falling
        if not warmup_kimg:
            return level
        warm = _progress(images, 0.0, warmup_kimg)
        return jnp.where(warm < 1, warmup_start + (start - warmup_start) * warm, level)
    return value


SCHEDULES: dict[str, Callable[..., Schedule]] = {"constant": constant, "linear": linear, "cosine": cosine}


def at(value: float | Schedule, images: Array) -> float | Array:
    """What a number or schedule is after `images` images."""
    return value(images) if callable(value) else value


def transform(function: Callable, value: float | Schedule) -> float | Schedule:
    """`function` of a number now, or of a schedule's value whenever it is asked for."""
    return (lambda images: function(value(images))) if callable(value) else function(value)


def per_update(schedule: Schedule, images: float) -> Schedule:
    """The schedule as optax asks for it, by its count of updates, each of which stands for `images` real images."""
    return lambda count: schedule(jnp.asarray(count).astype(jnp.float32) * images)


def resolve(arguments: Mapping[str, Any], key: str, total_kimg: float = math.nan) -> dict[str, Any]:
    """`arguments` of a part, with every value that has a `name` built as a schedule; raises InputError as `build`.

    total_kimg: the length of the run, for schedules that span it.
    """
    return {name: value if not _is_spec(value) else
            catalogue.build(SCHEDULES, value, f"{key}.{name}", total_kimg=total_kimg)
            for name, value in arguments.items()}


def _is_spec(value: Any) -> bool:
    return hasattr(value, "keys") and "name" in value


def _progress(images: Array, begin_kimg: float, end_kimg: float) -> Array:
    """0 before the first bound, 1 after the second, linear between."""
    kimg = jnp.asarray(images).astype(jnp.float32) / 1000
    return jnp.clip((kimg - begin_kimg) / (end_kimg - begin_kimg), 0.0, 1.0)


def _check_durations(kimg: float) -> None:
    if not (kimg > 0 and math.isfinite(kimg)):
        raise InputError(f"A schedule needs kimg above 0 (and above its warm-up and hold); {kimg:g} are left.")
