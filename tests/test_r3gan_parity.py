"""R3GAN computes what its authors' PyTorch code does, with its weights read as published."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from reference import error, nhwc

from jaxgan.errors import InputError
from jaxgan.interop.names import nest
from jaxgan.losses import relativistic_paired
from jaxgan.models import r3gan
from jaxgan.regularizers.gradient import squared_gradient_norm
from jaxgan.typing import View

# One fixture is enough from day to day; most of the time goes into compiling.
FIXTURES = [("cond10_8x8", "float64")] + [
    pytest.param(name, dtype, marks=pytest.mark.slow) for name, dtype in (
        ("uncond_16x16", "float32"), ("uncond_8x8", "float64"), ("uncond_16x16", "float64"), ("uncond_8x8", "float32"),
        ("cond10_8x8", "float32"))]
PARAMETERS = {"cifar10": (20_781_952, 21_280_512), "ffhq64": (22_429_824, 22_381_440)}


def read(arrays, prefix):
    """The state_dict of one network, or gradients of it, by published names."""
    return {key.removeprefix(f"{prefix}/"): arrays[key] for key in arrays if key.startswith(f"{prefix}/")}


def networks(arrays, dtype):
    """[(generator, its parameters), (discriminator, its parameters)]"""
    pairs = []
    for player in ("G", "D"):
        network, _, flat = r3gan.convert(read(arrays, player), player)
        variables = nest({name: leaf.astype(dtype) for name, leaf in flat.items()})
        pairs.append((network.clone(dtype=dtype), variables["params"]))
    return pairs


def both_steps(arrays, gamma, dtype):
    """The two updates of the paper: everything the fixture holds, computed by us, and both gradients."""
    (generator, g), (discriminator, d) = networks(arrays, dtype)
    z, real = arrays["z"].astype(dtype), nhwc(arrays["real"]).astype(dtype)
    label = arrays["c"].astype(dtype) if "c" in arrays else None
    loss = relativistic_paired()

    @jax.jit
    def run(g, d, z, real, label):
        def judge(d, fake):
            """Logits of real and fake images, and the view of a penalty on both at once."""
            images = jnp.concatenate([real, fake])
            labels = None if label is None else jnp.concatenate([label, label])
            view = View(None, lambda image, label: discriminator.apply({"params": d}, image, label, train=True), d,
                        images, None, labels, z, None, None, None, None, None)
            return jnp.split(view.discriminator(images, labels).logit, 2), view

        def discriminator_loss(d, fake):
            logits, view = judge(d, fake)
            r1, r2 = jnp.split(squared_gradient_norm(view, view.real), 2)
            losses = loss.discriminator(*logits)
            return losses.mean() + gamma / 2 * (r1.mean() + r2.mean()), (*logits, r1, r2, losses)

        def generator_loss(g):
            fake = generator.apply({"params": g}, z, label, train=True)
            losses = loss.generator(*judge(d, fake)[0][::-1])
            return losses.mean(), (fake, losses)

        (g_loss, (fake, g_losses)), g_gradient = jax.value_and_grad(generator_loss, has_aux=True)(g)
        (d_loss, outputs), d_gradient = jax.value_and_grad(discriminator_loss, has_aux=True)(d, fake)
        named = dict(zip(("logits_real", "logits_fake", "R1", "R2", "D_adv"), outputs))
        return named | {"fake": fake, "D_loss": d_loss, "G_loss": g_loss, "G_adv": g_losses}, g_gradient, d_gradient

    return run(g, d, z, real, label)


@pytest.mark.parametrize(("name", "dtype"), FIXTURES)
def test_both_updates(name, dtype, shared, record_property):
    """Images, logits, losses, both penalties, and gradients of everything, of second order in the discriminator."""
    arrays = np.load(shared(f"reference/r3gan_{name}.npz"))
    gamma = json.loads(shared(f"reference/r3gan_{name}.json").read_text())["gamma"]
    suffix, tolerance = {"float64": ("_f64", 1e-9), "float32": ("", 1e-5)}[dtype]
    with jax.enable_x64(dtype == "float64"):
        found, *gradients = both_steps(arrays, gamma, dtype)
    expected = {key: arrays[key + suffix] for key in found}
    errors = {key: error(value, nhwc(expected[key]) if key == "fake" else expected[key])
              for key, value in found.items()}
    assert len(errors) == 9
    assert max(errors.values()) <= tolerance, errors
    record_property("forward", float(max(errors.values())))
    for player, gradient in zip(("G", "D"), gradients):
        _, _, expected = r3gan.convert(read(arrays, f"grad_{player}{suffix}"), "gradients")
        gradient = flatten_dict({"params": gradient}, sep="/")
        assert gradient.keys() == expected.keys()
        errors |= {f"{player}/{key}": error(leaf, expected[key]) for key, leaf in gradient.items()}
    record_property("gradient", float(max(errors.values())))
    assert max(errors.values()) <= tolerance, errors


@pytest.mark.parametrize(("preset", "parameters"), PARAMETERS.items())
def test_published_presets(preset, parameters, shared):
    """The published state_dicts are found to be the networks of the paper, and every tensor has its place."""
    published = json.loads(shared(f"reference/r3gan_shapes_{preset}.json").read_text())["state_dict"]
    widths = {"cifar10": (768, (1, 1, 1, 1)), "ffhq64": (384, (2, 2, 2, 2, 1))}[preset]
    for player, number in zip(("G", "D"), parameters):
        # Nothing but shapes: tensors that take no memory.
        tensors = {name: np.broadcast_to(np.float32(0), entry["shape"]) for name, entry in published[player].items()}
        network, taken, params = r3gan.convert(tensors, preset)
        assert (network.width, network.multipliers) == (widths[0], widths[1][::1 if player == "G" else -1])
        assert (network.expansion, network.group_width, set(network.blocks)) == (2, 16, {2})
        assert taken == ((64,) if player == "G" else network.image_shape)
        assert sum(leaf.size for leaf in params.values()) == number
        assert network.num_classes == (10 if preset == "cifar10" else 0)


def test_damaged_weights_are_refused(shared):
    tensors = read(np.load(shared("reference/r3gan_uncond_8x8.npz")), "G")
    del tensors["Model.MainLayers.1.Layers.2.NonLinearity1.Bias"]
    tensors["Model.MainLayers.0.Layers.0.LinearLayer.weight"] = np.zeros((3, 16))
    tensors["Model.Extra"] = np.zeros(1)
    with pytest.raises(InputError, match=r"x\.pkl does not hold .*1 missing: Model\.MainLayers\.1\.Layers\.2\.NonLin.*"
                                         r"1 not known: Model\.Extra.*1 of another shape: .*\(3, 16\), not \(32, 16\)"):
        r3gan.convert(tensors, "x.pkl")
    del tensors["Model.MainLayers.0.Layers.0.Basis"]
    for useless in (tensors, {}, {"Model.AggregationLayer.Layer.weight": np.zeros(())}):
        with pytest.raises(InputError, match=r"x\.pkl does not hold the weights of an R3GAN generator or disc"):
            r3gan.convert(useless, "x.pkl")
