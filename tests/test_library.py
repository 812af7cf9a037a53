"""jaxgan from Python."""

import re
from pathlib import Path

import numpy as np
import pytest

import jaxgan
from jaxgan import data
from jaxgan.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
RECIPE = """
from jaxgan import config as config_lib

def get_config(arg="digits"):
    config = config_lib.default()
    config.latent = {"name": "normal", "dim": 4}
    config.generator = config.discriminator = {"name": "mlp", "width": 16, "depth": 1}
    config.batch_size, config.total_kimg, config.evaluate_every = 16, 0.32, 0
    return config
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with configs/dcgan.py, as a checkout has, but of a run of seconds."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "configs").mkdir()
    (folder / "configs" / "dcgan.py").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def generator(place, no_page):
    return jaxgan.train(jaxgan.config.load(str(place / "configs" / "dcgan.py"), ["seed=1"]),
                        place / "outputs" / "from-python", quiet=True)


def test_every_public_name_is_there():
    assert set(jaxgan.__all__) <= set(dir(jaxgan))
    for name in jaxgan.__all__:
        assert getattr(jaxgan, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        jaxgan.lode
    assert (Path(jaxgan.__file__).parent / "py.typed").exists()


def test_the_block_of_the_readme_runs(generator, place, monkeypatch, capsys):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import jaxgan\n.*?)```", readme, flags=re.DOTALL)
    monkeypatch.chdir(place)  # where its run is finished already
    found = {}
    exec(compile(code.replace("range(1000)", "range(40)"), "README.md", "exec"), found)
    assert found["images"].shape == (40, 28, 28, 1)
    assert np.array_equal(found["threes"], generator.generate([3, 1, 4], labels=3))
    assert re.search(r"fd40_pixels \d", capsys.readouterr().out)


def test_images_by_seed_class_and_truncation(generator):
    assert repr(generator) == "<mlp generator, (28, 28, 1), 10 classes>"
    images = generator.generate(range(20), labels=7)
    assert (images.shape, images.dtype) == ((20, 28, 28, 1), np.uint8)
    assert np.array_equal(images[[5]], generator.generate([5], labels=[7]))
    assert np.array_equal(images, generator.generate(np.arange(20), labels=np.full(20, 7)))
    assert not np.array_equal(images, generator.generate(range(20), labels=7, truncation=0.3))
    drawn = {generator.generate([seed]).tobytes() for seed in range(3)}
    assert len(drawn) == 3


@pytest.mark.parametrize(("arguments", "words"), [
    ({"seeds": []}, "seeds must be a list of whole numbers"),
    ({"seeds": [0.5]}, "seeds must be a list of whole numbers"),
    ({"seeds": [-1]}, "seeds must be a list of whole numbers"),
    ({"seeds": [1], "labels": 10}, "classes from 0 to 9; got 10 to 10"),
    ({"seeds": [1, 2], "labels": [1, 2, 3]}, "labels must be one class, or 2, one a seed"),
    ({"seeds": [1], "truncation": -1}, "Truncation of -1"),
])
def test_what_a_generator_cannot_take_is_refused(generator, arguments, words):
    with pytest.raises(InputError, match=words):
        generator.generate(**arguments)


@pytest.mark.parametrize(("path", "words"), [("nowhere", "is not a run"), ("hf:mine", "write hf:USER/NAME")])
def test_what_is_no_generator_is_refused(path, words):
    with pytest.raises(InputError, match=words):
        jaxgan.load(path)


def test_a_config_needs_a_place(tiny):
    with pytest.raises(InputError, match="say where the run is to lie, by workdir"):
        jaxgan.train(tiny())


def test_arrays_are_scored_as_the_command_does():
    images, labels = data.open({"name": "digits", "resolution": 8}).arrays
    scores = jaxgan.score((images[:100], labels[:100]), (images, labels), ["fd", "prdc"], backbone="pixels")
    assert list(scores) == ["fd100_pixels", "precision100_pixels", "recall100_pixels", "density100_pixels",
                            "coverage100_pixels"]
    assert scores["precision100_pixels"].value == 1
    assert scores["fd100_pixels"].protocol["copies"] == 100
    assert scores["fd100_pixels"].low < scores["fd100_pixels"].value
    with pytest.raises(InputError, match=r"fake: images must be uint8 \[N, H, W, C\].*float32"):
        jaxgan.score(np.zeros((4, 8, 8, 1), np.float32), images)
