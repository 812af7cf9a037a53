"""What the transformers promise beside the contract of models: patches and places, w, second derivatives, rates."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import config as config_lib
from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.models import vit
from jaxgan.models.vit import Discriminator, Generator, patchify, unpatchify
from jaxgan.regularizers import REGULARIZERS
from jaxgan.typing import View

SMALL = {"width": 8, "depth": 2, "heads": 1, "patch": 4}
Z = np.random.default_rng(0).standard_normal((3, 5), np.float32)


def initialised(network, argument):
    """Its variables in NumPy, and nothing in them zero, so that all of it shows."""
    variables = jax.device_get(jax.jit(lambda: network.init(keys.root(1), argument, train=True))())
    return jax.tree.map(lambda leaf: np.where(leaf == 0, np.float32(0.3), leaf), variables)


class Halves(NamedTuple):
    """A generator of 8x12 images of two stages, its variables, and z -> w -> image."""

    network: Generator
    variables: dict
    w: np.ndarray  # of Z
    synthesis: Callable  # (variables, w) -> image, in NumPy


@pytest.fixture(scope="module")
def generator():
    network = Generator((8, 12, 1), images=2, **SMALL)
    variables = initialised(network, Z)
    synthesis = jax.jit(lambda variables, w: network.apply(variables, w, method="synthesis"))
    return Halves(network, variables, mapped(network, variables), lambda *inputs: np.asarray(synthesis(*inputs)))


def mapped(network, variables, **options):
    """w of Z, and with `mutable` what it changes."""
    run = jax.jit(lambda variables: network.apply(variables, Z, method="mapping", **options))
    return jax.device_get(run(variables))


def moved(w, row):
    """w with 1 added to a row."""
    return w + (np.arange(w.shape[1]) == row).astype(np.float32)[:, None]


@pytest.fixture(scope="module")
def discriminator():
    network = Discriminator((8, 12, 1), **SMALL)
    return network, initialised(network, jnp.zeros((1, 8, 12, 1)))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_patches_are_where_they_were(channels):
    image = np.arange(2 * 4 * 6 * channels).reshape(2, 4, 6, channels)
    tokens = patchify(image, 2)
    assert tokens.shape == (2, 6, 4 * channels)
    np.testing.assert_array_equal(unpatchify(tokens, (4, 6, channels), 2), image)
    for number, (row, column) in enumerate(np.ndindex(2, 3)):
        patch = image[:, 2 * row:2 * row + 2, 2 * column:2 * column + 2]
        np.testing.assert_array_equal(tokens[:, number], patch.reshape(2, -1))


def test_attention_sees_how_far_apart_tokens_are():
    """Turned by their places, two vectors have a product that their distance decides, in rows and in columns."""
    both = np.random.default_rng(2).standard_normal((2, 1, 1, 8), np.float32)
    query, key = jax.jit(vit.turned)(np.broadcast_to(both, (2, 20, 1, 8)), vit.angles(4, 5, 8)).reshape(2, 4, 5, 8)
    products = np.einsum("rcx,sdx->rcsd", query, key)
    np.testing.assert_allclose(products[:-1, :-1, :-1, :-1], products[1:, 1:, 1:, 1:], rtol=1e-4, atol=1e-5)
    assert np.unique(products[0, 0].round(4)).size == 20


def test_the_discriminator_tells_places_apart(discriminator):
    """The same patches in another order, and other pixels in any one patch, give another logit."""
    network, variables = discriminator
    tokens = patchify(np.random.default_rng(3).random((1, 8, 12, 1), np.float32), 4)
    swapped, changed = np.repeat(tokens, 6, axis=0), np.repeat(tokens, 6, axis=0)
    for number in range(6):
        swapped[number, [0, number]] = tokens[0, [number, 0]]
        changed[number, number] *= -1
    images = unpatchify(np.concatenate([swapped, changed]), (8, 12, 1), 4)
    logits = jax.jit(lambda variables, image: network.apply(variables, image, train=True).logit)(variables, images)
    assert np.unique(np.asarray(logits).round(5)).size == 12


def test_images_are_w_and_w_is_z(generator):
    """The two halves make the whole, rows of w act one by one, and psi draws them to the mean, up to the cutoff."""
    network, variables, w, synthesis = generator
    image = synthesis(variables, w)
    assert w.shape == (3, 2, 8)
    assert image.shape == (3, 8, 12, 1)
    whole = jax.jit(lambda variables: network.apply(variables, Z, train=False))(variables)
    np.testing.assert_allclose(whole, image, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(synthesis(variables, w[:, 0]), image, rtol=1e-5, atol=1e-5)
    for row in range(2):
        assert np.abs(synthesis(variables, moved(w, row)) - image).max() > 1e-3
    mean = variables["moving"]["w_mean"]
    drawn = mapped(network, variables, psi=0.5, cutoff=1)
    np.testing.assert_allclose(drawn[:, 0], mean + 0.5 * (w[:, 0] - mean), rtol=1e-5)
    np.testing.assert_array_equal(drawn[:, 1], w[:, 1])


def test_training_moves_the_mean_of_w(generator):
    network, variables, w, _ = generator
    _, changed = mapped(network, variables, train=True, mutable=["moving"])
    expected = 0.995 * variables["moving"]["w_mean"] + 0.005 * w[:, 0].mean(axis=0)
    np.testing.assert_allclose(changed["moving"]["w_mean"], expected, rtol=1e-5)


def test_an_image_is_the_sum_of_those_of_all_depths(generator):
    """Without the last stage's, what is left is the first stage's, which the last row of w says nothing to."""
    _, variables, w, synthesis = generator

    def first_alone(path, leaf):
        return np.stack([leaf[0], 0 * leaf[1]]) if "patches" in jax.tree_util.keystr(path) else leaf
    less = jax.tree_util.tree_map_with_path(first_alone, variables)
    first = synthesis(less, w)
    np.testing.assert_array_equal(first, synthesis(less, moved(w, 1)))
    assert np.abs(first).max() > 0.1
    assert np.abs(first - synthesis(variables, w)).max() > 0.1


def test_recomputing_changes_nothing(discriminator):
    network, variables = discriminator
    image = np.random.default_rng(4).standard_normal((2, 8, 12, 1), np.float32)

    def gradient(network):
        def total(params, image):
            return network.apply({"params": params}, image, train=True).logit.sum()
        return jax.jit(jax.grad(total))(variables["params"], image)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6),
                 gradient(network), gradient(network.clone(remat=True)))


@pytest.mark.slow
def test_second_derivatives_through_attention():
    """R1's gradient in the weights, inside a scan, against differences of R1, in float64."""
    with jax.enable_x64(True):
        network = Discriminator((4, 8, 1), width=8, depth=2, heads=1, patch=4, dtype="float64")
        image = jax.random.normal(keys.root(5), (2, 4, 8, 1), "float64")
        params = jax.tree.map(lambda leaf: leaf.astype("float64"), initialised(network, image)["params"])
        direction = jax.tree.map(lambda leaf: jax.random.normal(keys.root(6), leaf.shape, "float64"), params)
        r1 = REGULARIZERS["r1"](gamma=2.0)

        def penalty(params):
            def step(total, _):
                view = View(**dict.fromkeys(View._fields) | {
                    "discriminator": lambda x, label: network.apply({"params": params}, x, label, train=True),
                    "real": image, "images": 0.0})
                return total + r1.apply((), view)[0], None
            return jax.lax.scan(step, jnp.zeros((), "float64"), None, length=2)[0]

        def along(size):
            return penalty(jax.tree.map(lambda leaf, way: leaf + size * way, params, direction))

        value, slope = jax.jit(lambda: (penalty(params), jax.grad(along)(0.0)))()
        ahead, behind = (jax.jit(along)(side * 1e-5) for side in (1, -1))
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-5, rtol=1e-6)
        assert value > 1e-3


@pytest.mark.parametrize(("network", "fields", "message"), [
    (Generator, {"patch": 3}, r"config\.generator\.patch is 3, which does not divide both sides of images of 8x12"),
    (Discriminator, {"patch": 0}, r"config\.discriminator\.patch is 0"),
    (Discriminator, {"heads": 3}, r"config\.discriminator\.width is 8: give a multiple of 12"),
    (Generator, {"images": 3}, r"config\.generator\.images is 3: give a divisor of the depth, 2"),
])
def test_fields_that_do_not_fit(network, fields, message):
    argument = Z if network is Generator else jnp.zeros((1, 8, 12, 1))
    with pytest.raises(InputError, match=message):
        jax.eval_shape(lambda: network((8, 12, 1), **SMALL | fields).init(keys.root(0), argument, train=True))


def test_the_learning_rate_falls_with_the_width(root):
    """2e-4 at 768, in both networks."""
    for name, width in (("s", 384), ("b", 768), ("l", 1024), ("xl", 1152)):
        config = config_lib.load(f"{root}/configs/vit_gan.py:{name}")
        for player in ("generator", "discriminator"):
            assert config[player]["width"] == width
            assert config["optimizers"][player]["learning_rate"] * width == pytest.approx(2e-4 * 768)
