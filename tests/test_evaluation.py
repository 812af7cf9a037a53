"""Inputs, protocol and intervals of evaluation."""

from contextlib import closing

import jax
import numpy as np
import pytest
from PIL import Image

from jaxgan import data, inputs, training_run
from jaxgan.errors import InputError
from jaxgan.evaluation import Judge, TrainingJudge
from jaxgan.experiment import Experiment
from jaxgan.metrics import cache as cache_lib
from jaxgan.metrics import classifier
from jaxgan.metrics.backbones.classifier import train
from jaxgan.metrics.cache import Cache
from jaxgan.metrics.choice import choose, score_name
from jaxgan.reporting import scores as table
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.logging import read_metrics


@pytest.fixture
def cache(tmp_path):
    with Cache(tmp_path / "cache") as cache:
        yield cache


@pytest.fixture(scope="module")
def digits():
    return data.open({"name": "digits", "resolution": 8})


@pytest.fixture
def saved(digits, tmp_path):
    """`saved(name, num, noise, images=..., labels=...)` -> the path of an .npz with digits, noisy ones if asked for."""
    def save(name="a", num=60, noise=0, start=0, **arrays):
        images, labels = (array[start:start + num] for array in digits.arrays)
        images = np.clip(images + np.random.default_rng(0).normal(0, noise, images.shape), 0, 255).astype(np.uint8)
        path = tmp_path / f"{name}.npz"
        np.savez(path, **{"images": images, "labels": labels} | arrays)
        return str(path)
    return save


def judged(cache, real, fake, metrics=("fd",), backbone="pixels", held_out=None, groups=1, seed=0):
    real, fake = inputs.open_data(real, "--real"), inputs.open_data(fake, "--fake")
    held_out = held_out and inputs.open_data(held_out, "--held_out")
    choices = choose(metrics, real.source.info, backbone)
    judge = Judge(real, held_out, choices, cache)
    return [result for choice in choices for result in judge.measure(choice, [fake], seed, groups)]


def test_inputs_of_one_content_are_one(digits, saved, tmp_path):
    """The hash is over the pixels: an .npz, a folder of files and the data set itself agree."""
    path = saved(num=20)
    for index, image in enumerate(digits.arrays.images[:20]):
        (tmp_path / "files").mkdir(exist_ok=True)
        Image.fromarray(image[:, :, 0]).save(tmp_path / "files" / f"{index:03}.png")
    unlabelled = saved("b", num=20)
    with np.load(unlabelled) as file:
        np.savez(unlabelled, images=file["images"])
    hashes = [inputs.open_data(text, "--real").source.info.content_hash
              for text in (path, f"npz:{path}:train", unlabelled, str(tmp_path / "files"), f"folder:{tmp_path}/files")]
    assert hashes[0] == hashes[1] != hashes[2] == hashes[3] == hashes[4]
    half = inputs.subset(inputs.open_data(path, "--real"), 10, seed=3).source
    assert len(half) == 10
    assert len(inputs.pictures(half).labels()) == 10
    assert half.info.content_hash not in hashes
    assert inputs.subset(inputs.open_data("digits", "--real"), 5000, 0).source.info.name == "digits"


def test_splits_are_named_in_the_text(tmp_path):
    rng = np.random.default_rng(0)
    splits = {f"{split}_images": rng.integers(0, 255, (num, 4, 4), np.uint8)
              for split, num in (("train", 6), ("test", 3))}
    splits |= {"train_labels": np.arange(6), "test_labels": np.arange(3)}
    np.savez(tmp_path / "c.npz", **splits)
    found = inputs.open_data(f"npz:{tmp_path}/c.npz:test", "--real")
    assert (found.split, len(found.source)) == ("test", 3)
    assert len(inputs.open_data(f"{tmp_path}/c.npz", "--real").source) == 6


@pytest.mark.parametrize(("text", "message"), [
    ("nowhere/at/all", "--fake=nowhere/at/all: There is no such folder or file"),
    ("nothing.npz", "there is no file 'nothing.npz'"),
    ("digits:test", "--fake=digits:test: digits has no split 'test'. It has: train."),
    ("digitz", "There is no data called 'digitz'"),
    ("empty", "--fake=empty: "),
    ("sizes", "The images differ in size: a.png is 4x4, b.png is 5x5"),
    ("broken.npz", "is damaged or not an .npz file"),
])
def test_inputs_that_cannot_be_read(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "sizes"):
        (tmp_path / name).mkdir()
    for name, size in (("a", 4), ("b", 5)):
        Image.new("L", (size, size)).save(tmp_path / "sizes" / f"{name}.png")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(InputError) as refusal:
        inputs.open_data(text, "--fake")
    assert message in str(refusal.value)
    assert "config.data" not in str(refusal.value)


def test_the_protocol_says_what_a_number_depends_on(cache, saved, digits):
    (result,) = judged(cache, saved("real", num=80), saved("fake", num=40, noise=20), groups=5, seed=7)
    protocol = result.protocol
    assert result.name == "fd40_pixels"
    assert result.low < result.value < result.high
    assert result.interval == {"kind": "jackknife", "repeats": 5, "level": 0.95}
    assert (protocol["n_real"], protocol["n_fake"], protocol["seed"]) == (80, 40, 7)
    assert protocol["backbone"] == {"name": "pixels", "resizer": "box8", "weights_sha256": ""}
    assert protocol["quantisation"] == "uint8"
    assert len(protocol["real"]["sha256"]) == 64 != protocol["fake"][0]["sha256"]
    assert protocol["held_out"] is None


def test_identical_sets_are_at_zero_and_values_are_remembered(cache, saved, monkeypatch):
    path = saved(num=80)
    (result,) = judged(cache, path, path)
    assert result.value == pytest.approx(0, abs=1e-9)
    assert result.low is None
    again = judged(cache, path, path)

    def never(*_):
        raise AssertionError("computed again")
    monkeypatch.setattr("jaxgan.evaluation.Judge._compute", never)
    assert judged(cache, path, path) == again == [result]
    with pytest.raises(AssertionError):
        judged(cache, path, saved("other", noise=5))


def test_held_out_images_are_in_the_protocol_of_what_reads_them(cache, saved):
    real, fake, held_out = saved("r", num=100), saved("f", num=60, noise=30), saved("h", num=50, start=100)
    fd, *ratios = judged(cache, real, fake, ("fd", "nn_ratio"), held_out=held_out)
    assert fd.protocol["held_out"] is None
    assert {each.protocol["n_held_out"] for each in ratios} == {50}
    with pytest.raises(InputError, match="held out"):
        judged(cache, real, fake, ("nn_ratio",))


@pytest.mark.parametrize(("fake", "backbone", "metric", "message"), [
    ({"images": np.zeros((9, 6, 6), np.uint8), "labels": np.arange(9)}, "pixels", "fd", "real images are 8×8×1"),
    ({"images": np.zeros((9, 16, 16), np.uint8), "labels": np.arange(9)}, "pixels", "fd_pixels", "takes one size"),
    ({"images": np.zeros((9, 8, 8, 3), np.uint8), "labels": np.arange(9)}, "pixels", "fd", "fake ones 8×8×3"),
    ({"images": np.zeros((1, 8, 8), np.uint8), "labels": [0]}, "pixels", "fd", "has 1 image: scores need at least two"),
    ({}, "pixels", "is", "The backbone pixels gives no logits"),
    ({}, "pixls", "fd", "there is no 'pixls'. Did you mean 'pixels'"),
    ({}, "pixels", "fdd", "there is no 'fdd'. Did you mean"),
    ({}, "inception", "fd", "The weights of inception are not on this machine"),
])
def test_refusals(cache, saved, tmp_path, monkeypatch, fake, backbone, metric, message):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match=message):
        judged(cache, saved("real"), saved("fake", num=9, **fake), (metric,), backbone)


def test_a_backbone_that_resizes_takes_two_sizes(cache, saved):
    """Box-averaging to 8×8 brings 16×16 there too."""
    big = np.random.default_rng(0).integers(0, 255, (30, 16, 16), np.uint8)
    (result,) = judged(cache, saved("real"), saved("fake", images=big, labels=np.zeros(30, int)))
    assert result.value > 0


def test_names_say_whose_features_they_are():
    assert score_name("fd", 10_000, "inception") == "fid10k"
    assert score_name("fd", 10_000, "inception-custom-0123") == "fd10k_inception-custom-0123"
    assert score_name("fd", 1797, "classifier") == "fd1797_classifier"
    assert score_name("precision", 50_000, "inception") == "precision50k_inception"
    assert score_name("modes", 2500, None) == "modes"


def test_a_metric_takes_its_backbone_and_number_from_the_config(digits):
    by_name, spelt = choose(["fid", {"name": "fd", "backbone": {"name": "pixels", "size": 4}, "num_samples": 12}],
                            digits.info, "classifier")
    assert (by_name.name, by_name.backbone) == ("fd", "classifier")
    assert (spelt.backbone["size"], spelt.metric.num_samples) == (4, 12)
    with pytest.raises(InputError, match="fd_pixels reads no features"):
        choose([{"name": "fd_pixels", "backbone": "pixels"}], digits.info, "classifier")
    with pytest.raises(InputError, match="num_samples"):
        choose([{"name": "fd", "num_samples": "many"}], digits.info, "classifier")


def test_scores_during_training(tiny, tmp_path, monkeypatch):
    """Two metrics on features and one without, of one set of fakes; the first ranks; the fakes leave nothing behind."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config = tiny("metrics=({'name': 'prdc', 'backbone': 'pixels', 'num_samples': 40}, "
                  "{'name': 'fd', 'backbone': 'pixels', 'num_samples': 20}, 'fd_pixels')")
    source = data.open(config["data"])
    experiment = Experiment(config, source.info, jax.devices()[:2])
    judge = TrainingJudge(experiment, source)
    judge.prepare()
    values, score = judge.evaluate(experiment.weights(experiment.initial_state()))
    assert {"eval/precision40_pixels", "eval/fd20_pixels", "eval/fd1000_pixels8"} <= set(values)
    assert score == -values["eval/coverage40_pixels"]
    kept = sorted(path.name for path in cache_lib.default_folder().iterdir())
    assert judge.evaluate(experiment.weights(experiment.initial_state())) == (values, score)
    assert sorted(path.name for path in cache_lib.default_folder().iterdir()) == kept


def test_the_classifier_is_learned_before_the_run_and_the_highest_inception_score_is_best(tiny, no_page, tmp_path,
                                                                                          monkeypatch):
    """It is learned once, and kept: neither the next evaluation nor the next run learns it again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "MIN_STEPS", 3)
    monkeypatch.setattr(classifier, "MAX_STEPS", 3)
    workdir, trainings = tmp_path / "run", []

    def learn(real, seed):
        trainings.append((workdir / "metrics.jsonl").read_text())
        return train(real, seed)
    monkeypatch.setattr("jaxgan.evaluation.train", learn)
    config = tiny("metrics=({'name': 'is', 'num_samples': 64}, {'name': 'fid', 'num_samples': 32})",
                  "evaluate_every=20", "total_kimg=1.28")
    training_run.train(config, workdir, quiet=True, devices=jax.devices()[:1])
    assert trainings == [""]  # before the first step
    records = read_metrics(workdir / "metrics.jsonl")
    found = {record["step"]: record for record in records if "eval/is64_classifier" in record}
    assert found.keys() == {20, 40, 60, 80}
    scores = {step: record["eval/is64_classifier"] for step, record in found.items()}
    assert len(set(scores.values())) > 1
    assert all(record["eval/fd32_classifier"] > 0 for record in found.values())
    with closing(Checkpoints(workdir / "checkpoints", read_only=True)) as checkpoints:
        assert checkpoints.best() == max(scores, key=scores.get)
        assert set(checkpoints.steps()) == {60, 80, checkpoints.best()}
    source = data.open(config["data"])
    TrainingJudge(Experiment(config, source.info, jax.devices()[:1]), source).prepare()
    assert len(trainings) == 1


def test_neither_devices_nor_batches_move_a_score(cache, saved, monkeypatch):
    """Features are the same bits on any number of devices; another batch size may round differently, no more."""
    real, fake = (inputs.open_data(path, "--real") for path in (saved("real"), saved("fake", noise=20)))
    choices = choose(["fd", "prdc"], real.source.info, "random")

    def values(count):
        with Cache(None) as fresh:
            judge = Judge(real, None, choices, fresh, devices=jax.devices()[:count])
            return {result.short: result.value for choice in choices
                    for result in judge.measure(choice, [fake], seed=0, groups=1)}
    one = values(1)
    assert values(3) == one
    monkeypatch.setattr("jaxgan.metrics.features.BATCH", 7)
    assert values(1) == pytest.approx(one, rel=1e-4)


def test_fakes_that_are_real_images_are_counted(cache, saved):
    real, fake = saved("real", num=50), saved("fake", num=40, start=20)
    (result,) = judged(cache, real, fake)
    assert result.protocol["copies"] == 30
    assert "30 of 40 fakes are real images, pixel for pixel" in table.table([result._asdict()])
    (result,) = judged(cache, real, saved("noisy", noise=5))
    assert result.protocol["copies"] == 0
    assert "NOTE" not in table.table([result._asdict()])
