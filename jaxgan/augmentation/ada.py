"""Adaptive discriminator augmentation (Karras et al. 2020, "Training GANs with limited data", appendix B)."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan import keys
from jaxgan.augmentation import ada_pixels, probability
from jaxgan.augmentation.ada_geometry import identity, warp
from jaxgan.augmentation.base import Augmentation
from jaxgan.catalogue import suggest
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule
from jaxgan.typing import Array, PyTree

GROUPS = {
    "blit": ("xflip", "rotate90", "xint"),
    "geom": ("scale", "rotate", "aniso", "xfrac"),
    "color": ("brightness", "contrast", "lumaflip", "hue", "saturation"),
    "filter": ("imgfilter",),
    "noise": ("noise",),
    "cutout": ("cutout",),
}
_LADDER = {"b": "blit", "g": "geom", "c": "color", "f": "filter", "n": "noise"}
PRESETS = {name: GROUPS[name] for name in GROUPS} | {
    name: sum((GROUPS[_LADDER[letter]] for letter in name), ()) for name in ("bg", "bgc", "bgcf", "bgcfn")}
PRESETS |= {"bgcfnc": PRESETS["bgcfn"] + GROUPS["cutout"], "none": ()}
TRANSFORMS = sum(GROUPS.values(), ())

NORMAL = ("scale", "aniso", "xfrac", "brightness", "contrast", "saturation", "imgfilter", "noise")  # others: uniform
NUM_VALUES = dict.fromkeys(TRANSFORMS, 1) | {"xint": 2, "rotate": 2, "xfrac": 2, "imgfilter": 4, "cutout": 2}
NUM_GATES = dict.fromkeys(TRANSFORMS, 1) | {"rotate": 2, "imgfilter": 4}  # rotations: before and after aniso


class Ranges(NamedTuple):
    """How far each transform goes; standard deviations and maxima of the paper.

    xint_max, xfrac_std, cutout_size: fractions of the image's side. rotate_max, hue_max: of half a turn. scale_std,
    aniso_std, contrast_std, saturation_std, imgfilter_std: in octaves. imgfilter_bands: four further strengths, lowest
    frequency first. brightness_std, noise_std: in units where images span 2.
    """

    xint_max: float = 0.125
    scale_std: float = 0.2
    rotate_max: float = 1.0
    aniso_std: float = 0.2
    xfrac_std: float = 0.125
    brightness_std: float = 0.2
    contrast_std: float = 0.5
    hue_max: float = 1.0
    saturation_std: float = 1.0
    imgfilter_bands: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    imgfilter_std: float = 1.0
    noise_std: float = 0.1
    cutout_size: float = 0.5


class Draws(NamedTuple):
    """The random numbers of a batch. gates: [B, NUM_GATES], uniform in [0, 1): a transform acts where its gate is below
    strength * p. values: [B, NUM_VALUES], standard normal or uniform in [0, 1). noise: standard normal, like the image.
    """

    gates: Mapping[str, Array]
    values: Mapping[str, Array]
    noise: Array


def ada(preset: str = "bgc", p: float | str | Schedule = "adaptive", target: float = 0.6, adjust_kimg: float = 500.0,
        interval: int = 4, initial_p: float = 0.0, strengths: Mapping[str, float] | None = None,
        ranges: Mapping[str, float] | None = None) -> Augmentation:
    """Every transform acts on each image with probability p times its strength.

    preset: which transforms have strength 1; `strengths` changes single ones, `ranges` their extents (see Ranges).
    p: "adaptive" (target, adjust_kimg, interval and initial_p are `probability.adaptive`'s), a number or a schedule.
    Any size and channel count: colour spares the alpha of 2 and 4 channels, hue needs three colours, geometry and
    cutout take all channels. An image that no geometric transform was drawn for is left as it is, where the reference
    code low-passes it like the others; so p = 0 is the identity to the bit.
    """
    chosen, extents = _strengths(preset, strengths), _ranges(ranges)
    chance = probability.build(p, initial=initial_p, target=target, adjust_kimg=adjust_kimg, interval=interval)

    def apply(state: PyTree, image: Array, key: Array) -> Array:
        return augment(image, draw(key, image), chance.value(state), chosen, extents)

    return Augmentation(init=chance.init, apply=apply, control=chance.control)


def draw(key: Array, image: Array) -> Draws:
    """Independent random numbers for each image of a batch."""
    widths = [NUM_GATES[name] for name in TRANSFORMS] + [NUM_VALUES[name] for name in TRANSFORMS]
    # One call for all, and a barrier behind it: XLA would compile the generator anew into every use of a column.
    numbers = jax.random.uniform(keys.stream(key, "parameters"), (image.shape[0], sum(widths)))
    columns = jnp.split(jax.lax.optimization_barrier(numbers), np.cumsum(widths)[:-1], -1)
    values = dict(zip(TRANSFORMS, columns[len(TRANSFORMS):]))
    for name in NORMAL:
        values[name] = math.sqrt(2) * jax.lax.erf_inv(2 * values[name] - 1 + 2**-23)  # the term keeps it from -infinity
    noise = jax.random.normal(keys.stream(key, "noise"), image.shape)
    return Draws(dict(zip(TRANSFORMS, columns)), values, noise)


def augment(image: Array, draws: Draws, p: float | Array, strengths: Mapping[str, float], ranges: Ranges) -> Array:
    """The transforms as a function of their random numbers, in the paper's order. Stages without strength cost nothing.

    strengths: every name of TRANSFORMS.
    """
    roll = Roll(draws, p, strengths, ranges)
    for members, stage in STAGES:
        used = [name for name in members if strengths[name] > 0]
        if used:
            acts = jnp.concatenate([roll.gate(name) for name in used], -1).any(-1)
            image = jnp.where(acts[:, None, None, None], stage(image, roll), image)
    return image


class Roll:
    """The parameters of a batch's transforms: drawn where the gate is open, neutral where it is closed."""

    def __init__(self, draws: Draws, p: float | Array, strengths: Mapping[str, float], ranges: Ranges):
        self.draws, self.p, self.strengths, self.ranges = draws, p, strengths, ranges

    def gate(self, name: str) -> Array:
        """Whether the transform acts, bool [B, NUM_GATES]."""
        chance = jnp.clip(self.strengths[name] * jnp.asarray(self.p), 0.0, 1.0)
        if name == "rotate":  # two rotations, so that at least one acts with the chance asked for
            chance = 1 - jnp.sqrt(1 - chance)
        if name == "imgfilter":
            chance *= jnp.asarray(self.ranges.imgfilter_bands)
        return self.draws.gates[name] < chance

    def shift(self, name: str, extent: float) -> Array:
        """A number about 0, [B, NUM_VALUES]: normal of standard deviation `extent`, or uniform up to it."""
        value = self.draws.values[name]
        return jnp.where(self.gate(name), extent * (value if name in NORMAL else 2 * value - 1), 0.0)

    def factor(self, name: str, octaves: float) -> Array:
        """A number about 1, log-normal, [B, NUM_VALUES]."""
        return jnp.exp2(self.shift(name, octaves))

    def choice(self, name: str, options: int) -> Array:
        """One of 0 ... options - 1, [B]; 0 where closed."""
        drawn = jnp.floor(self.draws.values[name] * options).astype(jnp.int32)
        return jnp.where(self.gate(name), drawn, 0)[:, 0]


def _geometry(image: Array, roll: Roll) -> Array:
    """The inverse transforms, composed from the output's side, and one warp for all of them."""
    sides = jnp.array(image.shape[2:0:-1])  # width, height
    one, ranges = jnp.ones(image.shape[0]), roll.ranges
    affine = identity(image.shape[0]).scale(1.0 - 2 * roll.choice("xflip", 2), one)
    quarter = roll.choice("rotate90", 4)
    affine = affine.rotate(jnp.array([1.0, 0, -1, 0])[quarter], jnp.array([0.0, 1, 0, -1])[quarter])
    shift = jnp.round(roll.shift("xint", ranges.xint_max) * sides)
    affine = affine.translate(-shift[:, 0], -shift[:, 1])
    scale = 1 / roll.factor("scale", ranges.scale_std)[:, 0]
    angle = roll.shift("rotate", jnp.pi * ranges.rotate_max)
    aniso = roll.factor("aniso", ranges.aniso_std)[:, 0]
    affine = affine.scale(scale, scale).rotate(jnp.cos(angle[:, 0]), jnp.sin(angle[:, 0]))
    affine = affine.scale(1 / aniso, aniso).rotate(jnp.cos(angle[:, 1]), jnp.sin(angle[:, 1]))
    shift = roll.shift("xfrac", ranges.xfrac_std) * sides
    return warp(image, affine.translate(-shift[:, 0], -shift[:, 1]))


def _colour(image: Array, roll: Roll) -> Array:
    ranges = roll.ranges
    contrast = roll.factor("contrast", ranges.contrast_std)[:, 0] * (1 - 2 * roll.choice("lumaflip", 2))
    return ada_pixels.recolour(
        image, roll.shift("brightness", ranges.brightness_std)[:, 0], contrast,
        roll.shift("hue", jnp.pi * ranges.hue_max)[:, 0], roll.factor("saturation", ranges.saturation_std)[:, 0])


def _filter(image: Array, roll: Roll) -> Array:
    return ada_pixels.filter_bands(image, ada_pixels.band_gains(roll.factor("imgfilter", roll.ranges.imgfilter_std)))


def _noise(image: Array, roll: Roll) -> Array:
    std = jnp.abs(roll.shift("noise", roll.ranges.noise_std))
    return image + std[:, :, None, None] * roll.draws.noise


def _cutout(image: Array, roll: Roll) -> Array:
    return ada_pixels.cutout(image, roll.draws.values["cutout"], roll.ranges.cutout_size)


STAGES = ((GROUPS["blit"] + GROUPS["geom"], _geometry), (GROUPS["color"], _colour), (GROUPS["filter"], _filter),
          (GROUPS["noise"], _noise), (GROUPS["cutout"], _cutout))


def _strengths(preset: str, changes: Mapping[str, float] | None) -> dict[str, float]:
    if preset not in PRESETS:
        raise InputError(f"ada: there is no preset {preset!r}. {suggest(preset, PRESETS)}")
    strengths = {name: float(name in PRESETS[preset]) for name in TRANSFORMS}
    for name, value in dict(changes or {}).items():
        if name not in strengths:
            raise InputError(f"ada.strengths: there is no transform {name!r}. {suggest(name, TRANSFORMS)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise InputError(f"ada.strengths.{name} must be a number from 0; got {value!r}.")
        strengths[name] = float(value)
    return strengths


def _ranges(changes: Mapping[str, float] | None) -> Ranges:
    changes = dict(changes or {})
    for name in changes:
        if name not in Ranges._fields:
            raise InputError(f"ada.ranges: there is no {name!r}. {suggest(name, Ranges._fields)}")
    return Ranges()._replace(**changes)
