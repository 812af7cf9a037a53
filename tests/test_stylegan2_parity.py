"""StyleGAN2 computes what its authors' PyTorch code does, with its weights read as published."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from reference import error, nhwc

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.interop.names import nest
from jaxgan.losses import non_saturating
from jaxgan.models import stylegan2
from jaxgan.regularizers import path_length, r1
from jaxgan.typing import View

FIXTURES = ["cond_skip_resnet_32", "uncond_Gresnet_Dorig_clamp_32", "uncond_skip_resnet_32"]
# Compiling one takes long: always the first in float32, the others and float64 when asked.
CASES = [pytest.param(name, wide, id=f"{name}-float{64 if wide else 32}",
                      marks=[pytest.mark.slow] * (wide or name != FIXTURES[0]))
         for wide in (False, True) for name in FIXTURES]
PHASES = {"Gmain": "G", "Greg": "G", "Dmain": "D", "Dreg": "D"}
# preset -> fields of the networks, those of the generator alone, those of the discriminator alone
PRESETS = {
    "cifar": ({"width": 512, "max_width": 512, "num_classes": 10, "image_shape": (32, 32, 3)},
              {"mapping_layers": 2, "architecture": "skip"}, {"mapping_layers": 8, "architecture": "orig"}),
    "ffhq256_paper256": ({"width": 64, "max_width": 512, "num_classes": 0, "image_shape": (256, 256, 3)},
                         {"mapping_layers": 8, "architecture": "skip"}, {"architecture": "resnet"}),
}


def read(arrays, prefix):
    """The state_dict of one network, or gradients of it, by published names."""
    return {key.removeprefix(f"{prefix}/"): arrays[key] for key in arrays if key.startswith(f"{prefix}/")}


def network(arrays, player, dtype, clamp):
    """(network, its parameters, its other variables)"""
    module, _, flat = stylegan2.convert(read(arrays, player), player)
    variables = nest({name: leaf.astype(dtype) for name, leaf in flat.items()})
    return module.clone(dtype=dtype, clamp=clamp), variables.pop("params"), variables


def compute(arrays, settings, dtype, clamp):
    """Everything a fixture holds, computed by us in one program: values by its names, and gradients by phase."""
    generator, g, stored = network(arrays, "G", dtype, clamp)
    discriminator, d, _ = network(arrays, "D", dtype, clamp)
    inputs = {name: arrays[name].astype(dtype) for name in ("z", "c", "real_c", "ws_direct") if name in arrays}
    inputs["real"] = nhwc(arrays["real"]).astype(dtype)
    loss, zero, num = non_saturating(), jnp.zeros((), dtype), len(arrays["z"])

    # In float64 convolutions are plain loops, for the compiler to optimize.
    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": int(dtype == "float64")})
    def run(g, d, stored, inputs):
        z, real, fake_label, real_label = (inputs.get(name) for name in ("z", "real", "c", "real_c"))

        def made(g, method, *arguments, **options):
            return generator.apply({"params": g, **stored}, *arguments, method=method, **options)

        def judge(d, image, label):
            return discriminator.apply({"params": d}, image, label, train=True)

        def mapping(g, z):
            return made(g, "mapping", z, None if fake_label is None else fake_label[:len(z)])

        def view(g, d):
            return View(None, lambda image, label: judge(d, image, label), None, real, real, real_label, z, None, None,
                        keys.root(0), zero, zero, lambda z, _: mapping(g, z), lambda w: made(g, "synthesis", w),
                        real_gradient=lambda: jax.grad(lambda x: judge(d, x, real_label).logit.sum())(real))

        def g_main(g):
            fake, changed = made(g, "__call__", z, fake_label, train=True, mutable=["moving"])
            logit = judge(d, fake, fake_label).logit
            return loss.generator(logit, None).mean(), (fake, logit, changed["moving"]["w_mean"])

        def g_reg(g):
            part = path_length(settings["pl_weight"], 1 - settings["pl_decay"], settings["pl_batch_shrink"])
            value, _, metrics = part.apply(part.init(), view(g, d))
            return value, metrics["mean"]

        def d_main(d, fake):
            logits = [judge(d, *shown).logit for shown in ((real, real_label), (fake, fake_label))]
            return loss.discriminator(*logits).mean(), logits[0]

        def d_reg(d):
            value, _, metrics = r1(settings["r1_gamma"]).apply((), view(g, d))
            return value, metrics["grad_norm"]

        gradient = functools.partial(jax.value_and_grad, has_aux=True)
        results = {"Gmain": gradient(g_main)(g), "Greg": gradient(g_reg)(g), "Dreg": gradient(d_reg)(d)}
        (g_loss, (fake, fake_logit, w_mean)), _ = results["Gmain"]
        results["Dmain"] = gradient(d_main)(d, fake)
        ws = {"ws": {}, "ws_trunc": {"psi": 0.7}, "ws_trunc_cutoff": {"psi": 0.7, "cutoff": 2}}
        ws = {name: made(g, "mapping", z, fake_label, **options) for name, options in ws.items()}
        others = made(g, "synthesis", jnp.concatenate([ws["ws_trunc"], inputs["ws_direct"]]))
        values = ws | {
            "img_const": fake, "img_trunc_const": others[:num], "img_direct_const": others[num:],
            "w_avg_after_train_forward": w_mean, "logits_fake_const": fake_logit[:, None],
            "logits_real": results["Dmain"][0][1][:, None], "pl_mean_after": results["Greg"][0][1]}
        means = {"Gmain:G_loss": g_loss, "Greg:G_reg": results["Greg"][0][0], "Dmain:D_loss": results["Dmain"][0][0],
                 "Dreg:D_reg": results["Dreg"][0][0]}
        return values, means, {name: gradient for name, (_, gradient) in results.items()}

    return run(g, d, stored, inputs)


@pytest.mark.parametrize(("name", "wide"), CASES)
def test_all_phases(name, wide, shared, monkeypatch, record_property):
    """w, images, logits, losses, R1 and path length, and gradients of every parameter in the four phases."""
    arrays = np.load(shared(f"reference/sg2_{name}.npz"))
    settings = json.loads(shared(f"reference/sg2_{name}.json").read_text())["loss"]
    suffix, dtype = ("_f64", "float64") if wide else ("", "float32")
    forward, backward = (1e-9, 1e-8) if wide else (1e-4, 3e-4)
    noise, normal = nhwc(arrays["pl_noise"]).astype(dtype), jax.random.normal
    monkeypatch.setattr(jax.random, "normal", lambda key, shape, *dtypes: (
        jnp.asarray(noise) if shape == noise.shape else normal(key, shape, *dtypes)))
    with jax.enable_x64(wide):
        values, means, gradients = compute(arrays, settings, dtype, 2.0 if "clamp" in name else None)
    expected = {key: arrays[key + suffix] for key in values} | {key: arrays[key + suffix].mean() for key in means}
    expected = {key: nhwc(value) if value.ndim == 4 else value for key, value in expected.items()}
    errors = {key: error(value, expected[key]) for key, value in (values | means).items()}
    assert len(errors) == 14
    assert max(errors.values()) <= forward, errors
    record_property("forward", float(max(errors.values())))
    worst = 0.0
    for phase, player in PHASES.items():
        buffers = read(arrays, player)
        _, _, flat = stylegan2.convert(buffers | read(arrays, f"grad_{phase}{suffix}"), phase)
        found = flatten_dict({"params": gradients[phase]}, sep="/")
        reference = {key: leaf for key, leaf in flat.items() if key in found}
        assert len(reference) == sum(key.startswith("params/") for key in flat)
        largest = max(np.abs(leaf).max() for leaf in reference.values())
        for key, leaf in reference.items():
            scale = max(np.abs(leaf).max(), 1e-3 * largest)
            worst = max(worst, difference := np.abs(np.asarray(found[key]) - leaf).max() / scale)
            assert difference <= backward, (phase, key)
    record_property("gradient", float(worst))


@pytest.mark.parametrize("preset", PRESETS)
def test_published_presets(preset, shared):
    """The published state_dicts are found to be the networks of the paper, and every tensor has its place."""
    fixture = json.loads(shared(f"reference/sg2_shapes_{preset}.json").read_text())
    common, *own = PRESETS[preset]
    for player, fields in zip("GD", own):
        # Nothing but shapes: tensors that take no memory.
        tensors = {name: np.broadcast_to(np.float32(0), entry["shape"])
                   for name, entry in fixture["state_dict"][player].items()}
        module, taken, flat = stylegan2.convert(tensors, preset)
        assert {name: getattr(module, name) for name in common | fields} == common | fields
        assert taken == ((512,) if player == "G" else module.image_shape)
        parameters = sum(leaf.size for name, leaf in flat.items() if name.startswith("params/"))
        assert parameters == fixture["parameter_count"][player]


def test_damaged_weights_are_refused(shared):
    tensors = read(np.load(shared("reference/sg2_uncond_skip_resnet_32.npz")), "G")
    del tensors["synthesis.b8.conv0.bias"]
    tensors["synthesis.b16.conv1.weight"] = np.zeros((3, 16, 3, 3))
    tensors["mapping.extra"] = np.zeros(1)
    with pytest.raises(InputError, match=r"x\.pkl does not hold .*1 missing: synthesis\.b8\.conv0\.bias\..*1 not known"
                                         r": mapping\.extra.*1 of another shape: .*\(3, 16, 3, 3\), not \(16"):
        stylegan2.convert(tensors, "x.pkl")
    with pytest.raises(InputError, match=r"x\.pkl does not hold the weights of a StyleGAN2 network"):
        stylegan2.convert({"weight": np.zeros(1)}, "x.pkl")
