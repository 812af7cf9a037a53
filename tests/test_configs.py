"""Every config that ships trains: two steps of its small form; at the paper's sizes everything fits together."""

import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxgan import config as config_lib
from jaxgan import data, main, sample
from jaxgan.data.pipeline import Batches
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.training.update import make_steps

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.py"))
RECIPES = [path for path in CONFIGS if path.stem != "ring"]  # those with a tiny variant
QUICK = ("dcgan", "ring")  # that compile in seconds; experiments/zoo trains them all
LONG = ("biggan", "biggan_deep", "contragan", "cr_gan", "cyclegan", "lecam", "r3gan", "reacgan", "sngan", "stylegan2",
        "stylegan2_ada", "stylegan3", "vit_gan")  # that trace in many, or like another one
SMALL = ("batch_size=8", "steps_per_call=2")
OWN = {"cyclegan": ("data.classes=(0, 1)",)}  # what a recipe asks of data with ten classes


def ready(config):
    """All that two steps with every phase due need: (experiment, feed, their names)."""
    source = data.open(config["data"])
    experiment = Experiment(config, source.info, jax.devices()[:1])
    feed = experiment.feed(Batches(source, config["batch_size"], 0))
    return experiment, feed, tuple(phase.name for phase in experiment.method.phases)


def fits(config):
    """Two steps on these data trace: every shape, type and label fits. Nothing is compiled."""
    experiment, feed, due = ready(config)
    steps = make_steps(experiment.method)
    state, metrics = jax.eval_shape(lambda *arguments: steps(*arguments, due=due), experiment.abstract_state(),
                                    feed.steps(0, 2), feed.data)
    assert jax.tree.structure(state) == jax.tree.structure(experiment.abstract_state())
    assert metrics["d/loss"].shape == ()


def trains(config):
    """Two steps in one call; every metric and parameter is finite and the steps are counted."""
    experiment, feed, due = ready(config)
    steps = experiment.parallel.compile(make_steps(experiment.method))
    state, metrics = steps(experiment.initial_state(), feed.steps(0, 2), feed.data, due=due)
    assert int(state.step) == 2
    for name, value in metrics.items():
        assert np.isfinite(value).all(), name
    for leaf in jax.tree.leaves(state.players):
        assert np.isfinite(leaf).all()


@pytest.fixture(scope="module")
def colour(tmp_path_factory):
    """An .npz of the shape of CIFAR-10."""
    path = tmp_path_factory.mktemp("data") / "colour.npz"
    rng = np.random.default_rng(0)
    np.savez(path, images=rng.integers(0, 256, (64, 32, 32, 3), np.uint8), labels=np.arange(64) % 10)
    return path


def small(path):
    """The config that a CPU can train in a minute or two."""
    return config_lib.load(str(path) if path.stem == "ring" else f"{path}:tiny", SMALL)


@pytest.mark.parametrize("path", [
    pytest.param(path, id=path.stem, marks=() if path.stem in QUICK else pytest.mark.slow) for path in CONFIGS])
def test_every_config_trains_two_steps(path):
    trains(small(path))


@pytest.mark.parametrize("path", [
    pytest.param(path, id=path.stem, marks=pytest.mark.slow if path.stem in LONG else ()) for path in RECIPES])
def test_every_recipe_fits_colour_images(path, colour):
    fits(config_lib.load(f"{path}:npz:{colour}", SMALL + OWN.get(path.stem, ())))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_tiny_recipes_share_their_budget_and_their_data(path, colour):
    config = config_lib.load(f"{path}:tiny")
    assert config["total_kimg"] == config_lib.TINY_KIMG
    own, other = (config_lib.load(f"{path}:tiny{data}")["data"] for data in ("", f":npz:{colour}"))
    own, other = (data.get("of", data) for data in (own, other))
    assert own["name"] == "digits"
    assert other["path"] == str(colour)


@pytest.mark.slow
def test_tiny_dcgan_makes_more_than_one_image_of_a_digit(shared, tmp_path):
    """A label that outweighs z ends in an image a class, a fifth of the spread that the real ones of a class have."""
    location, folder = f"{ROOT}/configs/dcgan.py:tiny:mnist", shared("data/tfds/mnist").parent
    main.main([f"--config={location}", f"--workdir={tmp_path}/run", f"--config.data.dir={folder}",
               "--config.total_kimg=19.2", "--quiet"])
    sample.main([f"--workdir={tmp_path}/run", "--seeds=0-499", "--labels=0-9", f"--output={tmp_path}/made.npz"])

    def spread(images, labels):
        return np.mean([images[labels == digit].std(axis=0).mean() for digit in range(10)])

    real = data.open(config_lib.load(location, [f"data.dir={folder}"])["data"]).arrays
    with np.load(tmp_path / "made.npz") as made:
        assert spread(made["images"], made["labels"]) > 0.7 * spread(real.images, real.labels)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_says_what_it_is(path):
    spec = importlib.util.spec_from_file_location("config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    command = f"python -m jaxgan.main --config={path.relative_to(ROOT)}"
    assert command in module.__doc__
    for word in ("20", "laptop"):  # a paper's year, and what to change on a laptop
        assert word in module.__doc__


@pytest.mark.parametrize("argument", ["mnist", "cifar10"])
def test_dcgan_fits_tfds(argument, shared):
    folder = shared(f"data/tfds/{argument}").parent
    fits(config_lib.load(f"{ROOT}/configs/dcgan.py:{argument}",
                           (*SMALL, f"data.dir={folder}", "data.split=train[:64]", "generator.width=4",
                            "discriminator.width=4")))


@pytest.mark.parametrize("argument", ["folder:{}/data/folder", "npz:{}/data/pneumoniamnist.npz"])
def test_dcgan_fits_files(argument, shared):
    argument = argument.format(shared("data").parent)
    fits(config_lib.load(f"{ROOT}/configs/dcgan.py:{argument}",
                           (*SMALL, "generator.width=4", "discriminator.width=4")))


@pytest.mark.parametrize(("overrides", "message"), [
    (["regularizers.r1={'name': 'r1', 'every': 0}"], "regularizers.r1.every must be a whole number of steps from 1"),
    (["regularizers.r1=5"], "config.regularizers.r1 must name a part"),
    (["seed=4294967296"], "config.seed must be below 2"),
])
def test_refusals_of_the_config(overrides, message):
    with pytest.raises(InputError, match=message):
        config_lib.load(f"{ROOT}/configs/dcgan.py", overrides)


@pytest.mark.parametrize(("overrides", "message"), [
    (["loss.margin=2"], "config.loss.margin: .* takes no such argument"),
    (["generator.widht=8"], "config.generator.widht: Generator takes no such argument. Did you mean .*'width'"),
    (["generator.name=dcgam"], "config.generator: there is no 'dcgam'. Did you mean 'dcgan'"),
    (["generator.name=no_such_package.nets:G"], "cannot import 'no_such_package.nets'"),
    (["generator.name=jaxgan.losses:Nothing"], "'jaxgan.losses' has no 'Nothing'"),
    (["metrics=('modes',)"], "modes needs data whose modes are known"),
    (["latent.dim=0"], "config.latent.dim is 0"),
    (["average.ema.halflife=3"], "config.average.ema.halflife: exponential takes no such .* 'half_life_kimg'"),
    (["optimizers.generator.b2={'name': 'cosin'}"], "optimizers.generator.b2: there is no 'cosin'"),
])
def test_refusals_when_the_parts_are_built(overrides, message):
    config = config_lib.load(f"{ROOT}/configs/dcgan.py", overrides)
    with pytest.raises(InputError, match=message):
        Experiment(config, data.open("digits").info, jax.devices()[:1])


@pytest.mark.parametrize(("overrides", "message"), [
    (["batch_size=12"], "8 devices cannot share evenly: make it a multiple of 8"),
    (["batch_size=16", "accumulate=3"], r"evenly in 3 parts each \(config.accumulate\): make it a multiple of 24"),
])
def test_a_batch_that_devices_cannot_share_is_refused(overrides, message):
    config = config_lib.load(f"{ROOT}/configs/dcgan.py", overrides)
    with pytest.raises(InputError, match=message):
        Experiment(config, data.open("digits").info, jax.devices()[:8])


@pytest.mark.parametrize(("location", "message"), [
    ("configs/dcgn.py", r"no config file 'configs/dcgn.py'. Did you mean 'configs/dcgan.py'"),
    ("nowhere/x.py", "no config file 'nowhere/x.py'"),
    ("README.md", "is not a Python file"),
    ("jaxgan/keys.py", "has no function get_config"),
    ("configs/dcgan.py:minst", "no data called 'minst'. Did you mean 'mnist'"),
    ("configs/dcgan.py:folder", "lacks its path: write folder:PATH"),
    ("configs/ring.py:square", "no data called 'square'"),
])
def test_refusals_of_the_config_file(location, message, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(InputError, match=message):
        config_lib.load(location)


def test_overrides_reach_every_kind_of_value():
    config = config_lib.load(f"{ROOT}/configs/dcgan.py", [
        "loss=hinge", "regularizers.r1={'name': 'r1', 'gamma': 2}", "regularizers.r1.every=4", "seed=3",
        "total_kimg=2", "data.on_bad=skip", "metrics=()", "optimizers.generator.b1=0.0"])
    assert config["loss"] == "hinge"
    assert config["regularizers"]["r1"]["every"] == 4
    assert config["total_kimg"] == 2.0
    assert isinstance(config["total_kimg"], float)
    assert config["data"]["on_bad"] == "skip"
    again = config_lib.from_json(config_lib.to_json(config), ROOT)
    assert config_lib.differences(config, again) == []
    config = config_lib.load(f"{ROOT}/configs/dcgan.py", ["loss=hinge", "loss.name=wasserstein"])
    assert config["loss"]["name"] == "wasserstein"


def test_a_run_from_before_an_option_has_its_default():
    config = config_lib.load(f"{ROOT}/configs/dcgan.py")
    old = "\n".join(line for line in config_lib.to_json(config).splitlines() if '"average_every"' not in line)
    assert config_lib.differences(config, config_lib.from_json(old, ROOT)) == []


@pytest.mark.parametrize("text", ["{", "[]", '{"seed": 0}', '"x"'])
def test_a_damaged_run_config_is_refused(text, tmp_path):
    with pytest.raises(InputError):
        config_lib.from_json(text, tmp_path / "config.json")
