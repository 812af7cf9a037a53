"""BigGAN and BigGAN-deep: published parameter counts, the hierarchical latent, standing statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.latents.standing import standing_statistics
from jaxgan.models import biggan, biggan_deep, resnet


def shapes(network, *inputs):
    return jax.eval_shape(lambda: network.init(jax.random.key(0), *inputs, train=True))


def millions(network, *inputs):
    return sum(leaf.size for leaf in jax.tree.leaves(shapes(network, *inputs)["params"])) / 1e6


@pytest.mark.parametrize(("family", "fields", "size", "z_dim", "classes", "generator", "discriminator"), [
    (biggan, {}, 128, 120, 1000, 70.43, 87.98),  # the paper's 70.4 and 88.0
    (biggan, {}, 32, 80, 10, 9.42, 2.42),  # PyTorch-StudioGAN for CIFAR-10
    (resnet, {}, 32, 128, 10, 4.30, 1.06),  # PyTorch-StudioGAN's SNGAN for CIFAR-10
    # The paper has 50.4 and 34.6; of its last convolution 125 channels go unused, 0.14 million, and are not here.
    (biggan_deep, {}, 128, 128, 1000, 50.24, 34.59),
], ids=["biggan128", "biggan32", "sngan32", "deep128"])
def test_published_parameter_counts(family, fields, size, z_dim, classes, generator, discriminator):
    label, shape = jnp.zeros(2, jnp.int32), (size, size, 3)
    counts = (millions(family.Generator(shape, classes, **fields), jnp.zeros((2, z_dim)), label),
              millions(family.Discriminator(shape, classes, **fields), jnp.zeros((2, *shape)), label))
    assert counts == pytest.approx((generator, discriminator), abs=0.006)


def test_z_is_cut_into_chunks():
    def first_layers(z_dim, **fields):
        params = shapes(biggan.Generator((16, 16, 1), 3, width=1, embed_dim=5, **fields), jnp.zeros((2, z_dim)),
                        jnp.zeros(2, jnp.int32))["params"]
        return [params["dense"]["kernel"].shape[0]] + [params[f"block{i}"]["norm1"]["gain"]["kernel"].shape[0]
                                                       for i in (1, 2)]
    assert first_layers(6) == [2, 7, 7]
    assert first_layers(7) == [3, 7, 7]
    assert first_layers(8, hierarchical=False) == [8, 5, 5]
    with pytest.raises(InputError, match=r"config\.latent\.dim=2 is too small to cut: 3 or more are needed"):
        first_layers(2)


def test_without_classes_the_chunk_alone_conditions_and_without_both_nothing_does():
    z = jnp.zeros((2, 4))
    chunk = shapes(biggan.Generator((8, 8, 1), width=1), z)["params"]
    assert chunk["block1"]["norm1"]["gain"]["kernel"].shape == (2, 4)
    plain = shapes(biggan.Generator((8, 8, 1), width=1, hierarchical=False), z)["params"]
    assert set(plain["block1"]["norm1"]) == {"batch"}
    assert "embed" not in chunk


def test_deep_attention_follows_a_stage():
    params = shapes(biggan_deep.Generator((16, 16, 1), width=2, attention=8), jnp.zeros((2, 4)))["params"]
    blocks = {name for name in params if name.startswith(("block", "attention"))}
    assert blocks == {"block1_1", "block1_2", "block2_1", "block2_2", "attention1"}
    with pytest.raises(InputError, match="no feature map is 3 pixels high; there are 4"):
        shapes(biggan_deep.Discriminator((8, 8, 1), width=2, attention=3), jnp.zeros((2, 8, 8, 1)))


def test_standing_statistics():
    """They are the mean over batches of what BatchNorm sees, leave the rest, and do not depend on the running ones."""
    generator = biggan.Generator((8, 8, 1), 3, width=1, embed_dim=2)
    z = np.random.default_rng(1).standard_normal((3, 5, 4), np.float32)
    label = np.arange(15).reshape(3, 5) % 3
    weights = jax.device_get(jax.jit(lambda key: generator.init(key, z[0], label[0], train=True))(jax.random.key(0)))
    standing = jax.jit(lambda *given: standing_statistics(generator, *given))
    found = standing(weights, z, label)

    @jax.jit
    def batch(weights, z, label):
        fresh = {**weights, "batch_stats": jax.tree.map(jnp.zeros_like, weights["batch_stats"])}
        return generator.apply(fresh, z, label, train=True, mutable=["batch_stats"])[1]["batch_stats"]

    each = jax.device_get([batch(weights, *given) for given in zip(z, label)])
    mean = jax.tree.map(lambda *leaves: 10 * sum(leaves) / 3, *each)  # from 0, a step of 0.1 of the batch's own
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found["batch_stats"], mean)
    for name in ("params", "spectral"):
        jax.tree.map(np.testing.assert_array_equal, found[name], weights[name])
    again = standing(found, z, label)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), again["batch_stats"], found["batch_stats"])
