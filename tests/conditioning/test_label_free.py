"""The objectives that make their own labels: codes of z, and turns of the image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import catalogue, keys
from jaxgan.conditioning.info import Recogniser, gaussian_nll, split_codes
from jaxgan.conditioning.rotation import rotate
from jaxgan.errors import InputError
from jaxgan.latents import PRIORS
from jaxgan.typing import DiscriminatorOutput

CODES = (4, 1, 2, 1)


def draw(num, dim=11, codes=CODES, seed=0):
    prior = catalogue.build(PRIORS, {"name": "info", "dim": dim, "codes": codes}, "latent")
    assert prior.dim == dim
    return prior.sample(keys.root(seed), (num,))


def test_latents_end_in_their_codes():
    z = np.asarray(draw(2000))
    assert z.shape == (2000, 11)
    assert z.dtype == np.float32
    noise, four, first, two, second = np.split(z, [3, 7, 8, 10], axis=1)
    assert noise.std() == pytest.approx(1, abs=0.05)
    for code in (four, two):
        assert set(np.unique(code)) == {0, 1}
        np.testing.assert_array_equal(code.sum(axis=1), 1)
        np.testing.assert_allclose(code.mean(axis=0), 1 / code.shape[1], atol=0.05)
    for code in (first, second):
        assert -1 <= code.min() < -0.99
        assert 0.99 < code.max() < 1
    together = np.corrcoef(np.concatenate([noise, first, second, four[:, :1], two[:, :1]], axis=1).T)
    assert np.abs(together - np.eye(7)).max() < 0.1


def test_a_latent_with_codes_is_a_prior_like_any_other():
    prior = PRIORS["info"](5, (2, 1))
    for shape in [(), (7,), (2, 3)]:
        assert jax.eval_shape(lambda shape=shape: prior.sample(keys.root(0), shape)).shape == (*shape, 5)
    one, same, other = (draw(6, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    bare = PRIORS["info"](3, (2, 1))  # codes and nothing else
    assert jax.eval_shape(lambda: bare.sample(keys.root(0), ())).shape == (3,)


@pytest.mark.parametrize(("dim", "codes"), [(3, (4,)), (8, ()), (8, (0, 2)), (8, 2), (8, (1.5,))])
def test_codes_must_fit(dim, codes):
    with pytest.raises(InputError, match=rf"config.latent.codes must be .* config.latent.dim={dim}"):
        draw(1, dim, codes)


def test_the_objective_finds_the_codes_that_the_prior_drew():
    z = draw(6)
    (four, two), continuous = split_codes(z, CODES)
    np.testing.assert_array_equal(four, z[:, 3:7])
    np.testing.assert_array_equal(two, z[:, 8:10])
    np.testing.assert_array_equal(continuous, z[:, [7, 10]])
    with pytest.raises(InputError, match="z has 11 entries, fewer than the 12 of codes"):
        split_codes(z, (12,))


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_whoever_reads_the_codes_right_loses_nothing(build, ask, player):
    z = draw(6)
    (four, two), continuous = split_codes(z, CODES)
    variance = 0.01
    part = build("info", {"continuous_weight": 0.5}, codes=CODES)
    found = {"logit": 60 * jnp.concatenate([four, two], axis=1), "mean": continuous,
             "variance": jnp.full((6, 2), variance)}
    value, metrics = ask(part, player, fake={"info": found}, z=z)
    assert value == pytest.approx(0.5 * np.log(2 * np.pi * variance), rel=1e-3)
    assert metrics["accuracy"] == 1
    unsure = found | {"logit": 0 * found["logit"]}
    blind, metrics = ask(part, player, fake={"info": unsure}, z=z)
    assert blind - value == pytest.approx(np.log(4) + np.log(2), rel=1e-5)
    fixed = build("info", {"continuous_weight": 0.5, "learn_variance": False, "weight": 3.0}, codes=CODES)
    value, _ = ask(fixed, player, fake={"info": unsure}, z=z)
    assert value == pytest.approx(3 * np.log(8) + 0.5 * np.log(2 * np.pi), rel=1e-5)


def answers(head, num):
    """Shapes of what a head says of `num` images."""
    return jax.eval_shape(lambda: head.init_with_output(keys.root(0), jnp.ones((num, 6)))[0])


@pytest.mark.parametrize("codes", [(3,), (1, 1), (2, 5)])
def test_codes_of_one_sort_alone(build, ask, codes):
    part = build("info", {"hidden": 0}, codes=codes)
    found = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), answers(part.heads["info"], 4))
    value, metrics = ask(part, "generator", fake={"info": found}, z=draw(4, 9, codes))
    assert np.isfinite(value)
    assert set(metrics) == ({"continuous"} if codes == (1, 1) else {"accuracy"})


def test_the_recogniser_has_an_answer_for_every_code():
    found = answers(Recogniser(CODES, 8), 3)
    assert {name: answer.shape for name, answer in found.items()} == {
        "logit": (3, 6), "mean": (3, 2), "variance": (3, 2)}


def test_gaussian_nll_closed_form():
    with jax.enable_x64(True):
        x, mean, variance = jnp.array([[0.5, -1.0]]), jnp.array([[0.0, 1.0]]), jnp.array([[4.0, 0.25]])
        expected = (0.5 * np.log(2 * np.pi * np.array([4.0, 0.25])) + np.array([0.25 / 8, 4 / 0.5])).sum()
        np.testing.assert_allclose(gaussian_nll(x, mean, variance), [expected], rtol=1e-5)


@pytest.mark.parametrize("codes", [(), (0,), 10, (2.5,)])
def test_info_without_codes_says_what_to_do(build, codes):
    with pytest.raises(InputError, match=r"info needs `codes` in the latent.*set config.latent"):
        build("info", codes=codes)


def test_rotate():
    image = np.arange(4 * 3 * 3 * 2).reshape(4, 3, 3, 2)
    turned = np.asarray(rotate(jnp.asarray(image), jnp.array([0, 1, 2, 3])))
    for i in range(4):
        np.testing.assert_array_equal(turned[i], np.rot90(image[i], i))


def corners(image, label):
    """Reads the turn off the brightest corner, surely: a mark at the top left walks counter-clockwise."""
    marks = [image[:, 0, 0, 0], image[:, -1, 0, 0], image[:, -1, -1, 0], image[:, 0, -1, 0]]
    return DiscriminatorOutput(jnp.zeros(len(image)), extra={"rotation": 50 * jnp.stack(marks, axis=1)})


@pytest.mark.parametrize(("player", "sees", "weight"), [("discriminator", "real", 2.0), ("generator", "fake", 0.5)])
def test_rotation_tells_turns_apart(build, ask, player, sees, weight):
    upright = jnp.zeros((8, 3, 3, 1)).at[:, 0, 0].set(1)
    part = build("rotation", {"weight": 2.0, "generator_weight": 0.5})
    for seed in range(2):
        value, metrics = ask(part, player, seed=seed, discriminator=corners, images={sees: upright})
        assert value == pytest.approx(0, abs=1e-6)
        assert metrics["accuracy"] == 1
    value, metrics = ask(part, player, discriminator=corners, images={sees: jnp.rot90(upright, axes=(1, 2))})
    assert value == pytest.approx(50 * weight, rel=1e-5)
    assert metrics["accuracy"] == 0


def test_every_turn_is_taken_and_the_first_one_varies(build, ask):
    seen = []

    def record(image, label):
        output = corners(image, label)
        jax.debug.callback(lambda answer: seen.append(answer.argmax(axis=1)), output.extra["rotation"])
        return output
    upright = jnp.zeros((8, 3, 3, 1)).at[:, 0, 0].set(1)
    for seed in range(5):
        ask(build("rotation"), "discriminator", seed=seed, discriminator=record, images={"real": upright})
    jax.effects_barrier()
    assert all(np.bincount(turns, minlength=4).tolist() == [2, 2, 2, 2] for turns in seen)
    assert len({int(turns[0]) for turns in seen}) > 1


def test_rotation_needs_squares(build, labels):
    with pytest.raises(InputError, match="rotation needs square images, not 4x6"):
        build("rotation", info=labels(shape=(4, 6, 1)))
    with pytest.raises(InputError, match="rotation needs square images, not 4x6"):
        rotate(jnp.zeros((2, 4, 6, 1)), jnp.zeros(2, jnp.int32))
