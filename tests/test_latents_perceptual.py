"""A backbone's preparation of images, read off as matrices, does what the preparation does and has a gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.latents.perceptual import of_backbone, read_off
from jaxgan.metrics import classifier
from jaxgan.metrics.backbones import Backbone
from jaxgan.metrics.backbones.pixels import pixels
from jaxgan.metrics.resize import RESIZERS, rgb

MEAN, STD = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.3, 0.25])


def backbone(prepare):
    return Backbone("test", "", "", {"gain": jnp.float32(3)}, prepare,
                    lambda weights, prepared: {"pool": weights["gain"] * prepared.reshape(len(prepared), -1)})


def smooth(shape):
    """An image as photographs are: no pixel far from its neighbours."""
    y, x = np.mgrid[:shape[0], :shape[1]]
    waves = [np.sin(0.4 * x + 0.2 * y + phase) for phase in range(shape[2])]
    return (128 + 90 * np.stack(waves, axis=-1)).astype(np.uint8)


@pytest.mark.parametrize(("prepare", "shape"), [
    (classifier.prepare, (12, 10, 3)), (classifier.prepare, (96, 80, 1)),
    (lambda images: (RESIZERS["tf1"](rgb(images), 37) - 128) / 128, (16, 12, 1)),
    (lambda images: RESIZERS["torch"](rgb(images), 9) / 127.5 - 1, (16, 12, 3)),
    (lambda images: (RESIZERS["pillow"](rgb(images), 42) / 255 - MEAN) / STD, (16, 12, 3))])
def test_the_matrices_do_what_the_preparation_does(prepare, shape):
    image = smooth(shape)
    preparation = read_off(backbone(prepare), shape)
    found, wanted = preparation(image[None].astype(np.float32))[0], prepare(image[None])[0]
    assert np.abs((found - wanted) / preparation.scale).mean() < 1.5  # levels of 255


def test_features_change_with_the_image():
    features = of_backbone(pixels(2), (4, 4, 1))
    image = jnp.zeros((1, 4, 4, 1))
    slope = jax.grad(lambda image: features.apply(features.weights, image, None)[0, 0])(image)
    expected = np.zeros((4, 4))
    expected[:2, :2] = 0.5 / 4  # a quarter of the corner's four pixels, in [0, 1] rather than [-1, 1]
    np.testing.assert_allclose(slope[0, :, :, 0], expected, atol=1e-6)
    np.testing.assert_allclose(features.apply(features.weights, image, None), 0.5, atol=1e-6)


def test_a_preparation_that_is_not_linear_is_refused():
    with pytest.raises(InputError, match="backbone test prepares such images in a way that has no gradient"):
        read_off(backbone(lambda images: (images.astype(np.float32) - 128) ** 2), (4, 4, 1))
