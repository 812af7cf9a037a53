"""Projection finds the codes of images whose codes are known."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.images import to_uint8
from jaxgan.latents import PRIORS
from jaxgan.latents.inversion import picture, project, psnr
from jaxgan.latents.perceptual import Features
from jaxgan.latents.sampling import Sampler

DIM = 4


class Plain(nn.Module):
    """4x4 images of z and one of two classes, which are each other's negatives."""

    num_classes: int = 2

    @nn.compact
    def __call__(self, z, label=None, *, train):
        x = jnp.tanh(nn.Dense(16)(z).reshape(-1, 4, 4, 1) + 0.5)
        return x * (1 - 2.0 * label[:, None, None, None])


class Styled(nn.Module):
    """Three rows of w, each of which makes a part of the image."""

    def setup(self):
        self.to_image = nn.Dense(16)

    def __call__(self, z, label=None, *, train):
        return self.synthesis(self.mapping(z, train=train), train=train)

    def mapping(self, z, label=None, *, train):
        return jnp.repeat(z[:, None], 3, axis=1)

    def synthesis(self, w, *, train):
        rows = jnp.broadcast_to(w[:, None], (len(w), 3, DIM)) if w.ndim == 2 else w
        return jnp.tanh(self.to_image(rows.reshape(len(rows), -1)).reshape(-1, 4, 4, 1) / 2)


def built(generator):
    label = jnp.zeros(1, jnp.int32) if hasattr(generator, "num_classes") else None
    run = jax.jit(lambda z: generator.init(keys.root(2), z, label, train=False))
    variables = jax.device_get(run(np.zeros((1, DIM), np.float32)))
    mesh = jax.make_mesh((1,), ("data",), devices=jax.devices()[:1])
    return Sampler(generator, PRIORS["normal"](DIM), mesh), {"params": variables["params"], "variables": {}}


def alternating(seeds):
    return np.arange(len(seeds), dtype=np.int32) % 2


def test_generated_images_are_found_with_their_labels():
    sampler, weights = built(Plain())
    seeds, labels = [1000, 1001, 1002, 1003], np.array([0, 1, 1, 0], np.int32)
    targets = sampler(weights, seeds, labels)
    how = {"space": "z", "num_steps": 150, "restarts": 2}
    found = project(sampler, weights, targets, None, alternating, **how)
    assert found.labels.tolist() == labels.tolist()
    assert (found.psnr > 45).all()
    np.testing.assert_allclose(found.images.astype(int), to_uint8(targets), atol=2)
    np.testing.assert_allclose(found.codes, sampler.codes(weights, seeds), atol=0.02)
    alone = project(sampler, weights, targets[2:3], None, alternating, **how)
    np.testing.assert_array_equal(alone.codes, found.codes[2:3])
    other = project(sampler, weights, targets, 1 - labels, alternating, **how)
    assert other.labels.tolist() == (1 - labels).tolist()
    assert (other.psnr < 30).all()
    drawn = picture(found, targets, "title")
    assert drawn.shape[0] == 36 + 24 + 4 * (32 + 4) + 4


def test_rows_of_w_reach_what_one_w_does_not():
    sampler, weights = built(Styled())
    codes = np.asarray(jax.random.normal(keys.root(5), (2, 3, DIM)))
    targets = sampler.synthesize(weights, codes)

    features = Features(2.0, lambda scale, image, label: scale * image.reshape(len(image), -1)[:, ::2])
    fits = {space: project(sampler, weights, targets, None, None, space=space, num_steps=150, restarts=1,
                           features=features, feature_weight=0.5) for space in ("w", "w+")}
    assert fits["w+"].psnr.min() > 30 > fits["w"].psnr.max() + 5
    one = fits["w"].codes
    assert one.shape == fits["w+"].codes.shape == (2, 3, DIM)
    np.testing.assert_array_equal(one, one[:, :1].repeat(3, axis=1))


@pytest.mark.parametrize(("generator", "space"), [(Plain(), "w"), (Styled(), "z")])
def test_a_space_that_is_not_there_is_refused(generator, space):
    sampler, weights = built(generator)
    with pytest.raises(InputError, match=f"--space={space}: the codes"):
        project(sampler, weights, np.zeros((1, 4, 4, 1)), None, None, space=space, num_steps=1, restarts=1)


def test_psnr_is_that_of_the_mean_square():
    black, grey = np.zeros((1, 4, 4, 1), np.uint8), np.full((1, 4, 4, 1), 10, np.uint8)
    np.testing.assert_allclose(psnr(black, grey), 20 * np.log10(25.5))
    assert np.isfinite(psnr(grey, grey)).all()
