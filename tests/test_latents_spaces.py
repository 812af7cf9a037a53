"""Path lengths of generators whose length is known, in z and in w."""

import functools

import flax.linen as nn
import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from jaxgan.latents.priors import normal, uniform
from jaxgan.latents.sampling import Sampler
from jaxgan.latents.spaces import latent_spaces
from jaxgan.metrics.ppl import distances, trimmed_mean

DIM, NUM = 64, 256
T = np.random.default_rng(0).random(NUM)


class Linear(nn.Module):
    """An image of 4×4×3 that is linear in z, but for its label."""

    @nn.compact
    def __call__(self, z, label=None, *, train):
        return nn.Dense(48, use_bias=False)(z).reshape(-1, 4, 4, 3) + label[:, None, None, None]


class Styled(nn.Module):
    """The same by way of a w of two rows that carries the label, with noise in each image."""

    def setup(self):
        self.to_w, self.to_image = nn.Dense(10, use_bias=False), nn.Dense(48, use_bias=False)

    def __call__(self, z, label=None, *, train):
        return self.synthesis(self.mapping(z, label, train=train), train=train)

    def mapping(self, z, label=None, *, train=False, psi=1.0, cutoff=None):
        return self.to_w(z).reshape(-1, 2, 5) + 10.0 * label[:, None, None]

    def synthesis(self, w, *, train):
        noise = jax.random.normal(self.make_rng("noise"), (len(w), 48))
        return (self.to_image(w.reshape(len(w), -1)) + noise).reshape(-1, 4, 4, 3)


@pytest.fixture(scope="module")
def walked():
    """`walked(Linear, normal)` -> (sampler, weights, its spaces), on two devices, labels from 0 to 2."""
    @functools.cache
    def make(network, prior):
        generator = network()
        sampler = Sampler(generator, prior(DIM), Mesh(np.asarray(jax.devices()[:2]), ("data",)))
        z, label = np.zeros((1, DIM), np.float32), np.zeros(1, np.int32)
        rngs = {"params": jax.random.key(1), "noise": jax.random.key(2)}
        params = jax.device_get(jax.jit(lambda *given: generator.init(*given, train=True))(rngs, z, label))
        weights = {"params": params["params"], "variables": {}}
        return sampler, weights, latent_spaces(sampler, weights, lambda seeds: (seeds % 3).astype(np.int32),
                                               lambda images: images.reshape(len(images), -1))
    return make


def length(space, epsilon=1e-2):
    """Of the same paths for every space."""
    return distances(space, T, epsilon, np.random.default_rng(5))


def test_a_linear_generator_in_closed_form(walked):
    """Uniform z are walked along lines: E ‖(b − a) K‖² is twice the variance of an entry, 1/3, times ‖K‖²."""
    _, weights, spaces = walked(Linear, uniform)
    assert spaces.keys() == {"z"}
    kernel = weights["params"]["Dense_0"]["kernel"]
    assert trimmed_mean(length(spaces["z"])) == pytest.approx(2 / 3 * float(np.sum(kernel**2)), rel=0.05)


def test_lines_in_z_are_lines_in_w_where_the_mapping_is_linear(walked):
    """Each path has one length, in closed form from its ends; labels and noise are the same at both ends of a step."""
    _, weights, spaces = walked(Styled, uniform)
    assert spaces.keys() == {"z", "w"}
    seeds = np.random.default_rng(5).integers(2**32, size=(2, NUM), dtype=np.uint32)
    begin, end = (spaces["z"].codes(row, spaces["z"].labels(row)) for row in seeds)
    to_w, to_image = (np.asarray(weights["params"][name]["kernel"], np.float64) for name in ("to_w", "to_image"))
    kernel = to_w @ to_image
    expected = np.sum(((end - begin) @ kernel) ** 2, axis=1)
    for space in spaces.values():
        np.testing.assert_allclose(length(space), expected, rtol=2e-3)


def test_normal_z_go_along_arcs_and_w_along_lines(walked):
    """A quarter circle of radius √dim has π²/4 dim for the square of its length, the straight line between its ends
    2 dim."""
    _, _, spaces = walked(Styled, normal)
    assert spaces["z"].spherical
    assert not spaces["w"].spherical
    ratio = np.mean(length(spaces["z"])) / np.mean(length(spaces["w"]))
    assert ratio == pytest.approx(np.pi**2 / 8, rel=0.1)


def test_the_codes_of_both_spaces_make_the_images_of_the_seeds(walked):
    sampler, weights, spaces = walked(Styled, normal)
    seeds = np.arange(40)
    labels = spaces["z"].labels(seeds)
    expected = sampler(weights, seeds, labels)
    assert spaces["z"].codes(seeds, labels).shape == (40, DIM)
    assert spaces["w"].codes(seeds, labels).shape == (40, 2, 5)
    for space in spaces.values():
        found = space.synthesize(space.codes(seeds, labels), labels)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
