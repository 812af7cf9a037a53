"""`python -m jaxgan.convert`: files as their authors' programs write them become runs; hostile ones are refused."""

import builtins
import json
import posix

import jax
import numpy as np
import pytest
import torch_files
from flax.traverse_util import flatten_dict
from reference import error, nhwc
from torch_files import Call

from jaxgan import config as config_lib
from jaxgan import conversion, convert, images, main, sample
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.interop import safetensors
from jaxgan.latents.sampling import variables_of
from jaxgan.runs import RunFolder
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training_run import first_state

MARKER = "jaxgan_was_here"
SOURCE = f"open({MARKER!r}, 'w')\nclass Module: pass"
BUFFERS = ("noise_const", "resample_filter", "w_avg", "Kernel")
# What NVIDIA's training hands the constructors of sg2_uncond_Gresnet_Dorig_clamp_32.
ARGUMENTS = {"G": {"z_dim": 32, "mapping_kwargs": Call("dnnlib.util.EasyDict", state={}),
                   "synthesis_kwargs": {"channel_base": 256, "architecture": "resnet", "conv_clamp": 2.0}},
             "D": {"architecture": "orig", "conv_clamp": 2.0, "epilogue_kwargs": {"mbstd_group_size": 2}}}


def state_dict(arrays, prefix):
    start = f"{prefix}/"
    return {key.removeprefix(start): arrays[key] for key in arrays if key.startswith(start)}


def scaled(tensors, factor):
    return {name: (value * factor).astype(value.dtype) for name, value in tensors.items()}


def stylegan2_snapshot(arrays, protocol=4):
    g, d = state_dict(arrays, "G"), state_dict(arrays, "D")
    def network(tensors, kind):
        return torch_files.module(tensors, SOURCE, "Generator" if kind == "G" else "Discriminator", BUFFERS,
                                  _init_args=(), _init_kwargs=ARGUMENTS[kind])
    content = {"training_set_kwargs": {"path": "x.zip"}, "G": network(scaled(g, 0.5), "G"), "D": network(d, "D"),
               "G_ema": network(g, "G"),
               "augment_pipe": torch_files.module({"p": np.float32([0])}, SOURCE, "AugmentPipe", ["p"])}
    return torch_files.dumps(content, protocol)


def r3gan_snapshot(g, d):
    def network(tensors, kind):
        return torch_files.module(tensors, None, f"training.networks.{kind}", ["Kernel"],
                                  DataType=torch_files.Global("torch.bfloat16"))
    return torch_files.dumps({"G": network(scaled(g, 0.5), "Generator"), "D": network(d, "Discriminator"),
                              "G_ema": network(g, "Generator"), "cur_nimg": 1}, 4)


def opened(workdir):
    """(experiment, state) of a run."""
    folder = RunFolder(workdir)
    experiment = Experiment(folder.config(), folder.info(), jax.devices()[:1])
    checkpoints = Checkpoints(folder.checkpoints, read_only=True)
    state = checkpoints.restore(checkpoints.choose("latest"), experiment.abstract_state())
    checkpoints.close()
    return experiment, state


def judged(experiment, state, image, label=None):
    """Logits of the run's discriminator."""
    network, player = experiment.parts.networks["discriminator"], state.players["discriminator"]
    variables = variables_of({"params": player.params, "variables": player.variables})
    return jax.jit(lambda given, x: network.apply(given, x, label, train=False).logit)(variables, nhwc(image))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / MARKER).exists()  # what is in a file was never run


def test_a_snapshot_of_stylegan2_renders_as_its_authors_do(here, shared, capsys):
    arrays = np.load(shared("reference/sg2_uncond_Gresnet_Dorig_clamp_32.npz"))
    (here / "x.pkl").write_bytes(stylegan2_snapshot(arrays))
    assert convert.main(["--from=x.pkl", "--workdir=run"]) == 0
    assert "Wrote run: stylegan2, 32×32×3, z of 32." in capsys.readouterr().out
    assert sorted(path.name for path in here.iterdir()) == ["run", "x.pkl"]
    experiment, state = opened("run")
    assert experiment.config["discriminator"]["stddev_group"] == 2  # from the arguments, as the clamp
    made = experiment.sampler.synthesize(experiment.weights(state), arrays["ws"])
    assert error(made, nhwc(arrays["img_const"])) < 1e-4
    halved = experiment.sampler.synthesize(experiment.weights(state, raw=True), arrays["ws"])
    assert error(halved, nhwc(arrays["img_const"])) > 0.1
    assert json.loads((here / "run/environment.json").read_text())["converted"]["average"]["file"] == "x.pkl"


@pytest.mark.slow
def test_a_snapshot_of_r3gan_with_classes_and_training_on_from_it(here, shared, small):
    arrays = np.load(shared("reference/r3gan_cond10_8x8.npz"))
    (here / "x.pkl").write_bytes(r3gan_snapshot(state_dict(arrays, "G"), state_dict(arrays, "D")))
    names = [f"class {letter}" for letter in "abcdefghij"]
    assert convert.main(["--from=x.pkl", "--workdir=run", f"--classes={','.join(names)}"]) == 0
    experiment, state = opened("run")
    assert experiment.info.class_names == tuple(names)
    label = arrays["c"].argmax(1).astype(np.int32)
    made = experiment.sampler.synthesize(experiment.weights(state), arrays["z"], label)
    assert error(made, nhwc(arrays["fake"])) < 1e-4
    assert error(judged(experiment, state, arrays["real"], label), arrays["logits_real"].ravel()) < 1e-4
    for options, raw in ([], False), (["--raw"], True):
        assert sample.main(["--workdir=run", "--seeds=0-3", "--output=x.npz", *options]) == 0
        expected = images.to_uint8(experiment.generate(experiment.weights(state, raw), range(4)))
        np.testing.assert_array_equal(np.load("x.npz")["images"], expected)
        assert np.unique(expected).size > 9

    with pytest.raises(InputError, match=r"without the data .* --config\.init_from=run"):
        main.main([f"--config={small}", "--workdir=run"])
    config = config_lib.from_json((here / "run/config.json").read_text(), here)
    with config.unlocked():
        config.seed, config.init_from = 1, "run"
    begun, lines = first_state(Experiment(config, experiment.info, jax.devices()[:1]))
    assert "fresh" not in lines[1]
    for mine, theirs in zip(jax.tree.leaves(begun.players["generator"].params),
                            jax.tree.leaves(state.players["generator"].params)):
        np.testing.assert_array_equal(mine, theirs)


def studiogan(arrays):
    """The three files of a training, with what else it keeps."""
    g, d = state_dict(arrays, "G"), state_dict(arrays, "D")
    scalar = Call("numpy.core.multiarray.scalar", Call("numpy.dtype", "f8", False, True),
                  Call("_codecs.encode", "\0" * 8, "latin1"))
    torch_files.zip_file({"state_dict": scaled(g, 0.5), "optimizer": {"state": {0: {"exp_avg": np.zeros(3, "f4")}}}},
                         "G.pth")
    torch_files.zip_file({"state_dict": d, "best_fid": scalar, "lecam_emas": {"decay": 0.99}}, "D.pth")
    torch_files.zip_file({"state_dict": g}, "G_ema.pth")
    return ["--from=G.pth", "--discriminator=D.pth", "--average=G_ema.pth"]


def ajbrock(arrays):
    torch_files.zip_file(state_dict(arrays, "G"), "G_ema.pth")
    return ["--from=G_ema.pth", "--config.generator.norm_eps=1e-4"]


@pytest.mark.parametrize("source", [studiogan, pytest.param(ajbrock, marks=pytest.mark.slow)])
def test_state_dicts_of_biggan(here, source, shared, capsys):
    arrays = np.load(shared(f"reference/biggan_{source.__name__}_32.npz"))
    assert convert.main([*source(arrays), "--workdir=run"]) == 0
    experiment, state = opened("run")
    made = experiment.sampler.synthesize(experiment.weights(state), arrays["z"], arrays["y"].astype(np.int32))
    assert error(made, nhwc(arrays["G_eval"])) < 1e-4
    if source is ajbrock:
        assert "no discriminator: the one of this run begins afresh" in capsys.readouterr().out
        return
    logit = judged(experiment, state, arrays["x"], arrays["y"].astype(np.int32))
    assert error(logit, arrays["D_eval_adv_output"].ravel()) < 1e-4


def test_networks_are_found_in_safetensors(here, shared):
    arrays = np.load(shared("reference/sngan_resnet_uncond_32.npz"))
    tensors = {f"{place}.{name}": value for place, prefix in (("generator", "G"), ("D", "D"))
               for name, value in state_dict(arrays, prefix).items()}
    safetensors.write("x.safetensors", tensors | {"step": np.zeros(1)}, {})
    found = conversion.collect({"": here / "x.safetensors"})
    assert {role: each.family for role, each in found.items()} == {"generator": "resnet", "discriminator": "resnet"}
    one = flatten_dict(found["generator"].variables, sep="/")["params/block1/conv1/kernel"]
    np.testing.assert_array_equal(one, arrays["G/blocks.0.0.conv2d1.weight"].transpose(2, 3, 1, 0))


HOSTILE = {"posix.system": Call("posix.system", f"touch {MARKER}"),
           "builtins.eval": Call("builtins.eval", f"open({MARKER!r}, 'w')"),
           "builtins.getattr": Call("builtins.getattr", "", "join")}
PLACES = {"beside the networks": lambda bad: {"G": 1, "x": bad},
          "in a network": lambda bad: {"G": torch_files.module({}, SOURCE, weight=bad)},
          "in the data of a tensor": lambda bad: {"G": torch_files.module({}, SOURCE, weight=Call(
              "torch.storage._load_from_bytes", torch_files.legacy_file(bad)))}}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused_by_name(here, name, place):
    assert posix.system
    assert builtins.eval  # the names are real: to load the file would be to run it
    for protocol in (3, 4):
        (here / "x.pkl").write_bytes(torch_files.dumps(PLACES[place](HOSTILE[name]), protocol))
        with pytest.raises(InputError, match=rf"^x\.pkl is refused: its pickle asks for {name}, .* Nothing was exec"):
            convert.main(["--from=x.pkl", "--workdir=run"])
    assert [path.name for path in here.iterdir()] == ["x.pkl"]


def test_refusals_leave_with_2_and_nothing_behind(command, tmp_path):
    (tmp_path / "x.pkl").write_bytes(torch_files.dumps(PLACES["in the data of a tensor"](HOSTILE["posix.system"]), 4))
    code, out, err = command("convert", "--from=x.pkl", "--workdir=run")
    assert (code, out) == (2, "")
    assert err.startswith("error: x.pkl is refused: its pickle asks for posix.system")
    assert [path.name for path in tmp_path.iterdir()] == ["x.pkl"]


def test_what_does_not_fit_is_listed_at_once(here, shared):
    arrays = np.load(shared("reference/r3gan_cond10_8x8.npz"))
    g, d = state_dict(arrays, "G"), state_dict(arrays, "D")
    (here / "good.pkl").write_bytes(r3gan_snapshot(g, d))
    bias = next(name for name in g if name.endswith("NonLinearity1.Bias"))
    damaged = {name: value for name, value in g.items() if name != bias}
    damaged |= {"Model.AggregationLayer.Layer.bias": np.zeros(3), bias.replace("1.Bias", "2.Bias"): np.zeros(5)}
    (here / "x.pkl").write_bytes(r3gan_snapshot(damaged, d))
    torch_files.zip_file({"Conv2d_1a_3x3.conv.weight": np.zeros(1, "f4")}, "inception.pth")
    torch_files.zip_file({"layer.weight": np.zeros(1, "f4")}, "other.pth")
    torch_files.zip_file(d, "D.pth")
    (here / "old").mkdir()
    (here / "old/file").touch()
    wrong = (r"x\.pkl does not hold .* 1 missing: .*1\.Bias\. 1 not known: .*Layer\.bias\. 1 of another shape: "
             r".*2\.Bias \(5,\), not")
    for arguments, message in {
        ("--from=x.pkl",): wrong,
        ("--from=inception.pth",): "holds an Inception, .*--weights=inception --from=inception.pth",
        ("--from=other.pth",): r"holds no network that is known: resnet, .* begin with layer\.weight",
        ("--from=none.pkl",): r"none\.pkl cannot be read",
        ("--from=D.pth",): r"D\.pth holds a discriminator where the generator should be",
        ("--from=good.pkl", "--average=D.pth"): r"D\.pth holds a discriminator where the generator should be",
        ("--from=good.pkl", "--classes=a,b"): "2 names, but the generator has 10 classes",
        ("--from=good.pkl", "--config.generator.width=8"): "these options the networks have other tensors",
        ("--from=good.pkl", "--config.generator.wide=8"): "generator.wide: .* no such argument. Did you mean",
    }.items():
        with pytest.raises(InputError, match=message):
            convert.main([*arguments, "--workdir=run"])
    with pytest.raises(InputError, match="--workdir=old is there already"):
        convert.main(["--from=good.pkl", "--workdir=old"])
    assert {path.name for path in here.iterdir()} == {"good.pkl", "x.pkl", "inception.pth", "other.pth", "D.pth", "old"}
