"""How near an image is to the one it should be: PSNR and SSIM."""

import numpy as np

from jaxgan.metrics.ms_ssim import statistics


def psnr(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of uint8 images [N, H, W, C], in decibels; of equal ones as if one level were off."""
    squares = np.square(images.astype(np.float64) - others).reshape(len(images), -1)
    return 10 * np.log10(255**2 / np.maximum(squares.sum(axis=1), 1) * squares.shape[1])


def ssim(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of uint8 images [N, H, W, C] (Wang et al. 2004), float64 [N]: the mean over channels and all places where a
    Gaussian window of 11 pixels and σ = 1.5 lies wholly inside; smaller images have a window as large as they are."""
    one, other = (np.moveaxis(np.asarray(each, np.float64), 3, 1) for each in (images, others))
    luminance, structure = statistics(one, other)
    return (luminance * structure).mean(axis=(1, 2, 3))
