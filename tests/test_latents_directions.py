"""SeFa and PCA against networks whose directions are known."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.images import to_uint8
from jaxgan.latents import PRIORS, directions
from jaxgan.latents.sampling import Sampler
from jaxgan.models import mlp

DIM = 6


class Chunked(nn.Module):
    """The first half of z enters the first layer, the second half a later one, beside a label."""

    num_classes: int = 3

    @nn.compact
    def __call__(self, z, label=None, *, train):
        first, second = jnp.split(z, 2, axis=-1)
        x = jax.nn.relu(nn.Dense(8, name="first")(first))
        condition = jnp.concatenate([jax.nn.one_hot(label, self.num_classes), second], axis=-1)
        x = x * nn.Dense(8, name="second")(condition)
        return jnp.tanh(nn.Dense(16, name="last")(x).reshape(-1, 4, 4, 1))


class Linear(nn.Module):
    """Pixels that are z times a matrix, with the methods of a generator that has a w, which is z in two rows."""

    def setup(self):
        self.pixels = nn.Dense(16, use_bias=False)

    def __call__(self, z, label=None, *, train):
        return 0.05 * self.pixels(z).reshape(-1, 4, 4, 1)


class Styled(Linear):
    def mapping(self, z, label=None, *, train):
        return jnp.repeat(z[:, None] * jnp.arange(1.0, DIM + 1), 2, axis=1)

    def synthesis(self, w, *, train):
        rows = jnp.broadcast_to(w[:, None], (len(w), 2, DIM)) if w.ndim == 2 else w
        return self(rows[:, 0] + rows[:, 1], train=train)


def built(generator):
    label = jnp.zeros(1, jnp.int32) if getattr(generator, "num_classes", 0) else None
    run = jax.jit(lambda z: generator.init(keys.root(3), z, label, train=False))
    variables = jax.device_get(run(np.zeros((1, DIM), np.float32)))
    mesh = jax.make_mesh((1,), ("data",), devices=jax.devices()[:1])
    weights = {"params": variables["params"], "variables": {}}
    return Sampler(generator, PRIORS["normal"](DIM), mesh), weights


def some_labels(seeds):
    return np.arange(len(seeds), dtype=np.int32) % 3


def expected(gram):
    values, vectors = np.linalg.eigh(np.asarray(gram, np.float64))
    return vectors.T[::-1], values[::-1] / values.sum()


def check(found, vectors, shares):
    """The same up to sign; lengths near one, for that is how z spreads."""
    np.testing.assert_allclose(found.shares, shares[:len(found.shares)], rtol=1e-3)
    lengths = np.linalg.norm(found.vectors, axis=1)
    np.testing.assert_allclose(lengths, 1, atol=0.06)
    np.testing.assert_allclose(np.abs(np.sum(found.vectors * vectors[:len(lengths)], axis=1)) / lengths, 1, rtol=1e-3)


def test_sefa_reads_the_first_layer_without_the_label():
    sampler, weights = built(mlp.Generator((4, 4, 1), 3, width=8, depth=2, embed_dim=4))
    kernel = weights["params"]["hidden0"]["kernel"][:DIM]
    check(directions.find("sefa", sampler, weights, some_labels, 3), *expected(kernel @ kernel.T))


def test_sefa_reads_every_layer_that_parts_of_the_code_enter():
    sampler, weights = built(Chunked())
    first, second = weights["params"]["first"]["kernel"], weights["params"]["second"]["kernel"][3:]
    zeros = jnp.zeros((3, 3))
    gram = jnp.block([[first @ first.T, zeros], [zeros, second @ second.T]])
    check(directions.find("sefa", sampler, weights, some_labels, DIM), *expected(gram))


def test_pca_finds_what_moves_the_pixels_most():
    sampler, weights = built(Linear())
    kernel = weights["params"]["pixels"]["kernel"]
    found = directions.find("pca", sampler, weights, None, 2)
    top = expected(kernel @ kernel.T)[0]
    lengths = np.linalg.norm(found.vectors, axis=1)
    assert (np.abs(np.sum(found.vectors * top[:2], axis=1)) > 0.98 * lengths).all()


def test_pca_of_w_is_that_of_w_itself_in_its_own_spread():
    sampler, weights = built(Styled())
    found = directions.find("pca", sampler, weights, None, 2)
    np.testing.assert_allclose(np.abs(found.vectors), [[0, 0, 0, 0, 0, 6], [0, 0, 0, 0, 5, 0]], atol=0.5)
    assert found.shares[0] == pytest.approx(36 / 91, abs=0.03)


def test_the_strip_holds_the_images_it_names():
    sampler, weights = built(Styled())
    found = directions.find("sefa", sampler, weights, None, 2)
    codes = sampler.codes(weights, [4, 8])
    picture = directions.strip(sampler, weights, [4, 8], codes, None, found, "title")
    columns, pitch, side = 7, 8 * 4 + 4, 8 * 4
    table = picture[36 + 24:, -(columns * pitch + 4):]
    assert table.shape == (4 * pitch + 4, columns * pitch + 4, 1)
    for row, (direction, seed) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        for column, step in enumerate([-3, -2, -1, 0, 1, 2, 3]):
            image = sampler.synthesize(weights, codes[seed:seed + 1] + np.float32(step) * found.vectors[direction])
            tile = table[4 + row * pitch:, 4 + column * pitch:][:side, :side]
            np.testing.assert_allclose(tile[::8, ::8].astype(int), to_uint8(image[0]), atol=1)


@pytest.mark.parametrize("num", [0, DIM + 1])
def test_more_directions_than_there_are_is_refused(num):
    sampler, weights = built(Linear())
    with pytest.raises(InputError, match="ask for 1 to as many"):
        directions.find("sefa", sampler, weights, None, num)
