"""What a run makes of pictures, and how near it comes to what they were."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image

from jaxgan import compilation, images
from jaxgan.data.source import Source, read
from jaxgan.enhancement.pictures import Picture
from jaxgan.enhancement.tiles import tiled
from jaxgan.errors import InputError
from jaxgan.metrics.fidelity import psnr, ssim
from jaxgan.trained import Trained
from jaxgan.typing import PyTree

CROP = 48  # pixels of a given picture that the sheet shows a side, of each
Report = Callable[[int, int], None]


class Enhancer:
    """A run's generator for pictures of any size."""

    def __init__(self, run: Trained, weights: PyTree):
        generator = run.experiment.parts.networks["generator"]
        if run.info.label_kind != "image" or not hasattr(generator, "reach"):
            raise InputError(f"{run.folder.name} does not make images from images: give a run of a config such as "
                             "configs/super_resolution.py.")
        self.run, self.weights, self.scale, self.reach = run, weights, generator.scale, generator.reach
        self.channels = run.info.shape[2]
        self.holes = run.info.label_shape[2] > self.channels
        if self.channels not in (1, 3):
            raise InputError(f"{run.folder.name} makes images of {self.channels} channels; pictures are enhanced by "
                             "runs of 1 or 3.")

    @functools.cached_property
    def _network(self) -> Callable[[np.ndarray], np.ndarray]:
        sampler = self.run.experiment.sampler
        made = compilation.jit(lambda weights, label: sampler.image(weights, sampler.latent(0)[None], label[None])[0])
        return lambda label: np.asarray(jax.device_get(made(self.weights, label)))

    def __call__(self, picture: Picture, tile: int, report: Report) -> Picture:
        """The picture made better. Transparency is interpolated; where the run fills holes, they are what is
        transparent, and all else stays as it was."""
        missing = self._missing(picture)

        def make(colour: np.ndarray) -> np.ndarray:
            label = colour
            if missing is not None:
                label = np.concatenate([np.where(missing, 0, colour), np.where(missing, 1, -1)], axis=2)
            made = tiled(self._network, label.astype(np.float32), self.scale, tile, self.reach, report)
            return made if missing is None else np.where(missing, made, colour)

        count = picture.colour.shape[2]
        if self.channels == 1:
            colour = np.concatenate([make(picture.colour[:, :, [number]]) for number in range(count)], axis=2)
        else:
            made = make(np.repeat(picture.colour, 3 // count, axis=2))
            colour = made if count == 3 else made.mean(axis=2, keepdims=True)
        if not np.isfinite(colour).all():
            raise FloatingPointError("The network's images are NaN or infinite: its weights have diverged.")
        alpha = None if picture.alpha is None or missing is not None else interpolated(picture.alpha, self.scale)
        return picture._replace(colour=colour, alpha=alpha)

    def _missing(self, picture: Picture) -> np.ndarray | None:
        if not self.holes:
            return None
        if picture.alpha is None:
            raise InputError(f"{self.run.folder.name} fills holes, which are where a picture is wholly transparent, "
                             "and this one is nowhere.")
        return picture.alpha <= -1


def interpolated(planes: np.ndarray, scale: int) -> np.ndarray:
    """Bicubic interpolation, float32 [h, w, c] -> [h scale, w scale, c], within [-1, 1]."""
    size = planes.shape[1] * scale, planes.shape[0] * scale
    made = [np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, Image.Resampling.BICUBIC))
            for plane in np.moveaxis(planes, 2, 0)]
    return np.clip(np.stack(made, axis=2), -1, 1)


def sheet(pairs: Sequence[tuple[str, Picture, Picture]], scale: int, title: str) -> np.ndarray:
    """The middle of pictures, interpolated as they were given, beside what was made of them. pairs: (name, before,
    after)."""
    rows = []
    for _, before, after in pairs:
        height, width = before.colour.shape[:2]
        top, left = max(height - CROP, 0) // 2, max(width - CROP, 0) // 2
        part = interpolated(before.colour[top:top + CROP, left:left + CROP], scale)
        made = after.colour[top * scale:(top + CROP) * scale, left * scale:(left + CROP) * scale]
        rows.append([_on_white(each, CROP * scale) for each in (part, made)])
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
    """scores: "interpolated" and "made" -> {"psnr": [N], "ssim": [N]}. shown: stages of the first images, as
    `images.side_by_side` takes them."""

    scores: dict[str, dict[str, np.ndarray]]
    shown: list[np.ndarray]


def measure(run: Trained, weights: PyTree, source: Source, num: int, most_shown: int, report: Report) -> Measured:
    """How near the run comes to the first `num` images, given what its degradation leaves of them, which is the same
    every time; and how near interpolation comes."""
    experiment, (height, _, channels) = run.experiment, run.info.shape
    scale = height // run.info.label_shape[0]
    scores = {method: {"psnr": [], "ssim": []} for method in ("interpolated", "made")}
    shown, chunk = [], 256
    num = min(num, len(source))
    for start in range(0, num, chunk):
        rows = np.arange(start, min(start + chunk, num))
        real = read(source, rows).images
        given = experiment.degraded(real, rows)
        plain = images.to_uint8(np.stack([interpolated(each[:, :, :channels], scale) for each in given]))
        made = images.to_uint8(experiment.sampler(weights, rows, given))
        for method, found in (("interpolated", plain), ("made", made)):
            scores[method]["psnr"].append(psnr(found, real))
            scores[method]["ssim"].append(ssim(found, real))
        if not start:
            shown = [each[:most_shown] for each in (given, plain, made, real)]
        report(int(rows[-1]) + 1, num)
    joined = {method: {name: np.concatenate(parts) for name, parts in found.items()}
              for method, found in scores.items()}
    return Measured(joined, shown)
