"""What StyleGAN3 promises beside its numbers: images move with the input; any size; filters, precision, derivatives."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import config as config_lib
from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.layers.alias_free import resample
from jaxgan.layers.filters import bands, lowpass, radial_lowpass, separated
from jaxgan.models.stylegan3 import Generator

SIDE = 32
W = jax.random.normal(keys.root(0), (2, 16))
FIELDS = {"image_shape": (SIDE, SIDE, 3), "width": 8, "max_width": 16, "w_dim": 16, "num_layers": 5}


SHIFTS = {f"{pixels}": [[1, 0, -pixels / SIDE], [0, 1, 0]] for pixels in (0, 0.5, 1, 3)}  # to the right
TRANSFORMS = SHIFTS | {"quarter": [[0, -1, 0], [1, 0, 0]]}


@functools.cache
def images(rotation):
    """Of W, under each of the transforms."""
    generator = Generator(**FIELDS, rotation=rotation)

    @jax.jit
    def run(transforms):
        variables = generator.init(keys.root(1), W, train=False)
        return jax.lax.map(lambda transform: generator.apply(variables, W, transform=transform, method="synthesis"),
                           transforms)

    return dict(zip(TRANSFORMS, np.asarray(run(jnp.array(list(TRANSFORMS.values()), jnp.float32)))))


def decibels(image, expected):
    """Signal to error."""
    return 10 * np.log10(np.var(expected) / np.mean((image - expected) ** 2))


@pytest.mark.parametrize("rotation", [False, True])
def test_images_move_with_the_input(rotation):
    """By a pixel, which is half a sample of the first maps, by three, and by half a pixel, seen below half the band."""
    still, half, one, three = (images(rotation)[by] for by in SHIFTS)
    assert decibels(one[:, :, 1:], still[:, :, :-1]) > 70
    assert decibels(three[:, :, 3:], still[:, :, :-3]) > 70
    assert decibels(one[:, :, 1:], still[:, :, 1:]) < 30
    odd, even = (lowpass(taps, SIDE / 8, SIDE / 8, SIDE) for taps in (25, 24))
    seen = resample(jnp.asarray(half), odd, 2, SIDE - 24)
    assert decibels(seen, resample(jnp.asarray(still), even, 2, SIDE - 24)) > 45


def test_images_turn_with_the_input():
    """By a quarter turn, exactly, but only with `rotation`."""
    for rotation in (True, False):
        found = decibels(images(rotation)["quarter"], np.rot90(images(rotation)["0"], axes=(1, 2)))
        assert found > 100 if rotation else found < 20


def test_radial_filters_are_alike_in_all_directions():
    """The response at one frequency, along an axis and along a diagonal; the separable filter's are unlike."""
    design = 12, 0.2, 0.1, 1.0
    place = np.arange(12) - 5.5

    def response(kernel, angle, frequency=0.25):
        across, down = np.cos(angle), np.sin(angle)
        return np.sum(kernel * np.cos(2 * np.pi * frequency * (place[:, None] * down + place * across)))

    kernel = radial_lowpass(*design)
    np.testing.assert_allclose(sum(np.outer(*pair) for pair in separated(kernel)), kernel, atol=1e-9)
    assert kernel.sum() == pytest.approx(1)
    square = np.outer(lowpass(*design), lowpass(*design))
    assert abs(response(kernel, 0) - response(kernel, np.pi / 4)) < 0.02
    assert abs(response(square, 0) - response(square, np.pi / 4)) > 0.1


@pytest.mark.parametrize(("inputs", "up", "down", "offset"), [
    (9, 2, 1, 5), (9, 1, 4, 0), (200, 2, 1, 9), (200, 4, 1, -6), (300, 1, 2, 0), (300, 1, 1, 7), (40, 16, 1, 3)])
def test_resampling(inputs, up, down, offset):
    """Zeros between samples, a filter, samples left out; in one product or block by block, on either axis."""
    rng = np.random.default_rng(0)
    taps, x = rng.standard_normal(6 * max(up, down)), rng.standard_normal((1, inputs, 2, 1)).astype(np.float32)
    outputs = (inputs * up - 5) // down
    position = up * np.arange(inputs) + offset - down * np.arange(outputs)[:, None]
    matrix = np.where((position >= 0) & (position < len(taps)), np.take(taps, position, mode="clip"), 0)
    expected = np.einsum("oi,biwc->bowc", matrix, x)
    for axis in (1, 2):
        run = jax.jit(lambda x, axis=axis: resample(x, taps, axis, outputs, up=up, down=down, offset=offset))
        found = run(x if axis == 1 else x.swapaxes(1, 2))
        np.testing.assert_allclose(found if axis == 1 else found.swapaxes(1, 2), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(48, 32, 4), (28, 28, 1), (17, 50, 3)])
def test_any_size(shape):
    generator = Generator(shape, width=4, max_width=8, w_dim=8, margin=3)
    image, variables = jax.eval_shape(lambda: generator.init_with_output(keys.root(0), W, train=False))
    assert image.shape == (2, *shape)
    assert variables["moving"]["to_image"]["layer14"]["magnitude"].shape == ()
    first, *_, second_last, last = bands(shape[:2], 14, 3)
    assert last.size == second_last.size == shape[:2]
    assert first.size == tuple(-(-side * first.rate // max(shape[:2])) + 6 for side in shape[:2])
    assert all(2 * band.cutoff <= band.rate * 1.001 for band in (first, last))


def test_what_is_refused():
    with pytest.raises(InputError, match="needs images of more than 4 pixels, not 3x4"):
        bands((3, 4), 14, 10)
    with pytest.raises(InputError, match=r"config\.generator\.num_layers must be above 2; got 2"):
        bands((32, 32), 2, 10)


def test_low_rates_stay_wide():
    """Of five layers three have 16 samples to a side; the image and what is nearest to it have 32."""
    generator = Generator(**FIELDS, dtype="bfloat16", float32_stages=1)
    variables = jax.eval_shape(lambda: generator.init(keys.root(0), W, train=False))
    program = jax.make_jaxpr(lambda variables: generator.apply(variables, W, train=False))(variables)
    rates = [band.rate for band in bands((SIDE, SIDE), 5, 10)]
    made = [str(step.outvars[0].aval.dtype) for step in program.eqns if step.primitive.name == "gan_convolution"]
    assert made == ["float32" if rate == 16 else "bfloat16" for rate in rates]
    assert set(made) == {"float32", "bfloat16"}
    assert program.out_avals[0].dtype == jnp.float32


def test_second_derivatives():
    """The derivative of the squared slope of the image's mean square is that of finite differences."""
    generator = Generator((8, 8, 1), width=4, max_width=4, w_dim=16, num_layers=3, margin=1)

    @jax.jit
    def run(step):
        variables = generator.init(keys.root(1), W, train=False)

        def slope(w):
            gradient = jax.grad(lambda w: jnp.mean(generator.apply(variables, w, method="synthesis") ** 2))(w)
            return jnp.sum(gradient**2)

        values, gradients = jax.lax.map(jax.value_and_grad(slope), W + jnp.stack([-step, 0 * step, step]))
        return values, jnp.vdot(gradients[1], step)

    (below, middle, above), exact = jax.device_get(run(1e-2 * jax.random.normal(keys.root(2), W.shape)))
    assert middle > 0
    np.testing.assert_allclose(exact, (above - below) / 2, rtol=0.1, atol=1e-3 * middle)


def test_published_settings(root):
    path = f"{root}/configs/stylegan3.py"
    t, r = (config_lib.load(f"{path}:{name}-afhqv2") for name in "tr")
    assert (t.regularizers.r1.gamma, r.regularizers.r1.gamma) == (8.2, 16.4)
    assert (t.generator.width, r.generator.width, r.generator.max_width, r.discriminator.width) == (64, 128, 1024, 64)
    assert [[part.name for part in config.augmentation.values()] for config in (t, r)] == [["ada"], ["blur", "ada"]]
    assert r.augmentation.blur.kimg == 200
    own = config_lib.load(f"{path}:t-128:npz:x")
    assert (own.regularizers.r1.gamma, own.generator.width, own.data.path) == (0.5, 256, "x")
    with pytest.raises(InputError, match="no preset 'ffhq'"):
        config_lib.load(f"{path}:t-ffhq")
