"""What spoils images, against Pillow and by hand; the same for the same key, and of one example alone."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from jaxgan import keys
from jaxgan.degradation import DEGRADATIONS, chain, in_order
from jaxgan.errors import InputError

KEY = keys.root(0)
PHOTO = load_sample_image("flower.jpg")[100:140, 200:248]  # 40x48, which 8 divides


def as_float(image):
    return jnp.asarray(image, jnp.float32) / 127.5 - 1


def levels(image):
    return 127.5 * np.asarray(image) + 127.5


@pytest.mark.parametrize("filter", ["bicubic", "bilinear", "lanczos"])
@pytest.mark.parametrize("factor", [2, 4])
def test_down_sampling_is_that_of_pillow(filter, factor):
    small = DEGRADATIONS["downsample"](factor, filter)(KEY, as_float(PHOTO))
    planes = [Image.fromarray(plane.astype(np.float32)).resize((48 // factor, 40 // factor),
                                                               Image.Resampling[filter.upper()])
              for plane in np.moveaxis(PHOTO, 2, 0)]
    np.testing.assert_allclose(levels(small), np.stack(planes, axis=2), atol=0.02)


def test_area_is_the_mean_of_patches():
    small = DEGRADATIONS["downsample"](2, "area")(KEY, as_float(PHOTO))
    np.testing.assert_allclose(levels(small)[3, 5], PHOTO[6:8, 10:12].mean(axis=(0, 1)), atol=1e-3)


def test_blur_spreads_a_point_as_a_gaussian():
    point = jnp.zeros((31, 31, 1)).at[15, 15].set(1.0)
    made = np.asarray(DEGRADATIONS["blur"]((2.0, 2.0))(KEY, point))[:, :, 0]
    np.testing.assert_allclose(made.sum(), 1, rtol=1e-3)
    places = np.arange(31) - 15
    np.testing.assert_allclose((made.sum(axis=0) * places**2).sum(), 4, rtol=0.01)
    np.testing.assert_allclose(DEGRADATIONS["blur"]((0, 0))(KEY, as_float(PHOTO)), as_float(PHOTO), atol=1e-6)


def test_noise_has_the_strength_asked_for():
    noisy = DEGRADATIONS["noise"]((5, 5))(KEY, jnp.zeros((100, 100, 3)))
    np.testing.assert_allclose(127.5 * np.std(noisy), 5, rtol=0.05)
    assert abs(np.mean(noisy)) < 0.01


@pytest.mark.parametrize("quality", [20, 50, 90])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_that_of_libjpeg(quality, channels):
    image = PHOTO if channels == 3 else PHOTO[:, :, :1]
    file = io.BytesIO()
    Image.fromarray(np.squeeze(image)).save(file, format="JPEG", quality=quality, subsampling=0)
    wanted = np.asarray(Image.open(file), np.float32).reshape(image.shape)
    made = levels(DEGRADATIONS["jpeg"]((quality, quality))(KEY, as_float(image)))
    lost = np.abs(wanted - image).mean()
    assert np.abs(made - wanted).mean() < 0.15 * lost + 0.5  # libjpeg rounds the planes once more
    assert np.abs(levels(DEGRADATIONS["jpeg"]((quality, quality))(KEY, as_float(image[:37, :45]))) - image[:37, :45]
                  ).mean() < 1.2 * lost + 0.3


def test_holes_are_where_the_last_channel_says():
    image = as_float(PHOTO)
    made = np.asarray(DEGRADATIONS["holes"](2, (0.25, 0.5))(KEY, image))
    missing = made[:, :, 3] == 1
    assert set(np.unique(made[:, :, 3])) == {-1, 1}
    assert 0.25**2 - 0.01 < missing.mean() < 2 * 0.5**2
    np.testing.assert_array_equal(made[missing][:, :3], 0)
    np.testing.assert_array_equal(made[~missing][:, :3], np.asarray(image)[~missing])


def test_grey_is_that_of_pillow():
    grey = DEGRADATIONS["grey"]()(KEY, as_float(PHOTO))
    np.testing.assert_allclose(levels(grey)[:, :, 0], np.asarray(Image.fromarray(PHOTO).convert("L")), atol=1)
    with pytest.raises(InputError, match="grey is for images of 3 channels, not 1"):
        DEGRADATIONS["grey"]()(KEY, as_float(PHOTO[:, :, :1]))


def test_edges_are_black_lines_where_the_brightness_changes():
    image = np.full((9, 12, 3), -1, np.float32)
    image[:, 6:] = 1
    image[:, :, 1:] *= 0.999  # hardly a colour
    image[2, 2] += 0.1  # too faint
    lines = np.asarray(DEGRADATIONS["edges"](0.3)(KEY, jnp.asarray(image)))
    wanted = np.ones((9, 12, 1))
    wanted[:, 5:7] = -1
    np.testing.assert_array_equal(lines, wanted)
    assert (DEGRADATIONS["edges"]()(KEY, jnp.zeros((4, 4, 1))) == 1).all()  # nothing to see


def test_a_chain_is_the_same_for_the_same_key_and_of_one_example_alone():
    spoil = jax.jit(chain([DEGRADATIONS[name]() for name in ("blur", "downsample", "noise", "jpeg")]))
    images = jnp.stack([as_float(PHOTO)] * 3)
    each = jax.random.split(KEY, 3)
    made = spoil(each, images)
    assert made.shape == (3, 20, 24, 3)
    np.testing.assert_array_equal(made, spoil(each, images))
    np.testing.assert_array_equal(made[0], spoil(each, images.at[1:].set(0))[0])
    assert np.abs(made[0] - made[1]).max() > 0.01
    np.testing.assert_allclose(levels(made), np.round(levels(made)), atol=1e-3)  # what a file would hold


def test_parts_are_applied_in_the_order_of_a_camera():
    names = {"a": "jpeg", "b": "my_parts:rain", "c": "blur", "d": "noise", "e": "downsample", "f": "edges"}
    assert in_order(names) == ["c", "f", "e", "d", "a", "b"]


@pytest.mark.parametrize(("name", "arguments", "message"), [
    ("blur", {"sigma": (2, 1)}, "blur.sigma must be two numbers from 0 to 50"),
    ("jpeg", {"quality": 50.0}, "must be two numbers"),
    ("noise", {"levels": "ab"}, "must be two numbers"),
    ("downsample", {"factor": 1}, "factor must be 2 or more"),
    ("downsample", {"filter": "nearest"}, "one of bicubic, bilinear, lanczos, area; got 'nearest'"),
    ("holes", {"count": 0}, "count must be 1 or more"),
    ("edges", {"threshold": 1.0}, "edges.threshold must be above 0 and below 1"),
])
def test_refusals(name, arguments, message):
    with pytest.raises(InputError, match=message):
        DEGRADATIONS[name](**arguments)


def test_what_does_not_fit_the_images_is_refused():
    with pytest.raises(InputError, match=r"images of 40×48 cannot be made 7 times smaller"):
        DEGRADATIONS["downsample"](7)(KEY, as_float(PHOTO))
    with pytest.raises(InputError, match="1 or 3 channels, not 4"):
        DEGRADATIONS["jpeg"]()(KEY, jnp.zeros((8, 8, 4)))
