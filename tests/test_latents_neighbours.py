"""Nearest training images, and spectra whose shape is known."""

import numpy as np
import pytest

from jaxgan.latents import neighbours, spectra


def test_a_training_image_is_its_own_neighbour():
    train = np.random.default_rng(0).standard_normal((300, 20)).astype(np.float32) + 100
    distances, rows = neighbours.nearest(train[[7, 250]], train, 3)
    assert distances[:, 0].tolist() == [0, 0]
    assert rows[:, 0].tolist() == [7, 250]
    every = np.linalg.norm(train[7].astype(np.float64) - train, axis=1)
    np.testing.assert_array_equal(rows[0], np.argsort(every)[:3])
    np.testing.assert_allclose(distances[0], np.sort(every)[:3], rtol=1e-6)


def test_the_usual_distance_is_that_of_neighbours():
    assert neighbours.usual_distance(np.arange(0.0, 40.0, 0.5)[:, None]) == 0.5
    assert neighbours.usual_distance(np.arange(0.0, 40.0, 0.5)[:, None], most=5) == 0.5


def test_the_picture_has_sample_and_neighbours_in_a_row():
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
    picture = neighbours.picture(images[:2], ["seed 0", "seed 1"], images[2:].reshape(2, 2, 8, 8, 3),
                                 [["1", "2"], ["3", "4"]], "title")
    table = picture[36 + 24:, -(3 * 68 + 4):]
    for row in range(2):
        for column, image in enumerate([images[row], *images[2 + 2 * row:][:2]]):
            tile = table[4 + row * 104 + 36:, 4 + column * 68:][:64, :64]
            np.testing.assert_array_equal(tile[::8, ::8], image)


@pytest.mark.parametrize("shape", [(32, 48), (48, 32)])
def test_a_sine_has_its_power_at_its_frequency(shape):
    y, x = np.mgrid[:shape[0], :shape[1]]
    wave = 100 + 20 * np.sin(2 * np.pi * (0.25 * x + 0.125 * y))
    found = spectra.spectrum(np.repeat(wave[None, :, :, None], 3, axis=3), 100, 20)
    peak = found.frequency[found.power.argmax()]
    assert peak == pytest.approx(np.hypot(0.25, 0.125), abs=0.5 / 32)
    assert np.median(found.power) < 1e-3 * found.power.max()
    assert found.frequency[-1] == pytest.approx(0.5, abs=0.02)


def test_white_noise_is_flat_and_as_strong_as_its_variance():
    noise = np.random.default_rng(0).standard_normal((400, 16, 24, 1)) * 30 + 128
    found = spectra.spectrum(noise, 128, 30)
    np.testing.assert_allclose(found.power, 1, atol=0.06)
    weaker = spectra.spectrum(noise / 2, 64, 30)
    assert spectra.difference(found, weaker) == pytest.approx(10 * np.log10(4))
    assert spectra.difference(found, found) == 0


def test_the_plot_is_a_picture_with_its_title_on_a_strip():
    found = spectra.spectrum(np.random.default_rng(0).standard_normal((4, 8, 8, 1)), 0, 1)
    picture = spectra.picture(found, found, "title")
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    assert (picture[:36] < 128).any()
    flat = spectra.spectrum(np.zeros((2, 8, 8, 1)), 0, 0)
    assert np.isfinite(spectra.difference(found, flat))
