import io
import json
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow_datasets
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image
from tensorflow_datasets.proto import tf_example_pb2

from jaxgan import data
from jaxgan.data.source import materialise
from jaxgan.errors import InputError


def open_tfds(dataset, folder, **arguments):
    return data.open({"name": "tfds", "dataset": dataset, "dir": str(folder), **arguments})


def prepared(folder, name="tiny", version="1.0.0", records=(), file_format="array_record", image=True):
    """Writes a prepared set of (encoded image, label) records as TFDS stores one, without TFDS's own writers."""
    path = folder / name / version
    path.mkdir(parents=True)
    writer = ArrayRecordWriter(str(path / f"{name.split('/')[0]}-train.array_record-00000-of-00001"), "group_size:1")
    for picture, label in records:
        example = tf_example_pb2.Example()
        example.features.feature["image"].bytes_list.value.append(picture)
        example.features.feature["label"].int64_list.value.append(label)
        writer.write(example.SerializeToString())
    writer.close()
    split = {"name": "train", "shardLengths": [str(len(records))],
             "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"}
    (path / "dataset_info.json").write_text(json.dumps(
        {"name": name.split("/")[0], "version": version, "fileFormat": file_format, "splits": [split]}))
    module = "tensorflow_datasets.core.features."
    features = {"text": {"pythonClassName": f"{module}text_feature.Text", "text": {}}}
    if image:
        features = {
            "image": {"pythonClassName": f"{module}image_feature.Image",
                      "image": {"shape": {"dimensions": ["-1", "-1", "3"]}, "dtype": "uint8"}},
            "label": {"pythonClassName": f"{module}class_label_feature.ClassLabel", "classLabel": {"numClasses": "3"}}}
    (path / "features.json").write_text(json.dumps(
        {"pythonClassName": f"{module}features_dict.FeaturesDict", "featuresDict": {"features": features}}))


def encoded(shade, mode="L"):
    file = io.BytesIO()
    Image.new(mode, (6, 4), shade).save(file, "TIFF")
    return file.getvalue()


def test_records_of_any_mode_become_the_declared_channels(tmp_path):
    prepared(tmp_path, records=[(encoded(50), 2), (encoded((0, 255, 255, 0), "CMYK"), 0), (encoded(9), 1)])
    source = open_tfds("tiny", tmp_path, resolution=(2, 3))
    assert source.info.shape == (2, 3, 3)
    assert source.arrays.images[:, 0, 0].tolist() == [[50, 50, 50], [255, 0, 0], [9, 9, 9]]
    assert source.arrays.labels.tolist() == [2, 0, 1]
    assert source.info.num_classes == 3
    assert source.info.label_frequencies == pytest.approx((1 / 3,) * 3)
    assert open_tfds("tiny", tmp_path, resolution=2, labels=False).info.label_kind == "none"
    with pytest.raises(InputError, match="images of tiny differ in size"):
        open_tfds("tiny", tmp_path)


@pytest.mark.parametrize("memory_limit", [1 << 20, 1])
def test_bad_records_are_refused_or_skipped(tmp_path, monkeypatch, memory_limit):
    monkeypatch.setattr("jaxgan.data.bad.MEMORY_LIMIT", memory_limit)
    prepared(tmp_path, records=[(encoded(1), 0), (b"no image", 1), (encoded(3), 2)])
    with pytest.raises(InputError, match=r"tiny train.record 1 is not an image.*on_bad=skip"):
        open_tfds("tiny", tmp_path, resolution=2)
    source = open_tfds("tiny", tmp_path, resolution=2, on_bad="skip")
    images, labels = materialise(source)
    assert images[:, 0, 0, 0].tolist() == [1, 3]
    assert labels.tolist() == [0, 2]
    assert source.info.skipped == ("record 1: is not an image of a kind that is read ("
                                   "PNG, JPEG, GIF, BMP, DIB, WEBP, TIFF, PPM, TGA, AVIF)",)


def test_an_unlabelled_split(tmp_path):
    prepared(tmp_path, records=[(encoded(1), -1)])
    with pytest.raises(InputError, match=r"unlabelled.*--config.data.labels=false"):
        open_tfds("tiny", tmp_path, resolution=2)
    assert len(open_tfds("tiny", tmp_path, resolution=2, labels=False)) == 1


def test_versions_and_configs(tmp_path):
    for version, shade in (("1.9.0", 1), ("1.10.0", 2), ("2.0.0.incomplete", 3)):
        prepared(tmp_path, version=version, records=[(encoded(shade), 0)])
    assert open_tfds("tiny", tmp_path, resolution=2)[0]["image"].max() == 2
    assert open_tfds("tiny:1.9.0", tmp_path, resolution=2)[0]["image"].max() == 1
    for name in ("a", "b"):
        prepared(tmp_path, name=f"many/{name}", records=[(encoded(5), 0)])
    assert open_tfds("many/b", tmp_path, resolution=2)[0]["image"].max() == 5
    with pytest.raises(InputError, match=r"many has several configs .*: a, b\. Write many/a"):
        open_tfds("many", tmp_path)


def test_unusable_sets(tmp_path):
    prepared(tmp_path, "words", image=False)
    with pytest.raises(InputError, match=r"words has no image features \(text\)"):
        open_tfds("words", tmp_path)
    prepared(tmp_path, "old", file_format="tfrecord")
    with pytest.raises(InputError, match=r"stored as tfrecord.*python -m jaxgan\.prepare"):
        open_tfds("old", tmp_path)
    prepared(tmp_path, "fine", records=[(encoded(1), 0)])
    with pytest.raises(InputError, match=r"has no split 'vali'\. It has: train"):
        open_tfds("fine", tmp_path, split="vali")
    with pytest.raises(InputError, match=r"no data set 'fine'|is not in"):
        open_tfds("fine:9.0.0", tmp_path)


def test_mnist(shared, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(shared("data/tfds")))
    source = data.open({"name": "tfds", "dataset": "mnist", "split": "train[:500]"})
    assert source.info.shape == (28, 28, 1)
    assert source.info.splits == {"train": 60000, "test": 10000}
    assert source.info.class_names == tuple("0123456789")
    images, labels = materialise(source)
    assert images.shape == (500, 28, 28, 1)
    assert images.dtype == np.uint8
    assert labels[:10].tolist() == [4, 1, 0, 7, 8, 1, 2, 7, 1, 6]
    stored = tensorflow_datasets.builder_from_directory(shared("data/tfds/mnist/3.0.1")).as_data_source("train")
    for i in (0, 499):
        np.testing.assert_array_equal(images[i], stored[i]["image"])


def test_cifar10(shared):
    source = open_tfds("cifar10:3.0.2", shared("data/tfds"), split="test[:50]", resolution=16, mirror=True)
    images, labels = materialise(source)
    assert images.shape == (100, 16, 16, 3)
    assert source.info.class_names[0] == "airplane"
    np.testing.assert_array_equal(images[50:], images[:50, :, ::-1])
    assert labels[:50].tolist() == labels[50:].tolist()
    assert "label" not in open_tfds("cifar10", shared("data/tfds"), split="test[:5]", labels=False)[0]


def test_skip_and_streaming_give_the_same_examples(shared, monkeypatch):
    folder = shared("data/tfds")
    source = open_tfds("mnist", folder, split="test[:20]")
    skipping = open_tfds("mnist", folder, split="test[:20]", on_bad="skip")
    monkeypatch.setattr("jaxgan.data.source.MEMORY_LIMIT", 100)
    streamed = open_tfds("mnist", folder, split="test[:20]")
    assert not hasattr(streamed, "arrays")
    assert streamed.info.label_frequencies == (0.1,) * 10
    np.testing.assert_array_equal(streamed[7]["image"], source[7]["image"])
    assert source.info.content_hash == skipping.info.content_hash == streamed.info.content_hash


def test_tensorflow_and_the_network_are_not_needed(shared):
    code = f"""
import socket, sys
socket.socket.connect = None
from jaxgan import data
spec = dict(name="tfds", dataset="mnist", dir={str(shared("data/tfds"))!r}, split="test[:3]")
print(len(data.open(spec)), [name for name in ("tensorflow", "torch", "jax", "sklearn") if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "3 []\n"
    assert result.stderr == ""


def test_a_missing_set_is_reported_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", None)
    with pytest.raises(InputError, match="no data set 'mnits'") as refusal:  # imports the library, which takes a while
        open_tfds("mnits", tmp_path)
    assert "'mnist'" in str(refusal.value)
    assert len(str(refusal.value)) < 200
    for folder in (tmp_path, tmp_path / "none"):
        start = time.perf_counter()
        with pytest.raises(InputError) as refusal:
            open_tfds("mnist", folder)
        assert time.perf_counter() - start < 1
        message = str(refusal.value)
        for words in (f"'mnist' is not in {folder}", "python -m jaxgan.prepare --dataset=mnist", "TFDS_DATA_DIR",
                      "--config.data.dir"):
            assert words in message
    with pytest.raises(InputError, match=r"no data set 'qqqqq'\. The names are listed at"):
        open_tfds("qqqqq", tmp_path)


def test_the_folder_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "here"))
    with pytest.raises(InputError, match=f"is not in {tmp_path}/here, which does not exist"):
        data.open({"name": "tfds", "dataset": "mnist"})
    monkeypatch.delenv("TFDS_DATA_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError, match=f"is not in {tmp_path}/tensorflow_datasets"):
        data.open({"name": "tfds", "dataset": "mnist"})


@pytest.mark.parametrize("name", ["../mnist", "mnist:latest", "", "a b"])
def test_names_that_are_none(tmp_path, name):
    with pytest.raises(InputError, match=r"must look like mnist"):
        open_tfds(name, tmp_path)
