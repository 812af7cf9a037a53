"""Starting from another run's weights, on other labels, channels and resolutions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import config as config_lib
from jaxgan.data import Info
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.training import transfer
from jaxgan.training.checkpoints import _pack

NETWORKS = {"resnet": ({"name": "resnet", "width": 2}, {"name": "resnet", "width": 2}),
            "dcgan": ({"name": "dcgan", "width": 4}, {"name": "dcgan", "width": 4, "norm": "none"})}


@functools.cache
def experiment(networks, shape=(8, 8, 1), num_classes=3, seed=0, headed=False):
    config = config_lib.default()
    config.seed, config.latent.dim = seed, 4
    config.generator, config.discriminator = NETWORKS[networks]
    with config.unlocked():
        config.conditioning = {"ac": {"name": "auxiliary_classifier"}} if headed else {}
    info = Info("made", shape, num_classes, label_kind="class" if num_classes else "none",
                label_frequencies=(1 / num_classes,) * num_classes if num_classes else ())
    return Experiment(config, info, jax.devices()[:1])


initial = functools.cache(Experiment.initial_state)


def start(new, old):
    """The new experiment's state begun from the old one's, the state of both before, and what was taken."""
    mine, theirs = initial(new), initial(old)
    state, fits = transfer.transfer(mine, jax.device_get(_pack(theirs)), (old.info.shape[-1], new.info.shape[-1]),
                                    (old.info.num_classes, new.info.num_classes))
    assert jax.tree.structure(state) == jax.tree.structure(mine)
    for one, other in zip(jax.tree.leaves(state), jax.tree.leaves(mine)):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
    return state, mine, theirs, fits


@pytest.mark.parametrize("networks", NETWORKS)
def test_the_same_run_is_taken_whole(networks, same_bits):
    state, mine, theirs, fits = start(experiment(networks, seed=1), experiment(networks))
    for name in ("generator", "discriminator"):
        assert not fits[name].adapted + fits[name].fresh
        same_bits(state.players[name].params, theirs.players[name].params)
        same_bits(state.players[name].variables, theirs.players[name].variables)
        same_bits(state.players[name].opt_state, mine.players[name].opt_state)
    same_bits(state.averages["ema"], theirs.averages["ema"])
    same_bits(state.key, mine.key)


def test_a_new_class_begins_as_the_mean_of_the_old():
    state, _, theirs, fits = start(experiment("resnet", num_classes=5), experiment("resnet", num_classes=3))
    name = "head/embed/embedding"
    assert fits["discriminator"].adapted == [name]
    new, old = (state.players["discriminator"].params, theirs.players["discriminator"].params)
    for part in name.split("/"):
        new, old = new[part], old[part]
    np.testing.assert_allclose(new, np.broadcast_to(np.mean(old, 0), new.shape), rtol=1e-6)


def test_grey_to_colour_answers_grey_pictures_as_before():
    old, new = experiment("dcgan", num_classes=0), experiment("dcgan", (8, 8, 3), num_classes=0, seed=1)
    state, _, theirs, fits = start(new, old)
    assert fits["generator"].adapted == ["up0/bias", "up0/kernel"]
    assert fits["discriminator"].adapted == ["down1/kernel"]
    grey = jax.random.uniform(jax.random.key(0), (4, 8, 8, 1), minval=-1.0)
    z = jax.random.normal(jax.random.key(1), (4, 4))

    def run(experiment, state, name, x):
        player = state.players[name]
        return experiment.parts.networks[name].apply({"params": player.params, **player.variables}, x, train=False)
    np.testing.assert_allclose(run(new, state, "discriminator", jnp.repeat(grey, 3, -1)).logit,
                               run(old, theirs, "discriminator", grey).logit, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(run(new, state, "generator", z),
                               np.repeat(run(old, theirs, "generator", z), 3, -1), rtol=1e-4, atol=1e-6)


def test_labels_that_come_in_leave_the_latent_its_weights():
    state, mine, theirs, _ = start(experiment("dcgan", num_classes=3), experiment("dcgan", num_classes=0, seed=1))
    kernel, old, fresh = (s.players["generator"].params["dense"]["kernel"] for s in (state, theirs, mine))
    np.testing.assert_array_equal(kernel[:4], old)
    np.testing.assert_array_equal(kernel[4:], fresh[4:])


@pytest.mark.slow
def test_other_resolutions_line_blocks_up_where_most_of_them_fit(same_bits):
    state, _, theirs, fits = start(experiment("resnet", (16, 16, 1)), experiment("resnet", (8, 8, 1), seed=1))
    new, old = ({name: s.players[name].params for name in s.players} for s in (state, theirs))
    same_bits(new["generator"]["block1"], old["generator"]["block1"])  # from the latent side
    assert any(name.startswith("block2") for name in fits["generator"].fresh)
    last = {size: max(name for name in tree["discriminator"] if name.startswith("block"))
            for size, tree in (("new", new), ("old", old))}
    same_bits(new["discriminator"][last["new"]], old["discriminator"][last["old"]])


def test_heads_of_conditioning_do_not_hide_the_discriminator_beneath():
    headed, plain = experiment("resnet", headed=True), experiment("resnet", seed=1)
    for new, old in ((headed, plain), (plain, headed)):
        _, _, _, fits = start(new, old)
        assert sum("block" in name for name in fits["discriminator"].taken) > 10


def test_another_model_is_refused():
    with pytest.raises(InputError, match=r"nothing of its (generator|discriminator) fits this run's: give this"):
        start(experiment("resnet"), experiment("dcgan", num_classes=0))
