"""R3GAN beside its numbers: resampling, initialisation, sizes, precision, and the recipe's schedules."""


import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import config as config_lib
from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.layers.convolution import conv, conv_transpose
from jaxgan.layers.resample import fir_downsample, fir_upsample
from jaxgan.models import r3gan
from jaxgan.schedules import resolve
from jaxgan.training import optimizers

PRESETS = {  # classes, resolution -> published numbers of parameters, in millions
    "ffhq256": (0, 256, 23.1, 23.0), "imagenet32": (1000, 32, 82.9, 86.5), "imagenet64": (1000, 64, 103.6, 107.2)}


def shapes(network, argument, label=None):
    return jax.eval_shape(lambda: network.init(keys.root(0), argument, label, train=True))["params"]


def size(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def test_resampling_is_convolution_with_the_papers_filter():
    """Zeros around the image, and the two adjoint to each other up to the factor of the filter's sum."""
    x = np.random.default_rng(0).standard_normal((2, 4, 6, 3), np.float32)
    line = np.convolve([1, 2, 1], [1, 1])
    kernel = np.float32(np.outer(line, line)[:, :, None, None] / 64 * np.eye(3))
    ours, convolved = jax.jit(lambda x: (
        (fir_downsample(x), fir_upsample(x)),
        (conv(x, kernel, stride=2, padding=1), conv_transpose(x, 4 * kernel, stride=2, padding=1))))(x)
    for one, other in zip(ours, convolved):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.fixture(scope="module")
def started():
    """Parameters of a conditional pair whose kernels are large enough to measure."""
    fields = {"width": 32, "multipliers": (2, 1), "blocks": (1, 1), "group_width": 16}
    generator = r3gan.Generator((8, 8, 3), 10, **fields)
    discriminator = r3gan.Discriminator((8, 8, 3), 10, embed_dim=48, **fields)
    label = jnp.zeros(1, jnp.int32)
    return jax.device_get(jax.jit(lambda key: (
        generator.init(key, jnp.zeros((1, 64)), label, train=True)["params"],
        discriminator.init(key, jnp.zeros((1, 8, 8, 3)), label, train=True)["params"]))(keys.root(0)))


def test_where_parameters_start(started):
    """1 / sqrt(fan-in) times the gain of leaky ReLU and of the depth in blocks, whose last kernel is zero."""
    for params, basis, embedding in zip(started, (1, 1 / 4), (10**-0.5, (48 * 10) ** -0.5)):
        for path, kernel in jax.tree.leaves_with_path(params):
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            if name.endswith(("conv3/kernel", "bias")):
                assert not kernel.any()
            elif name.endswith("kernel"):
                gain = np.sqrt(2 / 1.04) * 2**-0.25 if "block" in name else 1
                five_standard_errors = 5 / np.sqrt(2 * kernel.size)
                fan_in = np.prod(kernel.shape[:-1])
                assert kernel.std() * np.sqrt(fan_in) == pytest.approx(gain, rel=five_standard_errors), name
        assert params["basis"].std() == pytest.approx(basis, rel=0.15)
        assert params["embed"]["embedding"].std() == pytest.approx(embedding, rel=0.2)
    assert started[0]["stage0_block0"]["conv2"]["kernel"].shape == (3, 3, 16, 128)


def test_a_fresh_generator_is_linear_in_its_latent(started):
    """Since every block starts as the identity."""
    generator = r3gan.Generator((8, 8, 3), width=32, multipliers=(2, 1), blocks=1)
    params = started[0] | {"dense": {"kernel": started[0]["dense"]["kernel"][:64]}}
    z = np.random.default_rng(1).standard_normal((2, 64), np.float32)
    generate = jax.jit(lambda params, z: generator.apply({"params": params}, z, train=True))
    one, other, both = np.asarray(generate(params, np.stack([*z, z.sum(0)])))
    np.testing.assert_allclose(both, one + other, atol=1e-4)
    assert np.abs(both).max() > 0.5


@pytest.mark.parametrize(("preset", "classes", "resolution", "millions"), [
    (name, classes, resolution, numbers) for name, (classes, resolution, *numbers) in PRESETS.items()])
def test_presets_have_the_published_sizes(preset, classes, resolution, millions, root):
    config = config_lib.load(f"{root}/configs/r3gan.py:{preset}")
    assert config["data"]["resolution"] == resolution
    image, label = jnp.zeros((1, resolution, resolution, 3)), jnp.zeros(1, jnp.int32)
    for player, argument, number in zip(("generator", "discriminator"), (jnp.zeros((1, 64)), image), millions):
        fields = {key: value for key, value in config[player].items() if key != "name"}
        network = getattr(r3gan, player.capitalize())(image.shape[1:], classes, **fields)
        assert round(size(shapes(network, argument, label)) / 1e6, 1) == number


def test_the_smallest_stage_stays_in_float32_if_asked():
    network = r3gan.Generator((8, 8, 3), width=4, blocks=1, dtype="bfloat16", float32_stages=1)
    variables = {"params": shapes(network, jnp.zeros((1, 4)))}
    program = jax.make_jaxpr(lambda variables, z: network.apply(variables, z, train=True))(variables, jnp.zeros((1, 4)))
    products = [str(step.outvars[0].aval.dtype) for step in program.eqns
                if step.primitive.name in ("dot_general", "gan_convolution")]
    assert products == ["float32"] * 4 + ["bfloat16"] * 4


@pytest.mark.parametrize(("fields", "message"), [
    ({"multipliers": (1, 1, 1)}, r"config\.generator\.multipliers has 3 numbers, but 12x10 images .* 2 times"),
    ({"blocks": (1, 2, 3)}, r"config\.generator\.blocks must be one number, or 2"),
    ({"width": 12}, "24 channels inside a block cannot be cut into groups of 16"),
])
def test_refusals(fields, message):
    with pytest.raises(InputError, match=message):
        shapes(r3gan.Generator((12, 10, 1), **fields), jnp.zeros((1, 4)))


@pytest.mark.parametrize(("preset", "batch", "kimg", "gamma", "augmentation", "half_life"), [
    ("cifar10", 512, 20_000, 0.05, 0.55, 5_000), ("ffhq256", 256, 20_000, 150, 0.3, 500),
    ("imagenet64", 4096, 200_000, 1, 0.4, 50_000)])
def test_five_numbers_follow_a_cosine(preset, batch, kimg, gamma, augmentation, half_life, root):
    """At the start, half-way and at the end, as the engine builds them from the config."""
    config = config_lib.load(f"{root}/configs/r3gan.py:{preset}")
    assert config["batch_size"] == batch
    assert config["num_critic"] == 1
    for player in ("generator", "discriminator"):
        adam = optimizers.build(config["optimizers"][player], player, images=batch)
        params = {"x": jnp.zeros(1)}
        state = adam.init(params)
        for share, rate, b2 in ((0, 2e-4, 0.9), (0.5, 1.25e-4, 0.945), (1, 5e-5, 0.99), (3, 5e-5, 0.99)):
            counted = jnp.int32(round(share * kimg * 1000 / batch))
            state = jax.tree.map(lambda leaf, counted=counted: counted if leaf.dtype == jnp.int32 else leaf, state)
            used = adam.update(params, state, params)[1].hyperparams
            assert used["learning_rate"] == pytest.approx(rate, rel=1e-3)
            assert used["b2"] == pytest.approx(b2, rel=1e-4)
        assert config["optimizers"][player]["b1"] == 0
    numbers = [(config["regularizers"][name], "gamma", gamma, gamma / 10) for name in ("r1", "r2")]
    numbers += [(config["average"]["ema"], "half_life_kimg", 0, half_life),
                (config["augmentation"]["ada"], "p", 0, augmentation)]
    for section, name, start, end in numbers:
        schedule = resolve({name: section[name]}, name)[name]
        found = [schedule(share * kimg * 1000) for share in (0, 0.5, 1, 2)]
        np.testing.assert_allclose(found, [start, (start + end) / 2, end, end], rtol=1e-5, atol=1e-6)
