"""PSNR and SSIM, by hand and by their bounds."""

import numpy as np

from jaxgan.metrics.fidelity import psnr, ssim

IMAGES = np.random.default_rng(0).integers(20, 230, (3, 16, 16, 3), np.uint8)


def test_psnr_of_a_constant_difference():
    np.testing.assert_allclose(psnr(IMAGES, IMAGES + 5), 20 * np.log10(255 / 5))
    assert np.isfinite(psnr(IMAGES, IMAGES)).all()


def test_ssim_of_itself_and_of_its_parts():
    np.testing.assert_allclose(ssim(IMAGES, IMAGES), 1)
    shifted = ssim(IMAGES, IMAGES + 20)
    noisy = ssim(IMAGES, IMAGES[:, ::-1])
    assert (noisy < shifted).all()
    assert (shifted < 1).all()
    flat, other = np.full((1, 16, 16, 1), 100, np.uint8), np.full((1, 16, 16, 1), 120, np.uint8)
    c1 = (0.01 * 255) ** 2  # without structure, only the luminance term is left
    np.testing.assert_allclose(ssim(flat, other), (2 * 100 * 120 + c1) / (100**2 + 120**2 + c1))
