"""Networks that make images from images: shapes, how far a pixel looks, and training on what was spoilt on the fly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import config as config_lib
from jaxgan import data, keys
from jaxgan.data.pipeline import Batches
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.models import srgan
from jaxgan.regularizers import REGULARIZERS
from jaxgan.training.feed import Feed
from jaxgan.training.update import make_steps

Z = jnp.zeros((1, 1))


def generator(scale, block="residual", blocks=1, **fields):
    return srgan.Generator((8 * scale, 8 * scale, 3), label_shape=(8, 8, 3), width=4, blocks=blocks, block=block,
                           **fields)


def shapes(network, *inputs):
    variables = jax.eval_shape(lambda: network.init(keys.root(0), *inputs, train=True))
    made = jax.eval_shape(lambda: network.apply(network.init(keys.root(0), *inputs, train=True), *inputs, train=False))
    return variables, made


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("block", ["residual", "rrdb"])
def test_shapes(scale, block):
    variables, made = shapes(generator(scale, block), Z, jnp.zeros((1, 6, 10, 3)))
    assert made.shape == (1, 6 * scale, 10 * scale, 3)
    assert {leaf.dtype for leaf in jax.tree.leaves((variables, made))} == {jnp.dtype("float32")}
    critic = srgan.Discriminator((8 * scale, 8 * scale, 3), label_shape=(8, 8, 3), width=4, levels=2)
    _, output = shapes(critic, jnp.zeros((2, 8 * scale, 8 * scale, 3)), jnp.zeros((2, 8, 8, 3)))
    assert output.logit.shape == (2, (2 * scale) ** 2)
    assert output.features.shape == (2, 8)


@pytest.mark.parametrize(("scale", "block"), [(2, "residual"), (4, "residual"), (1, "rrdb")])
def test_a_pixel_looks_as_far_as_it_says_and_no_farther(scale, block):
    network = generator(scale, block)
    size = 2 * network.reach + 5
    label = jnp.zeros((1, 1, size, 3))
    variables = jax.jit(lambda: network.init(keys.root(0), Z, label, train=True))()
    variables = jax.tree.map(lambda leaf: jnp.abs(leaf) + 0.1, variables)  # nothing cancels, every unit is active
    middle = size // 2

    def pixels(label):
        made = network.apply(variables, Z, label + 1, train=False)
        return made[0, 0, middle * scale:(middle + 1) * scale].sum()
    seen = np.flatnonzero(np.abs(jax.jit(jax.grad(pixels))(label)[0, 0]).sum(axis=-1))
    farthest = np.abs(seen - middle).max()
    assert network.reach - 1 <= farthest <= network.reach


@pytest.mark.parametrize(("image", "label", "message"), [
    ((8, 8, 3), (), "config.degradation.small=downsample"),
    ((12, 12, 3), (4, 4, 3), "enlarges by powers of two"),
    ((8, 16, 3), (4, 4, 3), "enlarges by powers of two"),
])
def test_shapes_that_do_not_fit_are_refused(image, label, message):
    network = srgan.Generator(image, label_shape=label)
    with pytest.raises(InputError, match=message):
        shapes(network, Z, jnp.zeros((1, 4, 4, 3)))


@pytest.mark.parametrize(("distance", "wanted"), [("l1", 0.5), ("l2", 0.25), ("charbonnier", np.hypot(0.5, 1e-3))])
def test_pixel_is_the_distance_it_is_called(distance, wanted):
    class View:
        fake, real, label, images = jnp.full((2, 4, 4, 1), 0.5), jnp.zeros((2, 4, 4, 1)), jnp.zeros((2, 2, 2, 1)), 0
    part = REGULARIZERS["pixel"](weight=3.0, distance=distance)
    value, _, metrics = part.apply((), View)
    np.testing.assert_allclose(value, 3 * wanted, rtol=1e-6)
    np.testing.assert_allclose(metrics["psnr"], 10 * np.log10(4 / 0.25), rtol=1e-5)
    View.label = jnp.zeros(2, jnp.int32)
    with pytest.raises(InputError, match=r"set config\.degradation"):
        part.apply((), View)


def experiment(root, *overrides):
    config = config_lib.load(f"{root}/configs/super_resolution.py:tiny", (
        "data.resolution=8", "batch_size=8", "generator.width=4", "discriminator.width=4", "generator.blocks=1",
        "discriminator.levels=1", "regularizers={'pixel': 'pixel'}", *overrides))
    source = data.open(config["data"])
    devices = jax.devices()[:2 if config["parallel"] == "pmap" else 1]
    made = Experiment(config, source.info, devices, examples=lambda: source)
    return made, Feed(Batches(source, 8, 0), made.method.num_slots, made.parallel), source


def test_the_spoilt_image_takes_the_place_of_the_label(root):
    made, _, source = experiment(root)
    assert source.info.label_kind == "class"
    assert (made.info.label_kind, made.info.label_shape, made.info.num_classes) == ("image", (4, 4, 1), 0)
    labels = made.draw_labels([0, 5])
    assert labels.shape == (2, 4, 4, 1)
    np.testing.assert_array_equal(labels[1:], made.draw_labels([5]))  # held-out images are spoilt the same every time
    np.testing.assert_array_equal(labels, made.degraded(np.stack([source[0]["image"], source[5]["image"]]), [0, 5]))
    assert np.abs(labels[0] - made.degraded(source[0]["image"][None], [1])[0]).max() > 0
    made.examples = None
    with pytest.raises(InputError, match="from images, not from seeds"):
        made.draw_labels([0])


@pytest.mark.slow
def test_training_is_a_function_of_seed_and_step(root, same_bits):
    made, feed, _ = experiment(root)
    steps = made.parallel.compile(make_steps(made.method))
    due = tuple(phase.name for phase in made.method.phases)
    ends = []
    for _ in range(2):
        state, metrics = steps(made.initial_state(), feed.steps(0, 2), feed.data, due=due)
        ends.append(jax.device_get(state))
        assert all(np.isfinite(value).all() for value in metrics.values())
        assert metrics["g/pixel_psnr"] > 5
    same_bits(*ends)
    for player in ends[0].players:
        moved = jax.tree.map(lambda a, b: np.any(np.asarray(a) != np.asarray(b)), ends[0].players[player].params,
                             jax.device_get(made.initial_state()).players[player].params)
        assert any(jax.tree.leaves(moved))


def test_holes_bring_a_channel_that_tells_where(root):
    made, _, _ = experiment(root, "degradation={'holes': 'holes'}")
    assert made.info.label_shape == (8, 8, 2)
    variables = jax.eval_shape(lambda: made.init_network("generator", keys.root(0)))
    assert variables["params"]["first"]["kernel"].shape == (3, 3, 2, 4)


def test_networks_of_z_alone_are_refused(root):
    with pytest.raises(InputError, match=r"config\.generator: dcgan makes images from z alone"):
        experiment(root, "generator={'name': 'dcgan', 'width': 4}")
