"""The ways in which published scores bring images to a network's size; they move the score."""

from collections.abc import Callable

import numpy as np
from PIL import Image

Resizer = Callable[[np.ndarray, int], np.ndarray]


def tf1(images: np.ndarray, size: int) -> np.ndarray:
    """Bilinear as TensorFlow 1 had it, without the half-pixel offset: the original FID, torch-fidelity, ADM."""
    return _bilinear(images, *(np.arange(size, dtype=np.float32) * np.float32(n / size) for n in images.shape[1:3]))


def half_pixel(images: np.ndarray, size: int) -> np.ndarray:
    """Bilinear with half-pixel centres, not antialiased where it shrinks: pytorch-fid."""
    return _bilinear(images, *(np.maximum((np.arange(size) + 0.5) * (n / size) - 0.5, 0) for n in images.shape[1:3]))


def clean(images: np.ndarray, size: int) -> np.ndarray:
    """Bicubic, antialiased, each channel apart and not rounded: clean-fid (Parmar et al. 2022)."""
    result = np.empty((len(images), size, size, images.shape[3]), np.float32)
    for image, target in zip(images, result):
        for channel in range(images.shape[3]):
            plane = Image.fromarray(image[..., channel].astype(np.float32))
            target[..., channel] = plane.resize((size, size), Image.Resampling.BICUBIC)
    return result.clip(0, 255)


def pillow(images: np.ndarray, size: int) -> np.ndarray:
    """Bicubic, antialiased, rounded to whole levels, as dgm-eval prepares images for DINOv2. RGB only."""
    resized = [Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC) for image in images]
    return np.stack([np.asarray(image, np.float32) for image in resized])


RESIZERS: dict[str, Resizer] = {"tf1": tf1, "torch": half_pixel, "clean": clean, "pillow": pillow}
"""name -> (images uint8 [B, H, W, C], size) -> float32 [B, size, size, C], values 0 to 255."""


def rgb(images: np.ndarray) -> np.ndarray:
    """uint8 [B, H, W, C] of 1, 3 or 4 channels -> 3: grey repeated, RGBA laid on white."""
    if images.shape[3] == 4:
        alpha = images[..., 3:].astype(np.float32) / 255
        return np.rint(images[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return images if images.shape[3] == 3 else np.repeat(images, 3, axis=3)


def _bilinear(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Reads `images` between pixels, at the given coordinates; what lies past the last pixel is the last pixel."""
    mixed = images.astype(np.float32)
    for axis, places in ((2, columns), (1, rows)):
        if len(places) == images.shape[axis] and np.array_equal(places, np.arange(len(places))):
            continue
        low = places.astype(int)
        high = np.minimum(low + 1, images.shape[axis] - 1)
        fraction = (places - low).astype(np.float32).reshape((-1, 1, 1) if axis == 1 else (-1, 1))
        first, second = mixed.take(low, axis), mixed.take(high, axis)
        second -= first
        second *= fraction
        first += second
        mixed = first
    return mixed
