"""What the README shows is what works."""

import re
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxgan import catalogue, data
from jaxgan import config as config_lib
from jaxgan.augmentation import AUGMENTATIONS
from jaxgan.conditioning import CONDITIONING
from jaxgan.data.pipeline import Batches
from jaxgan.degradation import DEGRADATIONS
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.latents import PRIORS
from jaxgan.losses import LOSSES
from jaxgan.metrics import METRICS
from jaxgan.models import FAMILIES
from jaxgan.privacy import PRIVACY
from jaxgan.regularizers import REGULARIZERS
from jaxgan.training.averages import AVERAGES
from jaxgan.training.feed import Feed
from jaxgan.training.optimizers import OPTIMIZERS
from jaxgan.training.update import make_steps

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language, first_word):
    """The block of the README in this language that begins with this word."""
    found, = re.findall(rf"```{language}\n({first_word}.*?)```", README, flags=re.DOTALL)
    return found


@pytest.fixture
def parts_from_outside(tmp_path, monkeypatch, tiny):
    """The README's my_parts.py, importable, and a tiny config with the options of the command below it."""
    (tmp_path / "my_parts.py").write_text(block("python", "# my_parts"))
    monkeypatch.syspath_prepend(tmp_path)
    yield tiny(*re.findall(r"--config\.(\S+)", block("bash", "PYTHONPATH")))
    sys.modules.pop("my_parts", None)


def test_the_parts_from_outside_train_two_steps(parts_from_outside):
    """A loss, a regularizer, a conditioning and both networks, each moved by what it is there for."""
    config = parts_from_outside
    source = data.open(config["data"])
    experiment = Experiment(config, source.info, jax.devices()[:1])
    networks = experiment.parts.networks
    assert type(networks["generator"]).__module__ == type(networks["discriminator"].discriminator).__module__ == (
        "my_parts")
    assert networks["generator"].width == 512
    feed = Feed(Batches(source, config["batch_size"], 0), experiment.method.num_slots, experiment.parallel)
    steps = experiment.parallel.compile(make_steps(experiment.method))
    before = jax.device_get(experiment.initial_state())
    due = tuple(phase.name for phase in experiment.method.phases)
    assert due == ("d", "d_small", "g")
    after, metrics = steps(experiment.initial_state(), feed.steps(0, 2), feed.data, due=due)
    assert {"d/small", "d/small_size", "d/guess", "g/guess"} <= set(metrics)
    assert all(np.isfinite(value).all() for value in metrics.values())
    for name in before.players:
        for old, new in zip(jax.tree.leaves(before.players[name].params), jax.tree.leaves(after.players[name].params)):
            assert np.isfinite(new).all()
            assert np.any(old != new)
    made = experiment.generate(experiment.weights(after), range(2), np.array([3, 4], np.int32))
    assert made.shape == (2, 8, 8, 1)


def test_the_example_loss_is_what_it_says(parts_from_outside):
    mine = catalogue.build(LOSSES, parts_from_outside["loss"], "loss")
    reference = catalogue.build(LOSSES, "non_saturating", "loss")
    ones = jax.numpy.ones(3)
    for player in ("discriminator", "generator"):
        halved, whole = getattr(mine, player)(2 * ones, 4 * ones), getattr(reference, player)(ones, 2 * ones)
        np.testing.assert_allclose(halved, whole, rtol=1e-6)
    with pytest.raises(InputError, match=r"temprature: soft_margin takes no such argument\. Did you mean"):
        catalogue.build(LOSSES, {"name": "my_parts:soft_margin", "temprature": 1.0}, "my_parts")


@pytest.mark.parametrize(("section", "entries"), [
    ("generator", FAMILIES), ("loss", LOSSES), ("regularizers", REGULARIZERS), ("conditioning", CONDITIONING),
    ("augmentation", AUGMENTATIONS), ("degradation", DEGRADATIONS), ("privacy", PRIVACY), ("latent", PRIORS),
    ("average", AVERAGES), ("optimizers", OPTIMIZERS), ("data", data.SOURCES), ("metrics", METRICS)])
def test_the_list_of_parts_is_the_catalogue(section, entries):
    (row,) = re.findall(rf"^\| `{section}`.*?\| (.*) \|$", README, flags=re.MULTILINE)
    without_notes = re.sub(r" \((?!logistic).*?\)", "", row)
    assert set(re.findall(r"\w+", without_notes)) == set(entries)


def test_the_map_names_what_there_is():
    block = README.split("```text\n")[1].split("```")[0]
    for name in re.findall(r"[\w/]+\.py\b|\b\w+/(?=\s)", block):
        places = [ROOT / name, ROOT / "jaxgan" / name, ROOT / "jaxgan" / "layers" / name]
        assert any(place.exists() for place in places), name


@pytest.mark.parametrize("command", sorted(set(re.findall(r"python -m jaxgan\.\w+ --config=\S+.*", README))))
def test_the_commands_are_understood(command, monkeypatch):
    """Config, argument and overrides of every training command are accepted."""
    monkeypatch.chdir(ROOT)
    words = command.split("#")[0].replace("\\", "").split()
    location = next(word for word in words if word.startswith("--config="))
    overrides = [word.removeprefix("--config.") for word in words if word.startswith("--config.")]
    config_lib.load(location.removeprefix("--config="), overrides)
