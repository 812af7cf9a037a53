"""Images translated into others: shapes, who sees what, and training on pairs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxgan import config as config_lib
from jaxgan import data, keys
from jaxgan.data.pipeline import Batches
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.layers.norm import instance_norm
from jaxgan.models import pix2pix
from jaxgan.training.feed import Feed
from jaxgan.training.update import make_steps

Z = jnp.zeros((2, 1))
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def shapes(network, *inputs, train=False):
    def run():
        variables = network.init(keys.root(0), *inputs, train=True)
        return variables, network.apply(variables, *inputs, train=train, rngs={"dropout": keys.root(1)})
    return jax.eval_shape(run)


def test_the_networks_of_the_paper():
    """54 million parameters and patches of 70×70, of which there are 30×30."""
    image, label = (256, 256, 3), jnp.zeros((1, 256, 256, 3))
    variables, made = shapes(pix2pix.Generator(image, label_shape=image), Z[:1], label, train=True)
    assert made.shape == label.shape
    assert 54.3e6 < sum(leaf.size for leaf in jax.tree.leaves(variables)) < 54.5e6
    variables, output = shapes(pix2pix.Discriminator(image, label_shape=image), label, label)
    assert output.logit.shape == (1, 30 * 30)
    assert 2.7e6 < sum(leaf.size for leaf in jax.tree.leaves(variables)) < 2.8e6


@pytest.mark.parametrize(("shape", "given", "other"), [((8, 8, 1), 1, (8, 8)), ((28, 40, 3), 1, (37, 16)),
                                                       ((16, 16, 1), 3, (5, 3))])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_shapes(shape, given, other, dtype):
    """Of the size trained on, and of any other."""
    own = {"image_shape": shape, "label_shape": (*shape[:2], given), "width": 2, "dtype": dtype}
    variables, made = shapes(pix2pix.Generator(**own), Z, jnp.zeros((2, *other, given)))
    assert made.shape == (2, *other, shape[2])
    critic, output = shapes(pix2pix.Discriminator(**own), jnp.zeros((2, *shape)), jnp.zeros((2, *shape[:2], given)))
    assert output.logit.shape[0] == 2
    assert output.logit.ndim == output.features.ndim == 2
    assert {leaf.dtype for leaf in jax.tree.leaves((variables, made, critic, output))} == {jnp.dtype("float32")}


@pytest.mark.parametrize(("image", "label", "message"), [
    ((8, 8, 3), (), "such as --config.degradation.lines=edges"),
    ((16, 16, 3), (8, 8, 3), "of the size of those it is given"),
    ((4, 4, 3), (4, 4, 3), "8×8 or more"),
])
def test_shapes_that_do_not_fit_are_refused(image, label, message):
    for network, inputs in ((pix2pix.Generator, (Z, jnp.zeros((2, 8, 8, 3)))),
                            (pix2pix.Discriminator, (jnp.zeros((2, *image)), jnp.zeros((2, 8, 8, 3))))):
        with pytest.raises(InputError, match=message):
            shapes(network(image, label_shape=label), *inputs)


def test_every_pixel_comes_from_the_label_and_dropout_is_of_training():
    network = pix2pix.Generator((64, 64, 1), label_shape=(64, 64, 1), width=2)  # the least that is dropped out of
    label = jax.random.uniform(keys.root(0), (2, 64, 64, 1), minval=-1.0)

    @quick_jit
    def run(label):
        variables = network.init(keys.root(1), Z, label, train=True)
        still = network.apply(variables, Z, label, train=False)
        return still, *(network.apply(variables, Z, label, train=True, rngs={"dropout": keys.root(seed)})
                        for seed in (0, 1))
    still, one, other = run(label)
    assert np.abs(still).max() <= 1
    assert np.abs(one - other).max() > 0
    again = run(label.at[1:].set(0))[0]
    np.testing.assert_allclose(again[0], still[0], atol=1e-6)  # each image by itself
    assert np.abs(run(label.at[0, 3, 3].add(0.5))[0][0] - still[0]).max() > 1e-5


def test_instance_norm_is_of_each_channel_of_each_image():
    x = 5 + 3 * jax.random.normal(keys.root(0), (2, 8, 8, 3))
    made = np.asarray(instance_norm(x.astype("bfloat16")), np.float32)
    np.testing.assert_allclose(made.mean(axis=(1, 2)), 0, atol=0.01)
    np.testing.assert_allclose(made.std(axis=(1, 2)), 1, atol=0.01)
    assert instance_norm(x.astype("bfloat16")).dtype == jnp.bfloat16


@pytest.fixture(scope="module")
def paired(tmp_path_factory):
    """A folder of 16 pairs: colour to be made from grey."""
    top = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    for folder, shape in (("A", (8, 8)), ("B", (8, 8, 3))):
        (top / folder).mkdir()
        for number in range(16):
            Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(top / folder / f"{number}.png")
    return top


def test_pairs_reach_both_players(root, paired):
    """What is given stands in the place of the label, in [-1, 1], everywhere that labels are."""
    config = config_lib.load(f"{root}/configs/pix2pix.py:tiny:pairs:{paired}", (
        "data.resolution=8", "batch_size=8", "generator.width=2", "discriminator.width=2"))
    assert not config["degradation"]
    source = data.open(config["data"])
    made = Experiment(config, source.info, jax.devices()[:1], examples=lambda: source)
    assert (made.info.label_shape, made.info.shape) == ((8, 8, 1), (8, 8, 3))
    np.testing.assert_allclose(made.draw_labels([5])[0], source[5]["label"] / 127.5 - 1, atol=1e-6)
    with pytest.raises(InputError, match=r"this run makes them from others, \[8, 8, 1\]"):
        made.given(data.Arrays(np.zeros((1, 8, 8, 3), np.uint8), None), [0])
    feed = Feed(Batches(source, 8, 0), made.method.num_slots, made.parallel)
    steps = quick_jit(make_steps(made.method), static_argnames="due")
    due = tuple(phase.name for phase in made.method.phases)
    state, metrics = steps(made.initial_state(), feed.steps(0, 2), feed.data, due=due)
    assert all(np.isfinite(value).all() for value in metrics.values())
    assert metrics["g/pixel"] > 10
    assert made.generate(made.weights(state), range(3)).shape == (3, 8, 8, 3)
    config.degradation = {"lines": "edges"}
    with pytest.raises(InputError, match="these data bring their own"):
        Experiment(config, source.info, jax.devices()[:1])
