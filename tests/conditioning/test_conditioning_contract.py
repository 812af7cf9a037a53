"""What every entry of the catalogue must do, between real networks."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxgan import catalogue, data, keys, schedules
from jaxgan.conditioning import CONDITIONING
from jaxgan.data.pipeline import Batches
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.latents import PRIORS
from jaxgan.layers.heads import WithHeads
from jaxgan.models import mlp
from jaxgan.training.feed import Feed
from jaxgan.training.update import make_steps
from jaxgan.typing import View

SHAPE, CLASSES, BATCH, CODES = (4, 4, 1), 3, 6, (3, 1)
LABEL_FREE = {"info", "rotation"}
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


class Game:
    """Two small networks, the heads of one conditioning part on the discriminator, and one batch."""

    def __init__(self, part):
        self.generator = mlp.Generator(SHAPE, CLASSES, width=8, depth=1, embed_dim=4)
        self.discriminator = WithHeads(
            mlp.Discriminator(SHAPE, 0 if part.hides_label else CLASSES, width=8, depth=1, embed_dim=4), part.heads)
        self.label = jnp.arange(BATCH, dtype=jnp.int32) % CLASSES
        self.z = PRIORS["info"](8, CODES).sample(keys.root(1), (BATCH,))
        self.real = jax.random.uniform(keys.root(2), (BATCH, *SHAPE), minval=-1.0)

    def init(self):
        generator = self.generator.init(keys.root(3), self.z, self.label, train=True)
        return {"generator": generator["params"],
                "discriminator": self.discriminator.init(keys.root(4), self.real, self.label, train=True)}

    def play(self, term, player_params, variables, images=0.0):
        """(value, metrics) of one term, with the player's params in place, after so many images."""
        variables = jax.tree.map(lambda x: x, variables)
        if term.player == "generator":
            variables["generator"] = player_params
        else:
            variables["discriminator"]["params"] = player_params

        def generate(z, label):
            return self.generator.apply({"params": variables["generator"]}, z, label, train=True)

        def discriminate(image, label):
            return self.discriminator.apply(variables["discriminator"], image, label, train=True,
                                            mutable=["spectral"])[0]
        fake = generate(self.z, self.label)
        real_output = None if term.player == "generator" else discriminate(self.real, self.label)
        view = View(generate, discriminate, player_params, self.real, fake, self.label, self.z, real_output,
                    discriminate(fake, self.label), keys.root(5), jnp.int32(0), jnp.float32(images))
        value, state, metrics = term.apply(term.init(), view)
        assert state == ()
        return value, metrics


def build(name, **arguments):
    return catalogue.build(CONDITIONING, {"name": name, **arguments}, "conditioning.part", num_classes=CLASSES,
                           codes=CODES)


@pytest.mark.parametrize("spectral", [False, True], ids=["plain", "spectral"])
@pytest.mark.parametrize("name", CONDITIONING)
def test_both_players_learn_from_it(name, spectral):
    """Scalars in float32; every parameter of a head moves with D's value, and the generator's output layer with G's."""
    part = build(name, spectral=spectral)
    game = Game(part)
    assert {term.player for term in part.terms} == {"generator", "discriminator"}

    shapes = jax.eval_shape(game.init)
    assert set(shapes["discriminator"]) == ({"params", "spectral"} if spectral else {"params"})

    def everything(variables):
        results = {}
        for term in part.terms:
            params = variables["generator"] if term.player == "generator" else variables["discriminator"]["params"]
            results[term.player] = jax.value_and_grad(functools.partial(game.play, term), has_aux=True)(
                params, variables)
        return results
    if spectral:
        jax.eval_shape(everything, shapes)
        return
    rng = np.random.default_rng(0)
    results = quick_jit(everything)(jax.tree.map(lambda leaf: rng.normal(0, 0.5, leaf.shape).astype("f4"), shapes))
    for (value, metrics), gradient in results.values():
        assert value.shape == ()
        assert value.dtype == jnp.float32
        assert all(np.shape(metric) == () and np.isfinite(metric) for metric in metrics.values())
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    _, by_discriminator = results["discriminator"]
    heads = {key: by_discriminator[key] for key in by_discriminator if key.startswith("heads_")}
    assert set(heads) == {f"heads_{name}" for name in part.heads}
    for path, leaf in jax.tree.leaves_with_path(heads):
        assert np.abs(leaf).max() > 1e-6, jax.tree_util.keystr(path)
    assert np.abs(by_discriminator["discriminator"]["hidden0"]["kernel"]).max() > 1e-6
    assert np.abs(results["generator"][1]["output"]["kernel"]).max() > 1e-6


@pytest.mark.parametrize("name", CONDITIONING)
def test_every_weight_may_follow_a_schedule(name):
    """Weights that fall to 0 over 1 kimg: half of each player's term is left at 500 images, and nothing at 1000."""
    weights = [argument for argument in inspect.signature(CONDITIONING[name]).parameters
               if argument.endswith("weight")]
    falling = {"name": "linear", "start": 2.0, "end": 0.0, "kimg": 1.0}
    part = build(name, **schedules.resolve(dict.fromkeys(weights, falling), "conditioning.part"))
    game = Game(part)
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: rng.normal(0, 0.5, leaf.shape).astype("f4"), jax.eval_shape(game.init))

    def values(images):
        params = {"generator": variables["generator"], "discriminator": variables["discriminator"]["params"]}
        return [game.play(term, params[term.player], variables, images)[0] for term in part.terms]
    start, half, end = np.transpose(quick_jit(jax.vmap(values))(jnp.array([0.0, 500.0, 1000.0])))
    assert (start != 0).all()
    np.testing.assert_allclose([half, end], [start / 2, 0 * start], rtol=1e-5)


@pytest.mark.parametrize("name", CONDITIONING)
def test_heads_answer_in_float32(name):
    part, label = build(name), jnp.zeros(2, jnp.int32)
    for head in part.heads.values():
        assert isinstance(head, nn.Module)
        answers, _ = jax.eval_shape(lambda head=head: head.init_with_output(
            keys.root(0), jnp.ones((2, 5), jnp.bfloat16), label))
        assert all(leaf.dtype == jnp.float32 and leaf.shape[0] == 2 for leaf in jax.tree.leaves(answers))


@pytest.mark.parametrize("name", [name for name in CONDITIONING if name not in LABEL_FREE])
def test_labels_are_asked_for_and_kept_from_the_network(name, labels):
    assert build(name).hides_label
    with pytest.raises(InputError, match=f"{name} needs labelled data"):
        CONDITIONING[name](num_classes=0)
    with pytest.raises(InputError, match=f"{name} needs labels of one class an example; those of toys are of a vector"):
        CONDITIONING[name](num_classes=3, info=labels("vector"))


def test_label_free_parts_need_no_labels():
    assert not any(CONDITIONING[name](**arguments).hides_label
                   for name, arguments in [("info", {"codes": (2,)}), ("rotation", {})])


def test_it_trains(tiny):
    """Several parts in one run, under the engine: every metric finite, under the names of the config."""
    config = tiny("latent={'name': 'info', 'dim': 8, 'codes': (3, 1)}", "discriminator.num_classes=0",
                  "conditioning={'ac': {'name': 'auxiliary_classifier', 'class_weights': 'balanced'}, "
                  "'codes': {'name': 'info', 'codes': (3, 1)}}")
    source = data.open(config["data"])
    experiment = Experiment(config, source.info, jax.devices()[:1])
    feed = Feed(Batches(source, config["batch_size"], 0), experiment.method.num_slots, experiment.parallel)
    steps = experiment.parallel.compile(make_steps(experiment.method))
    state = experiment.initial_state()
    before = jax.device_get(state.players["discriminator"].params)
    state, metrics = steps(state, feed.steps(0, 2), feed.data, due=("d", "g"))
    for name in ("ac", "ac_accuracy", "codes", "codes_accuracy", "codes_continuous"):
        assert np.isfinite(metrics[f"d/{name}"])
        assert np.isfinite(metrics[f"g/{name}"])
    after = state.players["discriminator"].params
    for head in ("heads_auxiliary_classifier", "heads_info"):
        for old, new in zip(jax.tree.leaves(before[head]), jax.tree.leaves(after[head])):
            assert np.abs(old - new).max() > 1e-5
