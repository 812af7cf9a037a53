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
Z = jax.random.normal(keys.root(0), (64, 6))


@pytest.fixture(scope="module")
def small():
    """A generator of 8x8 images that mixes half of its styles, and its variables, with noise that shows."""
    generator = Generator((8, 8, 1), width=4, max_width=4, w_dim=8, mapping_layers=2, style_mixing=0.5)
    variables = jax.jit(lambda: generator.init(keys.root(1), Z, train=True))()
    return generator, jax.tree.map(lambda leaf: leaf + 0.5 * (leaf.ndim == 0), variables)


def numbers(shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_resampling_filters():
    """Along one side, by the definition: zeros in between, filter, leave out. Columns that see no edge are constant."""
    x = numbers(6)
    image = jnp.asarray(np.broadcast_to(x[None, :, None, None], (1, 6, 8, 1)))
    spread = np.zeros(12)
    spread[::2] = x
    np.testing.assert_allclose(fir_upsample(image)[0, :, 8, 0], np.convolve(np.pad(spread, (2, 1)), 2 * FIR, "valid"),
                               rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fir_downsample(image)[0, :, 2, 0], np.convolve(np.pad(x, 1), FIR, "valid")[::2],
                               rtol=1e-5, atol=1e-6)
    for padding in ((2, 2), (1, 1), (3, 0)):
        expected = np.convolve(np.pad(x, padding), FIR, "valid")
        np.testing.assert_allclose(fir_blur(image, padding)[0, :, 4, 0], expected, rtol=1e-5, atol=1e-6)


def test_modulation_is_a_kernel_an_example():
    """Scaled feature maps give what a scaled and normalised kernel for each example gives."""
    x, w = jnp.asarray(numbers((3, 5, 4, 6))), jnp.asarray(numbers((3, 7)))
    layer = ModulatedConv(2)
    variables = layer.init(keys.root(0), x, w)
    affine, kernel = variables["params"]["affine"], variables["params"]["kernel"]
    for example in range(3):
        style = w[example] @ affine["kernel"] / np.sqrt(7) + affine["bias"]
        own = kernel * style[:, None]
        own = own / jnp.sqrt(jnp.sum(own**2, axis=(0, 1, 2)) + 1e-8)
        np.testing.assert_allclose(layer.apply(variables, x, w)[example], conv(x[example:example + 1], own)[0],
                                   rtol=1e-4, atol=1e-5)


def test_minibatch_stddev():
    """Groups are strided; their size divides the batch; the value is that of each example's group."""
    x = numbers((12, 2, 3, 5))
    for group, count in ((4, 4), (5, 4), (64, 12), (1, 1)):
        result = np.asarray(minibatch_stddev(jnp.asarray(x), group))
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
    np.testing.assert_allclose(statistics(spread), statistics(jnp.asarray(x)), rtol=1e-6)


def test_noise_is_fresh_in_training_and_constant_elsewhere(small):
    """Without noise of their own, images of one w are the same wherever they stand in a batch, whatever the key."""
    generator, variables = small
    w = generator.apply(variables, Z[:1], method="mapping")
    draw = jax.jit(lambda w, seed, train: generator.apply(variables, w, method="synthesis", train=train,
                                                          rngs={"noise": keys.root(seed)}), static_argnums=2)
    alone, among = (draw(jnp.repeat(w, count, axis=0), seed, False) for count, seed in ((1, 0), (3, 1)))
    np.testing.assert_allclose(among, jnp.repeat(alone, 3, axis=0), rtol=1e-5, atol=1e-5)
    fresh = draw(jnp.repeat(w, 3, axis=0), 0, True)
    assert jnp.abs(fresh[0] - fresh[1]).max() > 0.1
    assert jnp.abs(fresh[0] - alone[0]).max() > 0.1
    np.testing.assert_array_equal(draw(w[:, 0], 0, False), alone)  # one w for all layers


def test_styles_are_mixed_in_training(small):
    """Half of the images take their last rows, from any on, from another z; the first row is always their own."""
    generator, variables = small
    own = generator.apply(variables, Z, method="mapping")
    other = generator.apply(variables, jnp.roll(Z, 1, axis=0), method="mapping")
    mixed, _ = generator.apply(variables, Z, method="mapping", train=True, mutable=["moving"],
                               rngs={"noise": keys.root(0)})
    rows = np.isclose(mixed, own, atol=1e-6).all(axis=-1)
    assert rows[:, 0].all()
    assert np.isclose(mixed, other, atol=1e-6).all(axis=-1)[~rows].all()
    assert 0.3 < np.mean(~rows[:, -1]) < 0.7
    assert set(rows.sum(axis=1)) == {1, 2, 3, 4}
    for options in ({}, {"train": True}):  # neither in evaluation, nor without keys
        np.testing.assert_array_equal(generator.apply(variables, Z, method="mapping", **options), own)


def test_the_average_of_w_moves_in_training_alone(small):
    generator, variables = small
    w = generator.apply(variables, Z, method="mapping")[:, 0]
    start = variables["moving"]["w_mean"]
    for train in (True, False):
        _, changed = generator.apply(variables, Z, method="mapping", train=train, mutable=["moving"])
        expected = 0.995 * start + 0.005 * w.mean(axis=0) if train else start
        np.testing.assert_allclose(changed["moving"]["w_mean"], expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(generator.apply(variables, Z, method="mapping", psi=0.0)[:, 0],
                               jnp.broadcast_to(start, w.shape), atol=1e-6)


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
