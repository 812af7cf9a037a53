"""What a run makes of pictures, and how near it comes to what they were."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from jaxgan import compilation, images
from jaxgan.data.source import Source, read
from jaxgan.enhancement.pictures import COLOUR, GREY, Picture
from jaxgan.enhancement.tiles import tiled
from jaxgan.errors import InputError
from jaxgan.metrics.fidelity import psnr, ssim
from jaxgan.metrics.perceptual import learned
from jaxgan.trained import Trained
from jaxgan.typing import PyTree

LEAST_SHOWN, LEAST_TILE = 48, 192  # pixels a side: of a given picture on the sheet, and worked on at a time
LOOKED_AT = 2000  # images that the perceptual distance is learned from
Report = Callable[[int, int], None]


class Enhancer:
    """A run's generator for pictures of any size.

    direction: "AtoB", unless it is given, or "BtoA", for runs of two kinds of images that are made from each other.
    """

    def __init__(self, run: Trained, weights: PyTree, direction: str | None = None):
        generator = run.experiment.parts.networks["generator"]
        if run.info.label_kind != "image" or not hasattr(generator, "reach"):
            raise InputError(f"{run.folder.name} does not make images from images: give a run of a config such as "
                             "configs/super_resolution.py.")
        self.run, self.weights, self.scale, self.reach = run, weights, generator.scale, generator.reach
        *self.size, given = run.info.label_shape
        self.direction = None
        if getattr(generator, "two_way", False):
            self.direction, self.size = direction or "AtoB", [self.size[0] // 2, self.size[1]]
        elif direction:
            raise InputError(f"--direction={direction}: {run.folder.name} makes images in one direction: leave it out.")
        self.given, self.channels = num_colours(given), run.info.shape[2]
        self.holes = given > self.given
        if not {self.given, self.channels} <= {GREY, COLOUR}:
            raise InputError(f"{run.folder.name} makes images of {self.channels} channels; pictures are enhanced by "
                             "runs of 1 or 3.")

    @functools.cached_property
    def _network(self) -> Callable[[np.ndarray], np.ndarray]:
        sampler, direction = self.run.experiment.sampler, self.direction

        def image(weights, label):
            return sampler.image(weights, sampler.latent(0)[None], label[None])[0]

        def half(weights, label):  # of two networks, that whose half is not looked at is left out by XLA
            upper, lower = jnp.split(image(weights, jnp.concatenate([label, label])), 2)
            return lower if direction == "AtoB" else upper
        made = compilation.jit(half if direction else image)
        return lambda label: np.asarray(jax.device_get(made(self.weights, label)))

    def __call__(self, picture: Picture, tile: int | None, report: Report) -> Picture:
        """The picture made better, `tile` pixels a side at a time; None: as many as in training, or LEAST_TILE.
        Transparency is interpolated; where the run fills holes, they are what is transparent, and all else stays as it
        was."""
        tile = tile or max(LEAST_TILE, *self.size)
        missing = self._missing(picture)

        def make(colour: np.ndarray) -> np.ndarray:
            label = colour
            if missing is not None:
                label = np.concatenate([np.where(missing, 0, colour), np.where(missing, 1, -1)], axis=2)
            made = tiled(self._network, label.astype(np.float32), self.scale, tile, self.reach, report)
            return made if missing is None else np.where(missing, made, colour)

        count = picture.colour.shape[2]
        if self.given == self.channels == GREY:
            colour = np.concatenate([make(picture.colour[:, :, [number]]) for number in range(count)], axis=2)
        else:
            made = make(recoloured(picture.colour, self.given))
            colour = made if self.given != self.channels else recoloured(made, count)
        if not np.isfinite(colour).all():
            raise FloatingPointError("The network's images are NaN or infinite: its weights have diverged.")
        alpha = None if picture.alpha is None or missing is not None else interpolated(picture.alpha, self.scale)
        bits = picture.bits if colour.shape[2] == GREY else 8
        return picture._replace(colour=colour, alpha=alpha, bits=bits)

    @property
    def described(self) -> str:
        """What becomes of pictures: ", 2 times as large"."""
        if self.direction:
            first, second = self.run.info.class_names[::1 if self.direction == "AtoB" else -1]
            return f", from {first} to {second}"
        return f", {self.scale} times as large" if self.scale > 1 else ""

    def _missing(self, picture: Picture) -> np.ndarray | None:
        if not self.holes:
            return None
        if picture.alpha is None:
            raise InputError(f"{self.run.folder.name} fills holes, which are where a picture is wholly transparent, "
                             "and this one is nowhere.")
        return picture.alpha <= -1


def num_colours(channels: int) -> int:
    """1 or 3 of the channels that a generator is given; one more tells where holes are."""
    return channels - (channels % 2 == 0)


def recoloured(image: np.ndarray, channels: int) -> np.ndarray:
    """Images [..., 1 or 3] with 1 channel, their luma, or 3."""
    if image.shape[-1] == channels:
        return image
    return image @ np.float32(images.LUMA)[:, None] if channels == GREY else np.repeat(image, COLOUR, axis=-1)


def interpolated(planes: np.ndarray, scale: int) -> np.ndarray:
    """Bicubic interpolation, float32 [h, w, c] -> [h scale, w scale, c], within [-1, 1]."""
    size = planes.shape[1] * scale, planes.shape[0] * scale
    made = [np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, Image.Resampling.BICUBIC))
            for plane in np.moveaxis(planes, 2, 0)]
    return np.clip(np.stack(made, axis=2), -1, 1)


def sheet(pairs: Sequence[tuple[str, Picture, Picture]], enhancer: Enhancer, title: str) -> np.ndarray:
    """The middle of pictures, interpolated as they were given, beside what was made of them. pairs: (name, before,
    after)."""
    rows, scale = [], enhancer.scale
    side = max(LEAST_SHOWN, *enhancer.size)
    for _, before, after in pairs:
        height, width = before.colour.shape[:2]
        top, left = max(height - side, 0) // 2, max(width - side, 0) // 2
        part = interpolated(before.colour[top:top + side, left:left + side], scale)
        made = after.colour[top * scale:(top + side) * scale, left * scale:(left + side) * scale]
        rows.append([_on_white(each, side * scale) for each in (part, made)])
    return images.sheet(np.array(rows), [name for name, *_ in pairs], ["bicubic" if scale > 1 else "given", "made"],
                        title)


def _on_white(colour: np.ndarray, side: int) -> np.ndarray:
    """In the middle of a white square, RGB."""
    paper = np.ones((side, side, 3), np.float32)
    height, width = colour.shape[:2]
    top, left = (side - height) // 2, (side - width) // 2
    paper[top:top + height, left:left + width] = np.clip(colour, -1, 1)
    return images.to_uint8(paper)


class Measured(NamedTuple):
    """scores: "interpolated" and "made" -> {"psnr": [N], "ssim": [N], "perceptual": [N]}. shown: stages of the first
    images, as `images.side_by_side` takes them. network: sha256 (hex) of the weights of the perceptual distance."""

    scores: dict[str, dict[str, np.ndarray]]
    shown: list[np.ndarray]
    network: str


def measure(run: Trained, weights: PyTree, source: Source, num: int, most_shown: int, report: Report) -> Measured:
    """How near the run comes to the first `num` images from what belongs to them, which of its degradation is the same
    every time; and how near that comes itself, interpolated."""
    experiment, (height, _, channels) = run.experiment, run.info.shape
    scale, colours = height // run.info.label_shape[0], num_colours(run.info.label_shape[2])
    shown, chunk = [], 256
    num = min(num, len(source))
    distances = {"psnr": psnr, "ssim": ssim, "perceptual": learned(*read(source, np.arange(min(num, LOOKED_AT))))}
    scores = {method: {name: [] for name in distances} for method in ("interpolated", "made")}
    for start in range(0, num, chunk):
        rows = np.arange(start, min(start + chunk, num))
        examples = read(source, rows)
        real, given = examples.images, experiment.given(examples, rows)
        plain = images.to_uint8(np.stack([
            recoloured(interpolated(each[:, :, :colours], scale), channels) for each in given]))
        made = images.to_uint8(experiment.sampler(weights, rows, given))
        for method, found in (("interpolated", plain), ("made", made)):
            for name, distance in distances.items():
                scores[method][name].append(distance(found, real))
        if not start:
            shown = [each[:most_shown] for each in (given, plain, made, real)]
        report(int(rows[-1]) + 1, num)
    joined = {method: {name: np.concatenate(parts) for name, parts in found.items()}
              for method, found in scores.items()}
    return Measured(joined, shown, distances["perceptual"].digest)
