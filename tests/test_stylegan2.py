"""What StyleGAN2 promises beside its numbers: noise, mixing, the average of w, statistics of a batch, sizes, rates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxgan import config as config_lib
from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.layers.convolution import conv
from jaxgan.layers.minibatch import minibatch_stddev
from jaxgan.layers.modulation import ModulatedConv
from jaxgan.layers.resample import fir_blur, fir_downsample, fir_upsample
from jaxgan.models.stylegan2 import Discriminator, Generator
from jaxgan.training.optimizers import corrected

FIR = np.array([1, 3, 3, 1]) / 8
Z = np.random.default_rng(0).standard_normal((64, 6), np.float32)


@pytest.fixture(scope="module")
def small():
    """A generator of 8x8 images that mixes half of its styles, and its variables, with noise that shows."""
    generator = Generator((8, 8, 1), width=4, max_width=4, w_dim=8, mapping_layers=2, style_mixing=0.5)
    variables = jax.device_get(jax.jit(lambda: generator.init(keys.root(1), Z, train=True))())
    return generator, jax.tree.map(lambda leaf: leaf + np.float32(0.5 * (leaf.ndim == 0)), variables)


def mapped(small, z=Z, **options):
    """w of z, and with `mutable` what it changes."""
    generator, variables = small
    run = jax.jit(lambda variables, z: generator.apply(variables, z, method="mapping", **options))
    return jax.device_get(run(variables, z))


def numbers(shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_resampling_filters():
    """Along one side, by the definition: zeros in between, filter, leave out. Columns that see no edge are constant."""
    x = numbers(6)
    image = np.broadcast_to(x[None, :, None, None], (1, 6, 8, 1))
    spread = np.zeros(12)
    spread[::2] = x
    paddings = (2, 2), (1, 1), (3, 0)
    up, down, blurred = jax.device_get(jax.jit(lambda image: (
        fir_upsample(image), fir_downsample(image), [fir_blur(image, padding) for padding in paddings]))(image))
    np.testing.assert_allclose(up[0, :, 8, 0], np.convolve(np.pad(spread, (2, 1)), 2 * FIR, "valid"), rtol=1e-5,
                               atol=1e-6)
    np.testing.assert_allclose(down[0, :, 2, 0], np.convolve(np.pad(x, 1), FIR, "valid")[::2], rtol=1e-5, atol=1e-6)
    for padding, seen in zip(paddings, blurred):
        expected = np.convolve(np.pad(x, padding), FIR, "valid")
        np.testing.assert_allclose(seen[0, :, 4, 0], expected, rtol=1e-5, atol=1e-6)


def test_modulation_is_a_kernel_an_example():
    """Scaled feature maps give what a scaled and normalised kernel for each example gives."""
    x, w = numbers((3, 5, 4, 6)), numbers((3, 7))
    made, variables = jax.device_get(jax.jit(ModulatedConv(2).init_with_output)(keys.root(0), x, w))
    affine, kernel = variables["params"]["affine"], variables["params"]["kernel"]
    convolve = jax.jit(conv)
    for example in range(3):
        style = w[example] @ affine["kernel"] / np.sqrt(7) + affine["bias"]
        own = kernel * style[:, None]
        own = (own / np.sqrt(np.sum(own**2, axis=(0, 1, 2)) + 1e-8)).astype(np.float32)
        np.testing.assert_allclose(made[example], convolve(x[example:example + 1], own)[0], rtol=1e-4, atol=1e-5)


def test_minibatch_stddev():
    """Groups are strided; their size divides the batch; the value is that of each example's group."""
    x = numbers((12, 2, 3, 5))
    for group, count in ((4, 4), (5, 4), (64, 12), (1, 1)):
        result = np.asarray(jax.jit(minibatch_stddev, static_argnums=1)(x, group))
        np.testing.assert_array_equal(result[..., :5], x)
        for example in range(12):
            members = x[example % (12 // count)::12 // count]
            assert len(members) == count
            expected = np.sqrt(members.var(axis=0) + 1e-8).mean()
            np.testing.assert_allclose(result[example, ..., 5], expected, rtol=1e-5)


def test_minibatch_stddev_does_not_depend_on_devices():
    x = numbers((16, 2, 2, 3))
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    spread = jax.device_put(x, NamedSharding(mesh, PartitionSpec("data")))
    statistics = jax.jit(lambda x: minibatch_stddev(x, 4))
    np.testing.assert_allclose(statistics(spread), statistics(x), rtol=1e-6)


def test_noise_is_fresh_in_training_and_constant_elsewhere(small):
    """Without noise of their own, images of one w are the same wherever they stand in a batch, whatever the key."""
    generator, variables = small
    w = mapped(small, Z[:1])
    compiled = jax.jit(lambda variables, w, seed, train: generator.apply(
        variables, w, method="synthesis", train=train, rngs={"noise": keys.root(seed)}), static_argnums=3)

    def draw(*inputs):
        return np.asarray(compiled(variables, *inputs))
    alone, among = (draw(np.repeat(w, count, axis=0), seed, False) for count, seed in ((1, 0), (3, 1)))
    np.testing.assert_allclose(among, np.repeat(alone, 3, axis=0), rtol=1e-5, atol=1e-5)
    fresh = draw(np.repeat(w, 3, axis=0), 0, True)
    assert np.abs(fresh[0] - fresh[1]).max() > 0.1
    assert np.abs(fresh[0] - alone[0]).max() > 0.1
    np.testing.assert_array_equal(draw(w[:, 0], 0, False), alone)  # one w for all layers


def test_styles_are_mixed_in_training(small):
    """Half of the images take their last rows, from any on, from another z; the first row is always their own."""
    own, other = mapped(small), mapped(small, np.roll(Z, 1, axis=0))
    mixed, _ = mapped(small, train=True, mutable=["moving"], rngs={"noise": keys.root(0)})
    rows = np.isclose(mixed, own, atol=1e-6).all(axis=-1)
    assert rows[:, 0].all()
    assert np.isclose(mixed, other, atol=1e-6).all(axis=-1)[~rows].all()
    assert 0.3 < np.mean(~rows[:, -1]) < 0.7
    assert set(rows.sum(axis=1)) == {1, 2, 3, 4}
    for options in ({}, {"train": True}):  # neither in evaluation, nor without keys
        np.testing.assert_allclose(mapped(small, **options), own, rtol=1e-6, atol=1e-7)


def test_the_average_of_w_moves_in_training_alone(small):
    w, start = mapped(small)[:, 0], small[1]["moving"]["w_mean"]
    for train in (True, False):
        _, changed = mapped(small, train=train, mutable=["moving"])
        expected = 0.995 * start + 0.005 * w.mean(axis=0) if train else start
        np.testing.assert_allclose(changed["moving"]["w_mean"], expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(mapped(small, psi=0.0)[:, 0], np.broadcast_to(start, w.shape), atol=1e-6)


@pytest.mark.parametrize(("shape", "bottom", "widths"), [
    ((48, 32, 4), (6, 4), (32, 32, 16, 8)), ((28, 28, 1), (7, 7), (32, 16, 8)), ((6, 100, 3), None, None)])
def test_sizes_that_are_no_powers_of_two(shape, bottom, widths):
    generator = Generator(shape, width=8, max_width=32, w_dim=8)
    discriminator = Discriminator(shape, width=8, max_width=32)
    if bottom is None:
        with pytest.raises(InputError, match="6x100 cannot be"):
            jax.eval_shape(lambda: generator.init(keys.root(0), Z, train=True))
        return
    params = jax.eval_shape(lambda: generator.init(keys.root(0), Z, train=True))["params"]["to_image"]
    assert params["constant"].shape == (*bottom, widths[0])
    assert tuple(params[f"block{number}_conv1"]["bias"].shape[0] for number in range(len(widths))) == widths
    judged = jax.eval_shape(lambda: discriminator.init(keys.root(0), jnp.zeros((2, *shape)), train=True))["params"]
    assert tuple(judged[f"block{number}_conv0"]["bias"].shape[0] for number in range(len(widths) - 1)) == widths[:0:-1]
    assert judged["dense"]["kernel"].shape == (bottom[0] * bottom[1] * widths[0], widths[0])


def test_unknown_architectures_are_refused():
    for player, network, argument in (("generator", Generator, Z), ("discriminator", Discriminator,
                                                                     jnp.zeros((1, 8, 8, 1)))):
        with pytest.raises(InputError, match=rf"config\.{player}\.architecture: there is no 'resent'.*'resnet'"):
            jax.eval_shape(lambda network=network, argument=argument: network(
                (8, 8, 1), architecture="resent").init(keys.root(0), argument, train=True))


def test_published_rates(root):
    """On CIFAR-10 the generator's rate and decay are those of a lazy term it does not have."""
    for path in ("configs/stylegan2.py", "configs/stylegan2_ada.py"):
        config = config_lib.load(f"{root}/{path}")
        expected = corrected({"learning_rate": 2.5e-3, "b1": 0.0, "b2": 0.99}, 4 / 5)
        for name, value in expected.items():
            assert config.optimizers.generator[name] == pytest.approx(value)
        assert config.optimizers.discriminator.learning_rate == 2.5e-3
        assert "path_length" not in config.regularizers
        full = config_lib.load(f"{root}/{path}:paper256:folder:x")
        assert (full.regularizers.path_length.every, full.regularizers.r1.every) == (4, 16)
        assert full.optimizers.generator.learning_rate == 2.5e-3
    config = config_lib.load(f"{root}/configs/stylegan2_ada.py:auto512:folder:x")
    assert config.regularizers.r1.gamma == pytest.approx(0.8192)
    assert (config.batch_size, config.generator.width, config.average.ema.half_life_kimg) == (64, 64, 20.0)
