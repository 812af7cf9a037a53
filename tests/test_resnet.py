"""The ResNet GAN's sizes, conditioning and refusals; what every family promises is in test_model_contract."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.models import resnet
from jaxgan.models._stages import attention_stages, discriminator_stages, generator_stages

Z, LABEL, IMAGE = jnp.ones((2, 6)), jnp.array([0, 2]), jnp.zeros((2, 8, 8, 1))


def shapes(network, *inputs):
    return jax.eval_shape(lambda: network.init(jax.random.key(0), *inputs, train=True))


@pytest.mark.parametrize(("shape", "bottom", "generator", "discriminator", "downs"), [
    ((8, 8, 1), (4, 4), [4, 4], [2, 2, 2], 1),
    ((28, 28, 1), (7, 7), [4, 4, 4], [2, 2, 2, 2], 2),
    ((32, 32, 3), (4, 4), [4, 4, 4, 4], [2, 2, 2, 2], 2),
    ((48, 32, 3), (6, 4), [4, 4, 4, 4], [2, 2, 2, 2], 2),
    ((64, 64, 3), (4, 4), [16, 8, 4, 2, 1], [1, 2, 4, 8, 16], 4),
    ((128, 128, 3), (4, 4), [16, 16, 8, 4, 2, 1], [1, 2, 4, 8, 16, 16], 5),
    ((1024, 1024, 3), (4, 4), [16, 16, 8, 8, 4, 2, 1, 1, 1], [1, 1, 1, 2, 4, 8, 8, 16, 16], 8),
])
def test_stages(shape, bottom, generator, discriminator, downs):
    up = generator_stages(shape, 10, None, None)
    assert up.bottom == bottom
    assert [up.first_width, *up.widths] == [10 * number for number in generator]
    assert up.heights[-1] == shape[0]
    down = discriminator_stages(shape, 10, None, None)
    assert down.widths == [10 * number for number in discriminator]
    assert sum(down.downs) == downs
    assert down.heights[-1] == shape[0] >> downs


def test_stages_as_asked():
    up = generator_stages((32, 32, 3), 8, (4, 2), 1)
    assert (up.bottom, up.widths, up.heights) == ((16, 16), [16], [32])
    down = discriminator_stages((32, 32, 3), 8, (1, 2, 2), 3)
    assert (down.downs, down.heights) == ([True] * 3, [16, 8, 4])


def test_where_attention_goes():
    heights = [64, 32, 16, 8, 8]
    assert attention_stages((), (), heights, 128, "discriminator") == set()
    assert attention_stages(0, (), heights, 128, "discriminator") == set()
    assert attention_stages(8, (5,), heights, 128, "discriminator") == {4, 5}
    assert attention_stages((64, 16), (), heights, 128, "discriminator") == {1, 3}
    assert attention_stages(None, (), heights, 128, "discriminator") == {1}
    assert attention_stages(None, (), [8, 16, 32, 64, 128, 256], 256, "generator") == {4}
    assert attention_stages(None, (), [8, 16, 32], 32, "generator") == {2}
    assert attention_stages(None, (), [8], 8, "generator") == set()


@pytest.mark.parametrize(("fields", "message"), [
    ({"image_shape": (33, 32, 1)}, "33x32 cannot be: both sides must be even and 8 or more"),
    ({"image_shape": (6, 6, 1)}, "6x6 cannot be"),
    ({"num_up": 3, "image_shape": (20, 20, 1)}, r"generator\.num_up=3: 20x20.*divisible by 8"),
    ({"num_up": 0}, r"generator\.num_up=0"),
    ({"multipliers": (1,)}, r"generator\.multipliers needs 2 numbers"),
    ({"attention": 32}, r"generator\.attention: no feature map is 32 pixels high; there are 8"),
    ({"attention_blocks": (2,)}, r"generator\.attention_blocks: there is no block 2"),
    ({"conditioning": "concatenate"}, r"generator\.conditioning: there is no 'concatenate'.*'concat'"),
    ({"norm": "bacth"}, r"generator\.norm: there is no 'bacth'.*'batch'"),
    ({"norm": "none", "num_classes": 3}, r"norm='none' does not go with conditioning='conditional_batch'"),
    ({"initializer": "ortho"}, r"generator\.initializer: there is no 'ortho'.*'orthogonal'"),
])
def test_generator_refusals(fields, message):
    with pytest.raises(InputError, match=message):
        shapes(resnet.Generator(**({"image_shape": (8, 8, 1), "width": 2} | fields)), Z, LABEL)


@pytest.mark.parametrize(("fields", "message"), [
    ({"num_down": 4}, r"discriminator\.num_down=4"),
    ({"num_down": 2, "multipliers": (1,)}, r"discriminator\.multipliers needs a number for each of 2 halvings"),
    ({"norm": "conditional_batch"}, r"discriminator\.norm: there is no 'conditional_batch'"),
    ({"head": "lineal"}, r"discriminator\.head: there is no 'lineal'.*'linear'"),
])
def test_discriminator_refusals(fields, message):
    with pytest.raises(InputError, match=message):
        shapes(resnet.Discriminator(**({"image_shape": (8, 8, 1), "width": 2} | fields)), IMAGE, LABEL)


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize("conditioning", ["concat", "conditional_batch", "self_modulation", "adain"])
def test_conditioning(conditioning, num_classes):
    """Labels come in where the name says, and without labels what is left of the method is."""
    network = resnet.Generator((8, 8, 1), num_classes, width=1, conditioning=conditioning)
    variables = shapes(network, Z, LABEL)
    params = variables["params"]
    assert ("embed" in params) == (num_classes > 0 and conditioning != "conditional_batch")
    assert params["dense"]["kernel"].shape[0] == (6 + 32 if conditioning == "concat" and num_classes else 6)
    modulated = {"self_modulation": {"batch", "hidden", "gain", "bias"}, "adain": {"hidden", "gain", "bias"}}
    inner = modulated.get(conditioning, {"gain", "bias"} if "embed" not in params and num_classes else {"batch"})
    assert set(params["block1"]["norm1"]) == inner - ({"batch"} if conditioning == "self_modulation" else set())
    assert set(params["norm"]) == (inner - {"batch"} if conditioning in modulated else {"batch"})
    assert ("batch_stats" in variables) == (conditioning != "adain")


@pytest.mark.parametrize("conditioning", ["concat", "self_modulation", "adain"])
def test_the_label_and_z_matter(conditioning):
    network = resnet.Generator((8, 8, 1), 3, width=2, conditioning=conditioning, embed_dim=4, hidden=4)

    @jax.jit
    def images(key, z, label):
        variables = network.init(key, z[0], label[0], train=True)
        return jax.lax.map(lambda given: network.apply(variables, *given, train=False), (z, label))

    z, label = np.random.default_rng(1).standard_normal((2, 6), np.float32), np.asarray(LABEL)
    base, other_z, other_label = np.asarray(images(
        jax.random.key(0), np.stack([z, z + 1, z]), np.stack([label, label, label - 1])))
    for image in (other_z, other_label):
        assert np.abs(image - base).max(axis=(1, 2, 3)).min() > 1e-4


def test_a_linear_head_does_not_read_the_label_and_norms_are_where_asked():
    plain = shapes(resnet.Discriminator((8, 8, 1), 3, width=2, head="linear", spectral=False), IMAGE, None)
    assert set(plain) == {"params"}
    assert set(plain["params"]["head"]) == {"linear"}
    assert "norm1" not in plain["params"]["block2"]
    layered = shapes(resnet.Discriminator((8, 8, 1), width=2, norm="layer", spectral=False), IMAGE)
    assert set(layered["params"]["block2"]["norm1"]) == {"layer"}
    assert set(shapes(resnet.Discriminator((8, 8, 1), width=2, norm="batch"), IMAGE)) == {
        "params", "batch_stats", "spectral"}


def test_san_head_is_reported_by_the_discriminator():
    network = resnet.Discriminator((8, 8, 1), 3, width=2, head="san")
    output, _ = jax.eval_shape(lambda: network.init_with_output(jax.random.key(0), IMAGE, LABEL, train=True))
    assert output.extra["direction"].shape == output.logit.shape == (2,)
