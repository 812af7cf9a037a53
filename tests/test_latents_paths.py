"""Codes of seeds, truncated ones, and closed paths through them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import truncnorm

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.latents import PRIORS
from jaxgan.latents.interpolation import closed_loop, label_loop, walk
from jaxgan.latents.sampling import Sampler, Truncation
from jaxgan.layers.embed import Embed


class Plain(nn.Module):
    """4x4 images of z; of the label too, through what `embed` says."""

    num_classes: int = 0
    embed: str = "table"

    @nn.compact
    def __call__(self, z, label=None, *, train):
        x = nn.Dense(16, name="pixels")(z)
        if self.num_classes:
            known = Embed(self.num_classes, 16) if self.embed == "table" else nn.Embed(self.num_classes, 16)
            x += known(label)
        return jnp.tanh(x.reshape(-1, 4, 4, 1))


class Styled(nn.Module):
    """z -> w of three rows, whose mean is 1 -> images."""

    def setup(self):
        self.to_w = nn.Dense(5)
        self.to_image = nn.Dense(16)

    def __call__(self, z, label=None, *, train):
        return self.synthesis(self.mapping(z, label, train=train), train=train)

    def mapping(self, z, label=None, *, train, psi=1.0, cutoff=None):
        w = jnp.repeat(self.to_w(z)[:, None], 3, axis=1)
        return jnp.where(jnp.arange(3)[:, None] < (3 if cutoff is None else cutoff), 1 + psi * (w - 1), w)

    def synthesis(self, w, *, train):
        return jnp.tanh(self.to_image(w.reshape(len(w), -1)).reshape(-1, 4, 4, 1))


def built(generator, prior="normal", **arguments):
    """A sampler of a fresh generator, and its weights."""
    prior = PRIORS[prior](dim=6, **arguments)
    label = jnp.zeros(1, jnp.int32) if getattr(generator, "num_classes", 0) else None
    run = jax.jit(lambda z: generator.init(keys.root(1), z, label, train=False))
    variables = jax.device_get(run(np.zeros((1, 6), np.float32)))
    mesh = jax.make_mesh((1,), ("data",), devices=jax.devices()[:1])
    return Sampler(generator, prior, mesh), {"params": variables["params"], "variables": {}}


def test_truncated_latents_are_the_same_ones_nearer_to_the_middle():
    sampler, weights = built(Plain())
    z, near, far = (sampler.codes(weights, range(2000), None, truncation)
                    for truncation in (None, Truncation(0.7), Truncation(8.0)))
    assert np.abs(near).max() <= 0.7
    assert (np.argsort(near, axis=0) == np.argsort(z, axis=0)).all()
    assert near.std() == pytest.approx(truncnorm(-0.7, 0.7).std(), abs=0.01)
    np.testing.assert_allclose(far, z, atol=1e-3)
    np.testing.assert_array_equal(near[37:38], sampler.codes(weights, [37], None, Truncation(0.7)))
    uniform, weights = built(Plain(), "uniform")
    np.testing.assert_allclose(uniform.codes(weights, range(5), None, Truncation(0.5)),
                               uniform.codes(weights, range(5)) / 2, rtol=1e-6)


def test_w_is_truncated_towards_its_mean():
    sampler, weights = built(Styled())
    w = sampler.codes(weights, range(4))
    assert w.shape == (4, 3, 5)
    np.testing.assert_allclose(sampler.codes(weights, range(4), None, Truncation(0.0)), np.ones_like(w), atol=1e-6)
    cut = sampler.codes(weights, range(4), None, Truncation(0.5, cutoff=2))
    np.testing.assert_allclose(cut[:, :2], 0.5 + w[:, :2] / 2, rtol=1e-5)
    np.testing.assert_allclose(cut[:, 2], w[:, 2], rtol=1e-6)
    z = jax.vmap(lambda i: sampler.prior.sample(jax.random.fold_in(keys.root(0), i), ()))(jnp.arange(4))
    np.testing.assert_allclose(sampler(weights, range(4)), Styled().apply(weights, z, train=False), atol=1e-6)


@pytest.mark.parametrize(("prior", "truncation", "message"), [
    ({}, Truncation(0.0), "above 0"), ({}, Truncation(0.5, 2), "has no w"),
    ({"prior": "info", "codes": (2,)}, Truncation(0.5), "cannot be truncated")])
def test_truncation_that_means_nothing_is_refused(prior, truncation, message):
    sampler, weights = built(Plain(), **prior)
    with pytest.raises(InputError, match=message):
        sampler(weights, [0], None, truncation)


def test_a_loop_passes_its_codes_and_closes():
    codes = np.random.default_rng(0).standard_normal((3, 6)).astype(np.float32)
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    arc, line = closed_loop(codes, 4, spherical=True), closed_loop(codes, 4, spherical=False)
    for path in (arc, line):
        assert path.shape == (12, 6)
        np.testing.assert_array_equal(path[::4], codes)
    np.testing.assert_allclose(np.linalg.norm(arc, axis=1), 1, rtol=1e-6)
    angles = np.arccos(np.sum(arc * np.roll(arc, -1, axis=0), axis=1)).reshape(3, 4)
    np.testing.assert_allclose(angles, angles[:, :1].repeat(4, axis=1), rtol=1e-4)
    np.testing.assert_allclose(line[9], 0.75 * codes[2] + 0.25 * codes[0], rtol=1e-5)
    w = codes.reshape(3, 2, 3)
    np.testing.assert_array_equal(closed_loop(w, 4, spherical=False), line.reshape(12, 2, 3))


def test_labels_go_along_where_they_can():
    labels = np.array([2, 0, 0], np.int32)
    mixed = label_loop(labels, 2, 3, mixed=True)
    np.testing.assert_allclose(mixed, [[0, 0, 1], [.5, 0, .5], [1, 0, 0], [1, 0, 0], [1, 0, 0], [.5, 0, .5]])
    assert mixed.dtype == np.float32
    assert label_loop(labels, 2, 3, mixed=False).tolist() == [2, 2, 0, 0, 0, 0]
    assert label_loop(labels[1:], 2, 3, mixed=True).tolist() == [0, 0, 0, 0]
    vectors = np.array([[0.0, 4.0], [2.0, 0.0]], np.float32)
    np.testing.assert_allclose(label_loop(vectors, 2, 2, mixed=True), [[0, 4], [1, 2], [2, 0], [1, 2]])


@pytest.mark.parametrize(("embed", "kind"), [("table", "f"), ("classes alone", "i")])
def test_a_walk_shows_its_seeds_on_the_way(embed, kind):
    sampler, weights = built(Plain(3, embed))
    seeds, labels = [5, 9, 7], np.array([1, 2, 2], np.int32)
    path = walk(sampler, weights, seeds, sampler.codes(weights, seeds, labels), labels, 3, 4)
    assert path.labels.dtype.kind == kind
    made = sampler.synthesize(weights, path.codes, path.labels)
    np.testing.assert_allclose(made[::4], sampler(weights, seeds, labels), atol=1e-6)
    assert len(np.unique(made.reshape(12, -1), axis=0)) == 12
    assert path.captions[::4] == [f"{words} · great arc" for words in (
        "seed 5 → 9 · class 1 → 2", "seed 9 → 7 · class 2", "seed 7 → 5 · class 2 → 1")]


def test_w_is_walked_along_straight_lines():
    sampler, weights = built(Styled())
    ends = sampler.codes(weights, [0, 1], None, Truncation(0.5))
    path = walk(sampler, weights, [0, 1], ends, None, 0, 2)
    np.testing.assert_allclose(path.codes[1], ends.mean(axis=0), atol=1e-6)
    assert path.labels is None
    arc = walk(sampler, weights, [0, 1], ends, None, 0, 2, "spherical")
    assert not np.allclose(arc.codes[1], path.codes[1], atol=1e-3)
    assert arc.captions[1] == "seed 0 → 1 · great arc"


def test_an_open_walk_ends_at_the_last_seed():
    sampler, weights = built(Plain(3))
    labels = np.array([1, 2, 0], np.int32)
    codes = sampler.codes(weights, [5, 9, 7], labels)
    path = walk(sampler, weights, [5, 9, 7], codes, labels, 3, 4, "linear", closed=False)
    assert len(path.codes) == len(path.labels) == len(path.captions) == 9
    np.testing.assert_array_equal(path.codes[::4], codes)
    np.testing.assert_allclose(path.codes[2], codes[:2].mean(axis=0), rtol=1e-5, atol=1e-6)
    assert path.labels[-1].tolist() == [1, 0, 0]
    assert path.captions[7:] == ["seed 9 → 7 · class 2 → 0 · straight line", "seed 7 · class 0"]
