"""What ADA does to pixel values: colour, band-pass filters, noise, cutout. Every random number comes from outside."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.typing import Array

# Half-band filter of the sym2 wavelet: its low-pass filter's autocorrelation, in 32nds.
HALF_BAND = np.array([-1, 0, 9, 16, 9, 0, -1], np.float64) / 32
EXPECTED_POWER = np.array([10, 1, 1, 1], np.float32) / 13  # of natural images in the four bands, lowest first


def num_colours(channels: int) -> int:
    """Channels that are colour: with 2 or 4 the last one is alpha, which colour changes leave alone."""
    return channels - 1 if channels in (2, 4) else channels


def recolour(image: Array, brightness: Array, contrast: Array, hue: Array, saturation: Array) -> Array:
    """Colour changes, [B] each: luma m and chroma d = x - m become contrast (m + brightness) and
    |contrast| saturation R(hue) d.

    A negative contrast flips luma alone. hue is in radians and needs three colours; one colour has no chroma.
    This is the product of the 4x4 matrices of StyleGAN2-ADA, appendix B, written about the grey axis they share.
    """
    colours = num_colours(image.shape[-1])
    x, rest = image[..., :colours], image[..., colours:]
    brightness, contrast, hue, saturation = (v[:, None, None, None] for v in (brightness, contrast, hue, saturation))
    luma = x.mean(-1, keepdims=True)
    chroma = x - luma
    if colours == 3:
        turned = (jnp.roll(chroma, 1, -1) - jnp.roll(chroma, -1, -1)) / math.sqrt(3)  # grey axis × chroma
        chroma = jnp.cos(hue) * chroma + jnp.sin(hue) * turned
    new = contrast * (luma + brightness) + jnp.abs(contrast) * saturation * chroma
    return jnp.concatenate([new, rest], -1)


def filter_bands(image: Array, gains: Array) -> Array:
    """Amplifies four frequency bands by `gains` [B, 4], lowest first, along rows and along columns.

    Above the lowest band each is an octave wide. The image is continued by reflection. The filters are matrices: fewer
    operations than 43 shifted adds an axis for small images, and matrix products on an accelerator for large ones.
    """
    exact = {"precision": jax.lax.Precision.HIGHEST}
    height, width = (jnp.einsum("bk,kij->bij", gains, jnp.asarray(_band_matrices(size), image.dtype), **exact)
                     for size in image.shape[1:3])
    image = jnp.einsum("bij,bjwc->biwc", height, image, **exact)
    return jnp.einsum("bij,bhjc->bhic", width, image, **exact)


def band_gains(amplification: Array) -> Array:
    """Gains [B, 4] of `filter_bands` from amplifications [B, 4]: each keeps the power of an average natural image."""
    gains = 1.0
    for band in range(4):
        chosen = jnp.where(jnp.arange(4) == band, amplification[:, band, None], 1.0)
        gains *= chosen / jnp.sqrt((EXPECTED_POWER * chosen**2).sum(-1, keepdims=True))
    return gains


def cutout(image: Array, centre: Array, size: float) -> Array:
    """Zeros a rectangle: centre [B, 2] (x, y) and size as fractions of the image's sides."""
    def covered(length: int, middle: Array) -> Array:
        position = (jnp.arange(length) + 0.5) / length
        return jnp.abs(position - middle[:, None]) < size / 2
    rows, columns = covered(image.shape[1], centre[:, 1]), covered(image.shape[2], centre[:, 0])
    return jnp.where((rows[:, :, None] & columns[:, None, :])[..., None], 0, image)


@functools.cache
def band_filters() -> np.ndarray:
    """[4, 43]: low-pass and three band-pass filters, lowest first, that add up to the identity."""
    low, bands = np.ones(1), []
    for octave in (1, 2, 4):
        half = _stretch(HALF_BAND, octave)
        high = -half
        high[len(high) // 2] += 1
        bands.insert(0, np.convolve(low, high))
        low = np.convolve(low, half)
    return np.stack([np.pad(band, (43 - len(band)) // 2) for band in [low, *bands]])


@functools.lru_cache(maxsize=8)
def _band_matrices(size: int) -> np.ndarray:
    """[4, size, size]: the band filters on an axis continued by reflection at its first and last pixel."""
    filters, reach = band_filters(), 21
    period = max(2 * (size - 1), 1)
    source = np.abs((np.arange(size)[:, None] + np.arange(-reach, reach + 1) + size - 1) % period - (size - 1))
    matrices = np.zeros((4, size, size))
    for band in range(4):
        np.add.at(matrices[band], (np.arange(size)[:, None], source), filters[band])
    return matrices


def _stretch(taps: np.ndarray, factor: int) -> np.ndarray:
    """`factor - 1` zeros between taps."""
    out = np.zeros(factor * (len(taps) - 1) + 1)
    out[::factor] = taps
    return out
