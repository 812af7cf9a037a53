"""StyleGAN3 computes what its authors' PyTorch code does in float64, with its weights read as published.

stylegan3_reference.json holds numbers of that code (github.com/NVlabs/stylegan3, commit c233a91) for two tiny
generators, "t" and "r", of 32x32 images, five layers and at most 12 and 16 channels; "r" has three classes and its
activations clamped at 1.5. Weights and inputs follow a rule of their names, so that none has to be stored.
"""

import functools
import json
import re
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from reference import nhwc

from jaxgan.errors import InputError
from jaxgan.interop.names import nest
from jaxgan.layers.filters import bands, lowpass, radial_lowpass
from jaxgan.models import stylegan3

REFERENCE = json.loads((Path(__file__).parent / "stylegan3_reference.json").read_text())
SCALES = ((r"mapping\.fc\d+\.weight", 100), (r"mapping\.fc\d+\.bias", 10), (r"synthesis\.input\.affine\.weight", 0.3),
          (r".*(affine\.bias)", 0.1), (r".*(bias|w_avg|phases)", 0.3))


def rule(name, shape, salt):
    return np.random.default_rng(zlib.crc32((salt + name).encode())).standard_normal(shape)


def tensor(name, shape, salt):
    """A published tensor."""
    value = rule(name, shape, salt)
    if name.endswith("magnitude_ema"):
        value = 1 + 0.2 * np.abs(value)
    value = value * next((scale for pattern, scale in SCALES if re.fullmatch(pattern, name)), 1)
    if name.endswith("affine.bias"):
        value = value + (np.array([1.0, 0, 0, 0]) if ".input." in name else 1)
    return np.asarray(value, np.float32)


def tensors(name):
    return {key: tensor(key, shape, name) for key, shape in REFERENCE[name]["shapes"].items()}


def error(value, expected):
    """The largest difference, over the largest entry expected; the latter are a flat list."""
    expected = np.asarray(expected)
    value = np.asarray(value).reshape(expected.shape)
    return np.abs(value - expected).max() / np.abs(expected).max()


def compute(name, dtype):
    """Everything that the reference holds, by its names."""
    network, taken, flat = stylegan3.convert(tensors(name), name)
    network = network.clone(dtype=dtype, clamp=1.5 if name == "r" else 256.0)
    tree = nest({key: jnp.asarray(leaf, dtype) for key, leaf in flat.items()})
    params, stored = tree.pop("params"), tree
    z = jnp.asarray(rule("z", (2, *taken), name), dtype)
    label = jnp.asarray(rule("c", (2, network.num_classes), name), dtype) if network.num_classes else None
    transform = jnp.asarray(REFERENCE[name]["transform"], dtype)
    cotangent = jnp.asarray(nhwc(rule("cotangent", (2, *network.image_shape[2:], 32, 32), name)), dtype)

    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": int(dtype == "float64")})
    def run(params, stored):
        apply = functools.partial(network.apply, {"params": params, **stored})
        w = apply(z, label, method="mapping")
        (_, image), gradients = jax.value_and_grad(lambda params: (
            jnp.sum((image := network.apply({"params": params, **stored}, z, label, train=True)) * cotangent), image),
            has_aux=True)(params)
        trained, after = apply(z, label, train=True, mutable=["moving"])
        moved, same = apply(w, transform=transform, method="synthesis", mutable=["moving"])
        values = {
            "w": w[:, 0], "w_truncated": apply(z, label, psi=0.7, cutoff=3, method="mapping").sum(axis=2),
            "image": image[:, ::4, ::4], "image_square": jnp.mean(image**2),
            "moved": moved[:, ::8, ::8], "trained": trained[:, ::8, ::8]}
        return values, gradients, after, same

    values, gradients, after, same = jax.device_get(run(params, stored))
    jax.tree.map(np.testing.assert_array_equal, same["moving"], stored["moving"])  # only training moves averages
    values = {key: np.moveaxis(value, 3, 1) if value.ndim == 4 else value for key, value in values.items()}
    return network, values, flatten_dict({"params": gradients}, sep="/"), flatten_dict(after, sep="/")


# Compiling takes long: always one in float32, the other and float64 when asked.
@pytest.mark.parametrize(("name", "dtype", "tolerance"), [
    ("t", "float32", 1e-4), *(pytest.param(*case, marks=pytest.mark.slow) for case in (
        ("r", "float32", 1e-4), ("t", "float64", 1e-7), ("r", "float64", 1e-7)))])
def test_numbers(name, dtype, tolerance, record_property):
    """w, images, also turned and shifted ones, gradients of every parameter, and the moving averages."""
    with jax.enable_x64(dtype == "float64"):
        network, values, gradients, after = compute(name, dtype)
    reference = REFERENCE[name]
    errors = {key: error(value, reference[key]) for key, value in values.items()}
    published = stylegan3.published_names(network)
    errors |= {key: error(value, reference["after"][published[key]]) for key, value in after.items()}
    assert len(after) == len(reference["after"]) == 7
    assert max(errors.values()) < tolerance, errors
    record_property("forward", float(max(errors.values())))
    worst = 0.0
    assert {published[key] for key in gradients} == set(reference["gradients"])
    for key, value in gradients.items():
        theirs = stylegan3._transposed(value, key, (3, 2, 0, 1))
        norm, product = reference["gradients"][published[key]]
        probe = rule(published[key], theirs.shape, f"{name}probe")
        differences = (abs(np.linalg.norm(theirs) - norm) / norm,
                       abs((theirs * probe).sum() - product) / (norm * np.linalg.norm(probe)))
        worst = max(worst, *differences)
        assert max(differences) < 3 * tolerance, key
    record_property("gradient", float(worst))


@pytest.mark.parametrize("name", REFERENCE)
def test_filters(name):
    found = bands((32, 32), 5, 10)
    for key, expected in REFERENCE[name]["filters"].items():
        number, kind = int(re.search(r"\.L(\d+)_", key)[1]), key.rpartition(".")[2]
        before, after = found[max(number - 1, 0)], found[number]
        rate = 2 * max(before.rate, after.rate)
        band = before if kind == "up_filter" else after
        design = 6 * round(rate / band.rate), band.cutoff, band.half_width, rate
        radial = name == "r" and kind == "down_filter" and number < 3
        taps = radial_lowpass(*design)[:3, :4].ravel() if radial else lowpass(*design)
        np.testing.assert_allclose(taps, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("fields", "layers"), [
    ({"image_shape": (1024, 1024, 3), "width": 64, "max_width": 1024, "rotation": True},
     "36_1024 36_1024 52_1024 52_1024 84_1024 148_1024 148_1024 276_645 276_406 532_256 1044_161 1044_102 1044_64 "
     "1024_64 1024_3"),
    ({"image_shape": (256, 256, 3), "width": 64},
     "36_512 36_512 36_512 52_512 52_512 84_512 84_512 148_362 148_256 148_181 276_128 276_91 276_64 256_64 256_3")])
def test_published_networks(fields, layers):
    """Names and sizes of layers of the published networks; their tensors are read as the networks they are."""
    network = stylegan3.Generator(**fields)
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros((1, 512)), train=False))
    table = stylegan3.published_names(network)
    published = {table[name]: np.broadcast_to(np.float32(0), stylegan3._transposed(
        np.empty(leaf.shape, np.bool_), name, (3, 2, 0, 1)).shape)
        for name, leaf in flatten_dict(variables, sep="/").items()}
    found = {name.split(".")[1] for name in published if name.startswith("synthesis.L")}
    assert found == {f"L{number}_{layer}" for number, layer in enumerate(layers.split())}
    assert stylegan3.describe(published, "x") == (network, (512,))


def test_damaged_weights_are_refused():
    damaged = tensors("t")
    del damaged["synthesis.L1_36_12.bias"]
    damaged["synthesis.input.freqs"] = np.zeros((3, 2))
    with pytest.raises(InputError, match=r"x\.pkl does not hold .*1 missing: synthesis\.L1_36_12\.bias\..*1 of another "
                                         r"shape: synthesis\.input\.freqs \(3, 2\), not \(12, 2\)"):
        stylegan3.convert(damaged, "x.pkl")
    with pytest.raises(InputError, match=r"x\.pkl does not hold the weights of a StyleGAN3 network"):
        stylegan3.convert({"weight": np.zeros(1)}, "x.pkl")
