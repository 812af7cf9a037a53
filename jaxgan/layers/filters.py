"""What alias-free networks filter with, and what their feature maps hold (StyleGAN3, Karras et al. 2021, appendix C).

Lengths are in units of an image's longer side: a cutoff of 2 keeps two cycles across it, a rate is samples to a side.
"""

import math
from typing import NamedTuple

import numpy as np

from jaxgan.errors import InputError

FIRST_CUTOFF, FIRST_STOPBAND = 2.0, 2.0**2.1
LAST_STOPBAND = 2.0**0.3  # over the last cutoff
NUM_CRITICAL = 2  # last layers that keep all that a rate can hold, and no margin


class Band(NamedTuple):
    """What a feature map holds: frequencies to `cutoff`, and the half-width of the transition to none beyond it.

    size: (height, width) in samples, with the margin around the image. rate: samples to the image's longer side.
    """

    size: tuple[int, int]
    rate: float
    cutoff: float
    half_width: float


def bands(image_size: tuple[int, int], num_layers: int, margin: int) -> list[Band]:
    """The bands of `num_layers` layers and of the image after them: cutoffs and stopbands grow geometrically.

    Every rate is the image's longer side, halved as often as the stopband allows. margin: samples on every side of all
    maps but the last two, so that what the network sees at an edge lies outside the image.
    """
    side = max(image_size)
    if num_layers <= NUM_CRITICAL:
        raise InputError(f"config.generator.num_layers must be above {NUM_CRITICAL}; got {num_layers}.")
    if side <= 2 * FIRST_CUTOFF:
        raise InputError(f"StyleGAN3 needs images of more than {2 * FIRST_CUTOFF:g} pixels, not "
                         f"{image_size[0]}x{image_size[1]}. Set config.data.resolution.")
    last = side / 2
    progress = np.minimum(np.arange(num_layers + 1) / (num_layers - NUM_CRITICAL), 1)
    cutoffs = FIRST_CUTOFF * (last / FIRST_CUTOFF) ** progress
    stopbands = FIRST_STOPBAND * (last * LAST_STOPBAND / FIRST_STOPBAND) ** progress
    halvings = np.floor(-np.log2(np.minimum(2 * stopbands / side, 1)))
    found = []
    for number, (cutoff, stopband, times) in enumerate(zip(cutoffs, stopbands, halvings)):
        around = margin if number < num_layers - 1 else 0
        size = tuple(math.ceil(pixels / 2**times) + 2 * around for pixels in image_size)
        rate = side / 2**times
        found.append(Band(size, rate, cutoff, max(stopband, rate / 2) - cutoff))
    return found


def lowpass(taps: int, cutoff: float, half_width: float, rate: float) -> np.ndarray:
    """Kaiser-windowed sinc of unit sum, float64 [taps], for signals of `rate` samples a unit."""
    from scipy import signal  # not above: this takes as long to import as jax, and most networks have no such filter
    return signal.firwin(taps, cutoff, width=2 * half_width, fs=rate)


def radial_lowpass(taps: int, cutoff: float, half_width: float, rate: float) -> np.ndarray:
    """Its like in the plane, the same in every direction: a Kaiser-windowed jinc of unit sum, [taps, taps].

    taps must be even: no tap lies at the centre, where the jinc is a limit.
    """
    from scipy import signal, special
    position = (np.arange(taps) - (taps - 1) / 2) / rate
    radius = np.hypot(position[:, None], position)
    window = np.kaiser(taps, signal.kaiser_beta(signal.kaiser_atten(taps, 4 * half_width / rate)))
    kernel = special.j1(2 * np.pi * cutoff * radius) / radius * np.outer(window, window)
    return kernel / kernel.sum()


def separated(kernel: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """A symmetric kernel [taps, taps] as a sum of outer products, as few as give nine digits: (column, row) pairs.

    `radial_lowpass` comes to four of them or so: filters that are alike in all directions are nearly separable.
    """
    values, vectors = np.linalg.eigh(kernel)
    return [(value * vector, vector) for value, vector in zip(values, vectors.T)
            if abs(value) > 1e-9 * np.abs(values).max()]
