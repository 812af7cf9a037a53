"""Images of two kinds translated into each other: which network sees which, and what comes back."""

import functools
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import config as config_lib
from jaxgan import data, images, keys, training_run
from jaxgan.data.pipeline import Batches
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.models import cyclegan
from jaxgan.regularizers import REGULARIZERS
from jaxgan.reporting.page.encoding import tiles_of
from jaxgan.training.feed import Feed
from jaxgan.training.update import make_steps

Z = jnp.zeros((2, 1))
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def shapes(network, *inputs):
    return jax.eval_shape(lambda: network.init_with_output(keys.root(0), *inputs, train=True))


def test_the_networks_of_the_paper():
    """11.4 million parameters a direction, 2.8 million a judge, patches of 70×70."""
    image, label = (512, 256, 3), jnp.zeros((1, 512, 256, 3))
    made, variables = shapes(cyclegan.Generator(image, label_shape=image), Z[:1], label)
    assert made.shape == label.shape
    assert 11.3e6 < sum(leaf.size for leaf in jax.tree.leaves(variables)) / 2 < 11.5e6
    output, variables = shapes(cyclegan.Discriminator(image, label_shape=image), label, label)
    assert output.logit.shape == (1, 2 * 30 * 30)
    assert 2.7e6 < sum(leaf.size for leaf in jax.tree.leaves(variables)) / 2 < 2.8e6


def test_halves_go_over_into_each_other():
    """Each half is made from the other one alone; also where they are of other sizes than those trained on."""
    shape = (16, 8, 1)
    network = cyclegan.Generator(shape, label_shape=shape, width=2, blocks=1, dtype="bfloat16")
    label = jax.random.uniform(keys.root(0), (2, 22, 9, 1), minval=-1.0)

    @quick_jit
    def run(label):
        variables = network.init(keys.root(1), Z, label, train=True)
        return network.apply(variables, Z, label, train=False)
    made, other = run(label), run(label.at[:, :11].set(0.5))
    assert made.shape == label.shape
    assert made.dtype == jnp.float32
    assert np.abs(made).max() <= 1
    np.testing.assert_array_equal(made[:, :11], other[:, :11])
    assert np.abs(made[:, 11:] - other[:, 11:]).max() > 1e-4
    small = jnp.zeros((1, 4, 3, 1))
    assert shapes(network, Z[:1], small)[0].shape == small.shape


@pytest.mark.parametrize(("image", "label", "message"), [
    ((16, 8, 3), (), "config.data.name=unpaired"),
    ((16, 8, 3), (8, 8, 3), "one above the other"),
    ((8, 8, 3), (8, 8, 3), "8×8 or more"),
])
def test_shapes_that_do_not_fit_are_refused(image, label, message):
    for network in (cyclegan.Generator, cyclegan.Discriminator):
        with pytest.raises(InputError, match=message):
            shapes(network(image, label_shape=label), jnp.zeros((2, *image)), jnp.zeros((2, *image)))


class View:
    """Two halves, 1 above 0; a generator that exchanges them and adds 0.25."""

    real = label = jnp.concatenate([jnp.ones((2, 4, 4, 1)), jnp.zeros((2, 4, 4, 1))], axis=1)
    z, images = Z, 0

    @staticmethod
    def generator(z, label):
        return label[:, ::-1] + 0.25
    fake = label[:, ::-1] + 0.25


@pytest.mark.parametrize(("name", "distance"), [("cycle", 0.5), ("identity", 0.25)])
def test_what_comes_back_is_compared_with_what_was_given(name, distance):
    value, _, _ = REGULARIZERS[name](weight=3.0).apply((), View)
    np.testing.assert_allclose(value, 3 * distance, rtol=1e-6)

    class Unlabelled(View):
        label = jnp.zeros(2, jnp.int32)
    with pytest.raises(InputError, match=f"config.regularizers: {name} is of images of two kinds"):
        REGULARIZERS[name]().apply((), Unlabelled)


@pytest.mark.slow
def test_two_steps_move_all_four_networks(root):
    config = config_lib.load(f"{root}/configs/cyclegan.py:tiny", (
        "data.of.resolution=8", "batch_size=4", "generator.width=2", "generator.blocks=1", "discriminator.width=2"))
    source = data.open(config["data"])
    made = Experiment(config, source.info, jax.devices()[:1], examples=lambda: source)
    feed = Feed(Batches(source, 4, 0), made.method.num_slots, made.parallel)
    steps = quick_jit(make_steps(made.method), static_argnames="due")
    before = jax.device_get(made.initial_state())
    state, metrics = steps(made.initial_state(), feed.steps(0, 2), feed.data,
                           due=tuple(phase.name for phase in made.method.phases))
    assert all(np.isfinite(value).all() for value in metrics.values())
    for player in before.players:
        old, new = before.players[player].params, state.players[player].params
        for name in old:
            assert any(jax.tree.leaves(jax.tree.map(lambda a, b: bool(np.any(a != b)), old[name], new[name]))), name


def test_the_picture_shows_both_ways():
    """Each image of the first kind, what became of it, and the same from the second kind: twice in a row of tiles."""
    first, to_second, second, to_first = levels = 0.0, 0.2, -0.4, -0.8

    def halves(upper, lower):
        return np.concatenate([np.full((16, 4, 4, 1), level, np.float32) for level in (upper, lower)], axis=1)
    experiment = SimpleNamespace(
        info=SimpleNamespace(kind="image", label_kind="image"), weights=lambda state: {},
        parts=SimpleNamespace(networks={"generator": SimpleNamespace(two_way=True)}),
        draw_labels=lambda seeds: halves(first, second), generate=lambda *_: halves(to_first, to_second))
    studio = training_run.Studio(experiment, None, SimpleNamespace(samples=Path(), path=Path()), None)
    tiles = tiles_of(studio.picture({}, "title"), (4, 4, 1))
    assert tiles[:, 0, 0, 0].tolist() == images.to_uint8(np.float32(levels * 16)).tolist()
