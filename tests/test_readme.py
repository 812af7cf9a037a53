"""What the README shows is what works."""

import re
from pathlib import Path

import jax
import pytest

from jaxgan import catalogue, data
from jaxgan import config as config_lib
from jaxgan.augmentation import AUGMENTATIONS
from jaxgan.conditioning import CONDITIONING
from jaxgan.experiment import Experiment
from jaxgan.latents import PRIORS
from jaxgan.losses import LOSSES
from jaxgan.metrics import METRICS
from jaxgan.models import FAMILIES
from jaxgan.regularizers import REGULARIZERS
from jaxgan.training.averages import AVERAGES
from jaxgan.training.optimizers import OPTIMIZERS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_loss_works_from_outside(tmp_path, monkeypatch, tiny):
    (source,) = re.findall(r"```python\n(# my_losses\.py.*?)```", README, flags=re.DOTALL)
    (tmp_path / "my_losses.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    config = tiny("loss=my_losses:soft_margin", "loss.temperature=2.0")
    experiment = Experiment(config, data.open(config["data"]).info, jax.devices()[:1])
    reference = catalogue.build(LOSSES, "non_saturating", "loss")
    ones = jax.numpy.ones(3)
    assert experiment.parts.loss.discriminator(2 * ones, ones).shape == (3,)
    assert jax.numpy.allclose(experiment.parts.loss.generator(2 * ones, None), reference.generator(ones, None))


@pytest.mark.parametrize(("section", "entries"), [
    ("generator", FAMILIES), ("loss", LOSSES), ("regularizers", REGULARIZERS), ("conditioning", CONDITIONING),
    ("augmentation", AUGMENTATIONS), ("latent", PRIORS), ("average", AVERAGES), ("optimizers", OPTIMIZERS),
    ("data", data.SOURCES), ("metrics", METRICS)])
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
