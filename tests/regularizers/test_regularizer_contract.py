"""What every regularizer promises, on tiny networks, labelled and not."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import catalogue, keys, schedules
from jaxgan.models import mlp
from jaxgan.regularizers import REGULARIZERS, Regularizer
from jaxgan.regularizers.gradient import root
from jaxgan.typing import View

BATCH, Z_DIM, SHAPE, CLASSES = 4, 3, (8, 8, 1), 2
STEP = 5000  # past the start of whatever starts late
HOOKS = ("constrain", "weigh", "latent")
FROM_IMAGES = ("pixel", "cycle", "identity")  # whose labels are images, each of which a real one belongs to


class Cast:
    """A generator and a discriminator, and what they are shown."""

    def __init__(self, num_classes):
        self.networks = {name: network(SHAPE, num_classes, width=8, depth=1, activation="tanh") for name, network in
                         (("generator", mlp.Generator), ("discriminator", mlp.Discriminator))}
        self.label = jnp.arange(BATCH) % CLASSES if num_classes else None
        self.z = jax.random.normal(keys.root(0), (BATCH, Z_DIM))
        self.real = jax.random.uniform(keys.root(1), (BATCH, *SHAPE), minval=-1.0)
        self.params = jax.jit(self.init)()

    def init(self):
        examples = {"generator": self.z, "discriminator": self.real}
        return {name: network.init(keys.root(2), examples[name], self.label, train=True)["params"]
                for name, network in self.networks.items()}

    def view(self, player, params, step):
        """As the engine makes it; the discriminator also gives the direction that SAN asks of its head."""
        weights = self.params | {player: params}

        def generator(z, label):
            return self.networks["generator"].apply({"params": weights["generator"]}, z, label, train=True)

        def discriminator(image, label):
            network, params = self.networks["discriminator"], weights["discriminator"]
            output = network.apply({"params": params}, image, label, train=True)
            kernel = params["logit"]["kernel"][:, 0]
            return output.replace(extra={"direction": output.features @ (kernel / root(jnp.sum(kernel**2)))})

        def gradient(image):
            return jax.grad(lambda image: discriminator(image, self.label).logit.sum())(image)

        fake = generator(self.z, self.label)
        return View(generator, discriminator, params, self.real, fake, self.label, self.z,
                    discriminator(self.real, self.label) if player == "discriminator" else None,
                    discriminator(fake, self.label), keys.root(3), step, jnp.float32(0),
                    real_gradient=functools.partial(gradient, self.real),
                    fake_gradient=functools.partial(gradient, fake))


class ImageCast(Cast):
    """The label that terms see is an image."""

    def view(self, player, params, step):
        return super().view(player, params, step)._replace(label=self.real)


@pytest.fixture(scope="module")
def casts():
    return {"unlabelled": Cast(0), "labelled": Cast(CLASSES), "images": ImageCast(0)}


def make_update(part, cast):
    """One update's worth: (params, state, step) -> value, new state, metrics, gradient, what the hooks give."""
    def update(params, state, step):
        def objective(params):
            value, new_state, metrics = part.apply(state, cast.view(part.player, params, step))
            return value, (new_state, metrics)
        (value, (new_state, metrics)), gradient = jax.value_and_grad(objective, has_aux=True)(params)
        hooked = {"constrain": part.constrain and part.constrain(params),
                  "weigh": part.weigh and part.weigh(state, cast.real[:, 0, 0, 0], step),
                  "latent": part.latent and part.latent(state, cast.view(part.player, params, step)._replace(
                      fake=None, real_output=None, fake_output=None))}
        return value, new_state, metrics, gradient, hooked
    return update


def build(name, **arguments):
    """The terms of one entry."""
    part = catalogue.build(REGULARIZERS, {"name": name, **arguments}, "regularizers.part")
    return (part,) if isinstance(part, Regularizer) else part


@pytest.mark.parametrize("name", REGULARIZERS)
def test_players_are_told_apart(name):
    """The engine finds the terms of one name by their players."""
    players = [term.player for term in build(name)]
    assert set(players) <= {"generator", "discriminator"}
    assert len(set(players)) == len(players)


TERMS = [(name, index) for name in REGULARIZERS for index in range(len(build(name)))]


@pytest.mark.parametrize(("name", "index"), TERMS)
def test_contract(name, index, casts):
    """A float32 scalar, finite gradients that reach the player, a state that keeps its shape, hooks that fit."""
    part, cast = build(name)[index], casts["images" if name in FROM_IMAGES else "labelled"]
    state, params = part.init(), cast.params[part.player]
    value, new_state, metrics, gradient, hooked = jax.jit(make_update(part, cast))(params, state, jnp.int32(STEP))
    assert describe(value) == ((), jnp.float32)
    assert jax.tree.map(describe, new_state) == jax.tree.map(describe, state)
    assert all(np.shape(metric) == () for metric in metrics.values())
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((value, new_state, metrics, gradient, hooked)))
    has_hooks = any(getattr(part, hook) for hook in HOOKS)
    assert has_hooks != any(np.any(leaf) for leaf in jax.tree.leaves(gradient))
    check_hooks(hooked, params, cast.z)


STRENGTHS = {name: [argument for argument in inspect.signature(factory).parameters
                    if argument.endswith(("weight", "gamma"))] for name, factory in REGULARIZERS.items()}


@pytest.mark.parametrize("name", [name for name, strengths in STRENGTHS.items() if strengths])
def test_every_strength_may_follow_a_schedule(name, casts):
    """Strengths that fall to 0 over 1 kimg: half of the term is left at 500 images, and nothing at 1000."""
    cast = casts["images" if name in FROM_IMAGES else "unlabelled"]
    falling = {"name": "linear", "start": 2.0, "end": 0.0, "kimg": 1.0}
    arguments = schedules.resolve(dict.fromkeys(STRENGTHS[name], falling), "regularizers.part")

    def value(part, images):
        view = cast.view(part.player, cast.params[part.player], jnp.int32(STEP))._replace(images=images)
        return part.latent(part.init(), view)[1] if part.latent else part.apply(part.init(), view)[0]

    for part in build(name, **arguments):
        values = jax.jit(jax.vmap(functools.partial(value, part)))(jnp.array([0.0, 500.0, 1000.0]))
        assert values[0] != 0
        np.testing.assert_allclose(values[1:], [values[0] / 2, 0], rtol=1e-5)


@pytest.mark.parametrize(("name", "index"), [term for term in TERMS if term[0] not in FROM_IMAGES])
def test_contract_without_labels(name, index, casts):
    """The same shapes, without running it."""
    part, cast = build(name)[index], casts["unlabelled"]
    value, new_state, *_ = jax.eval_shape(
        make_update(part, cast), cast.params[part.player], part.init(), jnp.int32(STEP))
    assert describe(value) == ((), jnp.float32)
    assert jax.tree.map(describe, new_state) == jax.tree.map(describe, part.init())


def check_hooks(hooked, params, z):
    if hooked["constrain"]:
        assert jax.tree.map(describe, hooked["constrain"]) == jax.tree.map(describe, params)
    if hooked["weigh"] is not None:
        assert hooked["weigh"].shape == (BATCH,)
        assert (hooked["weigh"] >= 0).all()
        assert hooked["weigh"].sum() > 0
    if hooked["latent"] is not None:
        assert [describe(leaf) for leaf in hooked["latent"]] == [describe(z), ((), jnp.float32)]


def describe(leaf):
    return jnp.shape(leaf), jnp.result_type(leaf)
