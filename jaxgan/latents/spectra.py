"""Power over spatial frequency, of generated images against real ones: what upsampling leaves behind shows here."""

from typing import NamedTuple

import numpy as np

from jaxgan.images import titled

BATCH = 256  # images transformed at a time
LEAST = 1e-12  # power: that of images of one colour would have no logarithm
REAL, FAKE = "#1b8a6b", "#d1495b"


class Spectrum(NamedTuple):
    """frequency: [K] cycles a pixel, up to a half. power: [K], the mean over directions, channels and images."""

    frequency: np.ndarray
    power: np.ndarray


def spectrum(images: np.ndarray, mean: float, std: float) -> Spectrum:
    """The azimuthally averaged power spectrum of images [N, H, W, C], less `mean` and divided by `std`.

    Under a Hann window, whose power is divided out: white noise of variance std² has power 1 at all frequencies. Both
    sides of a comparison take the mean and std of the real images, so that brightness and contrast count. Rings are as
    wide as the lowest frequency of the shorter side; corners beyond half a cycle a pixel are left out. float64.
    """
    height, width, channels = images.shape[1:]
    window = np.outer(_hann(height), _hann(width))
    total = np.zeros((height, width))
    for start in range(0, len(images), BATCH):
        part = (images[start:start + BATCH].astype(np.float64) - mean) / max(std, LEAST) * window[:, :, None]
        total += np.sum(np.abs(np.fft.fft2(part, axes=(1, 2))) ** 2, axis=(0, 3))
    total /= len(images) * channels * np.sum(window**2)
    distance = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    ring = np.rint(distance * min(height, width)).astype(int)
    inside = ring <= min(height, width) // 2
    count = np.bincount(ring[inside])
    power = np.bincount(ring[inside], total[inside]) / count
    return Spectrum(np.bincount(ring[inside], distance[inside]) / count, np.maximum(power, LEAST))


def difference(one: Spectrum, other: Spectrum) -> float:
    """Mean absolute difference in decibels, over all rings but the first, which holds the mean brightness."""
    return float(np.mean(np.abs(10 * np.log10(one.power[1:] / other.power[1:]))))


def picture(real: Spectrum, fake: Spectrum, title: str) -> np.ndarray:
    """Both curves, in decibels over cycles a pixel: RGB."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # not pyplot: it keeps global state
    from matplotlib.figure import Figure
    figure = Figure(figsize=(7.2, 4.2), dpi=110, facecolor="white", layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, curve, colour in (("real", real, REAL), ("generated", fake, FAKE)):
        axes.plot(curve.frequency, 10 * np.log10(curve.power), color=colour, label=name, linewidth=1.8,
                  marker="o" if len(curve.power) < 40 else None, markersize=4)
    axes.set_xlabel("spatial frequency, cycles a pixel (0.5: every other pixel)", fontsize=10)
    axes.set_ylabel("power, dB over white noise of that contrast", fontsize=10)
    axes.set_xlim(0, 0.51)
    axes.grid(color="#e8e8e8", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=10)
    canvas.draw()
    return titled(np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[:, :, :3]), title)


def _hann(length: int) -> np.ndarray:
    """The window without its zero ends, which would throw the outermost pixels away."""
    return np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2
