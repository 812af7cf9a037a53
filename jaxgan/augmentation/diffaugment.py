"""DiffAugment (Zhao et al. 2020): colour, translation and cutout, each on every image."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgan import keys
from jaxgan.augmentation import probability
from jaxgan.augmentation.ada_pixels import num_colours
from jaxgan.augmentation.base import Augmentation
from jaxgan.catalogue import suggest
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule
from jaxgan.typing import Array, PyTree

SHIFT, CUTOUT = 0.125, 0.5  # of the image's sides


class Draws(NamedTuple):
    """Uniform numbers in [0, 1), one row an image. colour: [B, 3]. translation, cutout: [B, 2], rows and columns."""

    colour: Array
    translation: Array
    cutout: Array


def diffaugment(policy: str = "color,translation,cutout", p: float | Schedule = 1.0) -> Augmentation:
    """policy: any of color, translation, cutout, in this order of use. p: chance that an image is changed at all; the
    paper changes every one.

    Any size and channel count: colour spares the alpha of 2 and 4 channels, and saturation leaves one colour as it is.
    """
    chosen = [name.strip() for name in policy.split(",")]
    for name in chosen:
        if name not in POLICIES:
            raise InputError(f"diffaugment: there is no policy {name!r}. {suggest(name, POLICIES)}")
    if p == "adaptive":
        raise InputError("diffaugment: p must be a number or a schedule; ada adapts it.")
    chance = probability.build(p)

    def apply(state: PyTree, image: Array, key: Array) -> Array:
        numbers = jax.random.uniform(keys.stream(key, "diffaugment"), (image.shape[0], 8))
        draws = Draws(numbers[:, :3], numbers[:, 3:5], numbers[:, 5:7])
        changed = augment(image, draws, chosen)
        return changed if p == 1 else jnp.where(numbers[:, 7, None, None, None] < chance.value(state), changed, image)

    return Augmentation(init=chance.init, apply=apply, control=chance.control)


def augment(image: Array, draws: Draws, policies: list[str]) -> Array:
    """The changes as a function of their random numbers."""
    for name in POLICIES:
        if name in policies:
            image = POLICIES[name](image, draws)
    return image


def colour(image: Array, draws: Draws) -> Array:
    """Brightness by up to 1/2, saturation by a factor in [0, 2), contrast by one in [1/2, 3/2), in this order."""
    colours = num_colours(image.shape[-1])
    x, rest = image[..., :colours], image[..., colours:]
    brightness, saturation, contrast = (draws.colour[:, i, None, None, None] for i in range(3))
    x = x + brightness - 0.5
    grey = x.mean(-1, keepdims=True)
    x = grey + 2 * saturation * (x - grey)
    mean = x.mean((1, 2, 3), keepdims=True)
    return jnp.concatenate([mean + (contrast + 0.5) * (x - mean), rest], -1)


def translation(image: Array, draws: Draws) -> Array:
    """Moves by whole pixels, up to an eighth of each side; what comes in is 0."""
    reach = jnp.array([_round(size, SHIFT) for size in image.shape[1:3]])
    return translate(image, jnp.floor(draws.translation * (2 * reach + 1)).astype(jnp.int32) - reach)


def translate(image: Array, shift: Array) -> Array:
    """out[i, j] = image[i + shift 0, j + shift 1]; shift [B, 2] within the reach of `translation`."""
    reach = [_round(size, SHIFT) for size in image.shape[1:3]]
    padded = jnp.pad(image, ((0, 0), (reach[0],) * 2, (reach[1],) * 2, (0, 0)))
    def one(x, start):
        return jax.lax.dynamic_slice(x, (start[0], start[1], 0), image.shape[1:])
    return jax.vmap(one)(padded, shift + jnp.array(reach))


def cutout(image: Array, draws: Draws) -> Array:
    """Zeros a rectangle of half the sides, centred anywhere in the image."""
    sides = [(size, _round(size, CUTOUT)) for size in image.shape[1:3]]
    count = jnp.array([size + 1 - hole % 2 for size, hole in sides])
    return cut(image, jnp.floor(draws.cutout * count).astype(jnp.int32))


def cut(image: Array, centre: Array) -> Array:
    """The hole of `cutout` at centre [B, 2]; at the border it shrinks, to a line at the least."""
    def covered(size: int, middle: Array) -> Array:
        hole = _round(size, CUTOUT)
        first = middle[:, None] - hole // 2
        position = jnp.arange(size)
        return (position >= jnp.clip(first, 0, size - 1)) & (position <= jnp.clip(first + hole - 1, 0, size - 1))
    rows, columns = covered(image.shape[1], centre[:, 0]), covered(image.shape[2], centre[:, 1])
    return jnp.where((rows[:, :, None] & columns[:, None, :])[..., None], 0, image)


POLICIES = {"color": colour, "translation": translation, "cutout": cutout}


def _round(size: int, fraction: float) -> int:
    return int(size * fraction + 0.5)
