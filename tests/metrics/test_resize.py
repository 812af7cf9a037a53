"""Each resizer does what the score it is named for does."""

import numpy as np
import pytest
from PIL import Image

from jaxgan.metrics.resize import RESIZERS, rgb

TOLERANCE = {"tf1": 2e-5, "torch": 1e-3, "clean": 1e-4}


@pytest.mark.parametrize("name", TOLERANCE)
def test_parity(shared, name):
    arrays = np.load(shared("reference/inception_resize.npz"))
    for index in range(4):
        result = RESIZERS[name](arrays[f"image{index}"][None], 299)[0].transpose(2, 0, 1)
        expected = arrays[f"{name}{index}"]
        rows = slice(None) if expected.shape[1] == 299 else slice(None, None, 11)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result[:, rows], expected, rtol=0, atol=TOLERANCE[name])


def test_bicubic_of_pillow(shared):
    arrays = np.load(shared("reference/dinov2_fb_tiny.npz"))
    result = RESIZERS["pillow"](arrays["image"][None], 224)[0]
    np.testing.assert_array_equal(result.transpose(2, 0, 1), arrays["image_resized_uint8"])


@pytest.mark.parametrize("name", RESIZERS)
def test_an_image_is_the_same_alone_and_in_a_batch(name):
    images = np.random.default_rng(0).integers(0, 256, (3, 11, 14, 3), np.uint8)
    together = RESIZERS[name](images, 20)
    for image, result in zip(images, together):
        assert RESIZERS[name](image[None], 20)[0].tobytes() == result.tobytes()
    np.testing.assert_array_equal(RESIZERS[name](images[:, :9, :9], 9), images[:, :9, :9])


def test_grey_and_transparent_images():
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 4), np.uint8)
    np.testing.assert_array_equal(rgb(images[..., :1]), images[..., :1].repeat(3, 3))
    np.testing.assert_array_equal(rgb(images[..., :3]), images[..., :3])
    laid = [np.asarray(Image.alpha_composite(Image.new("RGBA", (5, 4), "white"), Image.fromarray(image)).convert("RGB"))
            for image in images]
    assert np.abs(rgb(images).astype(int) - np.stack(laid)).max() <= 1
