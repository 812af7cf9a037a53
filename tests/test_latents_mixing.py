"""Tables of styles and classes, and truncation towards several centres, on codes that can be read off the images."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.images import to_uint8
from jaxgan.latents import PRIORS, multimodal
from jaxgan.latents.mixing import Parents, by_class, mixed, mixing, thirds
from jaxgan.latents.sampling import Sampler, Truncation

DIM, SCALE, PITCH = 4, 8, 36  # z; how much larger an image of a sheet is drawn, and how far it is to the next one


class Styled(nn.Module):
    """z and a class -> w of six rows near one of three centres -> images."""

    num_classes: int = 0

    def setup(self):
        self.to_image = nn.Dense(16)

    def __call__(self, z, label=None, *, train):
        return self.synthesis(self.mapping(z, label, train=train), train=train)

    def mapping(self, z, label=None, *, train):
        centre = jnp.array([-4.0, 0.0, 4.0])[(z[:, 0] * 100).astype(jnp.int32) % 3]
        w = 0.1 * z + centre[:, None] + (0 if label is None else 50 * label[:, None])
        return jnp.repeat(w[:, None], 6, axis=1)

    def synthesis(self, w, *, train):
        return jnp.sin(self.to_image(w.reshape(len(w), -1)).reshape(-1, 4, 4, 1))


class Plain(nn.Module):
    """Images of z and a class."""

    @nn.compact
    def __call__(self, z, label=None, *, train):
        return jnp.tanh(nn.Dense(16)(z) + label[:, None]).reshape(-1, 4, 4, 1)


def built(generator, labelled=False):
    label = jnp.zeros(1, jnp.int32) if labelled else None
    run = jax.jit(lambda z: generator.init(keys.root(1), z, label, train=False))
    variables = jax.device_get(run(np.zeros((1, DIM), np.float32)))
    mesh = jax.make_mesh((1,), ("data",), devices=jax.devices()[:1])
    return Sampler(generator, PRIORS["normal"](DIM), mesh), {"params": variables["params"], "variables": {}}


def tile(table, row, column):
    """The pixels of one image of a sheet with 4x4 images."""
    return table[4 + row * PITCH:, 4 + column * PITCH:][:4 * SCALE:SCALE, :4 * SCALE:SCALE]


def body(picture, columns):
    """The images of a sheet without its title and names."""
    return picture[36 + 24:, -(columns * PITCH + 4):]


def test_a_cell_is_the_image_of_the_mixed_w():
    sampler, weights = built(Styled())
    base, styles = ((seeds, sampler.codes(weights, seeds)) for seeds in ([3, 1], [7, 8, 9]))
    picture = mixing(sampler, weights, Parents(*base), Parents(*styles), {"fine": range(4, 6), "one": range(2, 3)}, "t")
    table = body(picture, 4)
    assert table.shape == (5 * PITCH + 4, 4 * PITCH + 4, 1)
    assert (tile(table, 0, 0) == 255).all()
    for column, seed in enumerate(styles[0]):
        np.testing.assert_array_equal(tile(table, 0, column + 1), to_uint8(sampler(weights, [seed]))[0])
    for row, (rows, own) in enumerate([((4, 5), 0), ((4, 5), 1), ((2,), 0), ((2,), 1)]):
        np.testing.assert_array_equal(tile(table, row + 1, 0), to_uint8(sampler(weights, [base[0][own]]))[0])
        for column in range(3):
            w = base[1][own].copy()
            w[list(rows)] = styles[1][column][list(rows)]
            image = to_uint8(sampler.synthesize(weights, w[None]))[0]
            np.testing.assert_array_equal(tile(table, row + 1, column + 1), image)


def test_mixing_all_rows_is_the_other_seed():
    codes = np.random.default_rng(0).standard_normal((5, 6, 4))
    np.testing.assert_array_equal(mixed(codes[:2], codes[2:], range(6)), np.repeat(codes[None, 2:], 2, axis=0))
    assert thirds(18) == {"coarse": range(6), "middle": range(6, 12), "fine": range(12, 18)}
    assert thirds(2) == {"coarse": range(1), "middle": range(1, 2)}


def test_a_row_is_one_seed_in_every_class():
    sampler, weights = built(Plain(), labelled=True)
    codes = sampler.codes(weights, [4, 5])
    table = body(by_class(sampler, weights, [4, 5], [codes] * 3, [0, 2, 1], ["a", "c", "b"], "t"), 3)
    for row in range(2):
        for column, label in enumerate([0, 2, 1]):
            image = to_uint8(sampler(weights, [4 + row], np.array([label], np.int32)))[0]
            np.testing.assert_array_equal(tile(table, row, column), image)


def test_w_is_drawn_to_the_nearest_of_its_centres():
    sampler, weights = built(Styled())
    centres = multimodal.find_centres(sampler, weights, 3, None)
    np.testing.assert_allclose(np.sort(centres[None].mean(axis=1)), [-4, 0, 4], atol=0.05)
    w = sampler.codes(weights, range(30))
    near = centres[None][np.argmin(np.abs(w[:, :1].mean(axis=2) - centres[None].mean(axis=1)), axis=1)]
    whole = sampler.codes(weights, range(30), None, Truncation(0.0, None, centres))
    np.testing.assert_allclose(whole, np.repeat(near[:, None], 6, axis=1), atol=1e-6)
    np.testing.assert_allclose(sampler(weights, range(30), None, Truncation(0.0, None, centres)),
                               sampler.synthesize(weights, np.repeat(near[:, None], 6, axis=1)), atol=1e-5)
    cut = sampler.codes(weights, range(30), None, Truncation(0.25, 2, centres))
    np.testing.assert_allclose(cut[:, :2], near[:, None] + 0.25 * (w[:, :2] - near[:, None]), atol=1e-5)
    np.testing.assert_array_equal(cut[:, 2:], w[:, 2:])
    np.testing.assert_array_equal(cut[9:10], sampler.codes(weights, [9], None, Truncation(0.25, 2, centres)))


def test_centres_are_those_of_the_class():
    sampler, weights = built(Styled(3), labelled=True)
    centres = multimodal.find_centres(sampler, weights, 3, [0, 2])
    assert sorted(centres) == [0, 2]
    np.testing.assert_allclose(centres[2].mean(), 100, atol=1)
    labels = np.array([2, 0, 2], np.int32)
    w = sampler.codes(weights, range(3), labels, Truncation(0.0, None, centres))
    np.testing.assert_allclose(w.mean(axis=(1, 2)).round(-1), [100, 0, 100])


@pytest.mark.parametrize(("generator", "num", "message"), [
    (Plain(), 4, "has no w"), (Styled(), 0, "from 1 to 4096")])
def test_centres_that_cannot_be_are_refused(generator, num, message):
    sampler, weights = built(generator, labelled=True)
    with pytest.raises(InputError, match=message):
        multimodal.find_centres(sampler, weights, num, None)
