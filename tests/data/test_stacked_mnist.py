import numpy as np
import pytest

from jaxgan import data
from jaxgan.data.source import ArraySource, materialise
from jaxgan.errors import InputError
from jaxgan.evaluation import Judge
from jaxgan.inputs import Input
from jaxgan.metrics import classifier
from jaxgan.metrics.cache import Cache
from jaxgan.metrics.choice import choose


@pytest.fixture
def stacked(shared):
    """`stacked(split="train[:200]", ...)` -> the source."""
    folder = str(shared("data/tfds"))
    return lambda **arguments: data.open({"name": "stacked_mnist", "dir": folder, **arguments})


def test_three_digits_and_their_number(stacked, shared):
    source = stacked(split="train[:200]", num_examples=300)
    images, labels = materialise(source)
    assert source.info.shape == images.shape[1:] == (28, 28, 3)
    assert (source.info.num_classes, source.info.class_names[407]) == (1000, "407")
    assert source.info.splits == {"train": 300, "test": 300}
    digits = data.open({"name": "tfds", "dataset": "mnist", "dir": str(shared("data/tfds")), "split": "train[:200]"})
    class_of = {image.tobytes(): label for image, label in zip(*digits.arrays)}
    drawn = [[class_of[image[:, :, channel].tobytes()] for channel in range(3)] for image in images]
    assert labels.tolist() == [100 * r + 10 * g + b for r, g, b in drawn]
    assert len({image.tobytes() for image in np.moveaxis(images, 3, 1).reshape(-1, 28, 28)}) > 190
    assert sum(source.info.label_frequencies) == pytest.approx(1)


def test_an_example_follows_from_seed_and_index(stacked, monkeypatch):
    def some(**arguments):
        return stacked(split="test[:100]", resolution=14, **arguments)
    many, few, other = some(num_examples=60), some(num_examples=20), some(num_examples=20, seed=1)
    np.testing.assert_array_equal(few.arrays.images, many.arrays.images[:20])
    assert few.arrays.labels.tolist() == many.arrays.labels[:20].tolist() != other.arrays.labels.tolist()
    assert "label" not in some(num_examples=20, labels=False)[3]
    monkeypatch.setattr("jaxgan.data.source.MEMORY_LIMIT", 100)
    streamed = some(num_examples=60)
    assert not hasattr(streamed, "arrays")
    np.testing.assert_array_equal(streamed[41]["image"], many[41]["image"])
    assert streamed[41]["label"] == many[41]["label"]
    assert streamed.info.label_frequencies == many.info.label_frequencies
    assert streamed.info.content_hash == many.info.content_hash != few.info.content_hash


@pytest.mark.parametrize("arguments", [{"num_examples": 0}, {"seed": -1}, {"channels": 1}, {"split": "none"}])
def test_arguments_are_checked(stacked, arguments):
    with pytest.raises(InputError, match=next(iter(arguments))):
        stacked(**arguments)


def test_without_mnist_it_is_asked_for(tmp_path):
    with pytest.raises(InputError, match=r"'mnist' is not in .*--dataset=mnist"):
        data.open({"name": "stacked_mnist", "dir": str(tmp_path)})


@pytest.mark.slow
def test_modes_are_counted(stacked, tmp_path, monkeypatch):
    """Unseen digits show nearly all of the thousand; those of a generator without nines show 729."""
    monkeypatch.setattr(classifier, "MAX_STEPS", 300)
    real = stacked(split="train[:6000]", num_examples=12_000)
    (choice,) = choose(["stacked_modes"], real.info, "classifier")
    unseen = stacked(split="test", num_examples=9000, seed=1)
    images, labels = materialise(unseen)
    rows = np.array(["9" not in f"{label:03}" for label in labels])
    few = ArraySource(images[rows], labels[rows], unseen.info)
    with Cache(tmp_path) as cache:
        judge = Judge(Input("real", "train", real), None, [choice], cache)
        sound, lacking = ({result.short: result.value for result in judge.measure(
            choice, [Input("fake", "test", source)], seed=0, groups=1)} for source in (unseen, few))
    assert sound["modes"] > 985
    assert sound["reverse_kl"] < 0.12
    assert 700 < lacking["modes"] < 850
    assert lacking["reverse_kl"] > sound["reverse_kl"] + 0.2
