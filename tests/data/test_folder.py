import os

import numpy as np
import pytest
from PIL import Image

from jaxgan import data
from jaxgan.data import source as sources
from jaxgan.errors import InputError


def save(path, shade=0, size=(6, 4), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, shade if mode == "L" else (shade, 0, 0)).save(path)


def open_folder(path, **arguments):
    return data.open({"name": "folder", "path": str(path), **arguments})


def examples(source):
    return [(int(e["image"][0, 0, 0]), e.get("label")) for e in source]


def test_class_folders_in_order_with_nested_ones_below_their_class(tmp_path):
    save(tmp_path / "б кошка" / "2.png", 20)
    save(tmp_path / "б кошка" / "10.png", 10)
    save(tmp_path / "a" / "deep" / "x.png", 30)
    save(tmp_path / ".hidden" / "x.png", 99)
    save(tmp_path / "a" / "._x.png", 99)
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    source = open_folder(tmp_path)
    assert examples(source) == [(30, 0), (10, 1), (20, 1)]
    assert source.info.class_names == ("a", "б кошка")
    assert source.info.shape == (4, 6, 1)
    assert source.info.splits == {"train": 3}
    assert source.info.label_frequencies == pytest.approx((1 / 3, 2 / 3))


def test_numbered_classes_are_ordered_by_value(tmp_path):
    for name in ("0", "10", "2"):
        save(tmp_path / name / "x.png", int(name))
    source = open_folder(tmp_path)
    assert source.info.class_names == ("0", "2", "10")
    assert examples(source) == [(0, 0), (10, 2), (2, 1)]


def test_flat_and_labels_off_are_unlabelled(tmp_path):
    save(tmp_path / "flat" / "b.png", 2)
    save(tmp_path / "flat" / "a.png", 1)
    save(tmp_path / "classes" / "x" / "c.png", 3)
    assert examples(open_folder(tmp_path / "flat")) == [(1, None), (2, None)]
    source = open_folder(tmp_path / "classes", labels=False)
    assert examples(source) == [(3, None)]
    assert (source.info.num_classes, source.info.label_kind) == (0, "none")


def test_images_in_and_out_of_class_folders(tmp_path):
    save(tmp_path / "stray.png", 1)
    save(tmp_path / "x" / "a.png", 2)
    with pytest.raises(InputError, match=r"'stray.png'.*--config.data.labels=false"):
        open_folder(tmp_path)
    assert examples(open_folder(tmp_path, labels=False)) == [(1, None), (2, None)]
    assert examples(open_folder(tmp_path, on_bad="skip")) == [(1, None), (2, None)]


def test_split_folders(tmp_path):
    save(tmp_path / "train" / "x" / "a.png", 1)
    save(tmp_path / "val" / "x" / "b.png", 2)
    assert examples(open_folder(tmp_path)) == [(1, 0)]
    assert examples(open_folder(tmp_path, split="val")) == [(2, 0)]
    assert open_folder(tmp_path).info.splits == {"train": 1, "val": 1}
    with pytest.raises(InputError, match="no split 'test'"):
        open_folder(tmp_path, split="test")


def test_table_of_classes(tmp_path):
    for name in ("b.png", "ü 1.png", "not listed.png"):
        save(tmp_path / name, len(name))
    (tmp_path / "labels.csv").write_text("\ufefffile,label\nü 1.png,dog\n\nb.png,cat\n", encoding="utf-8")
    source = open_folder(tmp_path)
    assert examples(source) == [(5, 0), (7, 1)]
    assert source.info.class_names == ("cat", "dog")
    assert examples(open_folder(tmp_path, labels=False)) == [(5, None), (14, None), (7, None)]


def test_table_of_vectors(tmp_path):
    save(tmp_path / "in" / "b.png")
    (tmp_path / "labels.csv").write_text("file,angle,size\nin/b.png,-0.5,2e1\n")
    source = open_folder(tmp_path)
    label = source[0]["label"]
    assert label.dtype == np.float32
    assert label.tolist() == [-0.5, 20]
    assert (source.info.label_kind, source.info.class_names) == ("vector", ("angle", "size"))
    assert source.info.num_classes == 2
    assert source.info.label_examples == ((-0.5, 20.0),)


@pytest.mark.parametrize(("text", "words"), [
    ("b.png,cat\n", "must begin with the line `file,label`"),
    ("", "must begin with the line"),
    ("file,label\nb.png\n", "labels.csv line 2 needs a file and a class name"),
    ("file,label\nb.png,\n", "labels.csv line 2 needs"),
    ("file,x\nb.png,nan\n", "labels.csv line 2 needs a file and 1 finite numbers"),
    ("file,label\nb.png,cat\nb.png,dog\n", "b.png is listed twice"),
    ("file,label\nmissing.png,cat\n", "missing.png does not exist"),
    ("file,label\n../outside.png,cat\n", "outside.png leads outside the data folder"),
])
def test_bad_tables(tmp_path, text, words):
    save(tmp_path / "outside.png")
    save(tmp_path / "set" / "b.png")
    (tmp_path / "set" / "labels.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        open_folder(tmp_path / "set")


def test_bad_rows_can_be_skipped(tmp_path):
    save(tmp_path / "b.png", 1)
    (tmp_path / "labels.csv").write_text("file,label\nb.png,cat\nmissing.png,dog\nb.png\n")
    source = open_folder(tmp_path, on_bad="skip")
    assert examples(source) == [(1, 0)]
    assert source.info.class_names == ("cat",)
    assert len(source.info.skipped) == 2


def test_links_may_not_leave_the_folder(tmp_path):
    save(tmp_path / "secret.png", 9)
    save(tmp_path / "set" / "a.png", 1)
    (tmp_path / "set" / "inside.png").symlink_to("a.png")
    assert examples(open_folder(tmp_path / "set")) == [(1, None), (1, None)]
    (tmp_path / "set" / "z.png").symlink_to("../secret.png")
    with pytest.raises(InputError, match=r"z\.png leads outside the data folder"):
        open_folder(tmp_path / "set")
    assert len(open_folder(tmp_path / "set", on_bad="skip")) == 2
    (tmp_path / "set" / "z.png").unlink()
    (tmp_path / "set" / "up").symlink_to("..")
    with pytest.raises(InputError, match="up is a symbolic link to a folder"):
        open_folder(tmp_path / "set")


def test_sizes_and_channels_are_decided_for_the_whole_set(tmp_path):
    save(tmp_path / "a.png", 100)
    save(tmp_path / "b.png", 100, mode="RGB")
    first = open_folder(tmp_path)[0]["image"]
    assert first.shape == (4, 6, 3)
    assert (first == 100).all()
    assert open_folder(tmp_path, channels=1).info.shape == (4, 6, 1)
    opaque = open_folder(tmp_path, channels=4)[1]["image"]
    assert opaque[0, 0].tolist() == [100, 0, 0, 255]
    save(tmp_path / "c.png", 1, size=(5, 5))
    with pytest.raises(InputError, match=r"a.png is 6x4, c.png is 5x5.*--config.data.resolution"):
        open_folder(tmp_path)
    assert open_folder(tmp_path, resolution=(8, 12)).info.shape == (8, 12, 3)


def test_mirror_doubles_the_set(tmp_path):
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(tmp_path / "a.png")
    plain, mirror = open_folder(tmp_path), open_folder(tmp_path, mirror=True)
    assert (len(plain), len(mirror)) == (1, 2)
    np.testing.assert_array_equal(mirror[0]["image"], plain[0]["image"])
    np.testing.assert_array_equal(mirror[1]["image"], plain[0]["image"][:, ::-1])
    assert mirror.info.content_hash != plain.info.content_hash


def test_damage_in_the_pixels_is_refused_by_name(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(InputError, match=r"b\.png cannot be read.*on_bad=skip"):
        open_folder(tmp_path)
    source = open_folder(tmp_path, on_bad="skip")
    assert len(source) == 1
    assert source.info.skipped[0].startswith("b.png: cannot be read")


@pytest.mark.parametrize("on_bad", ["error", "skip"])
def test_a_set_too_large_for_memory_streams_the_same_examples(tmp_path, monkeypatch, on_bad):
    for i in range(5):
        save(tmp_path / "xy"[i % 2] / f"{i}.png", 10 * i, size=(120, 100))
    if on_bad == "skip":
        (tmp_path / "x" / "0.png").write_text("no image")
    whole = open_folder(tmp_path, on_bad=on_bad)
    monkeypatch.setattr(sources, "MEMORY_LIMIT", 100)
    monkeypatch.setattr("jaxgan.data.bad.MEMORY_LIMIT", 100)
    streamed = open_folder(tmp_path, on_bad=on_bad)
    assert isinstance(streamed, sources.EncodedSource)
    assert isinstance(whole, sources.ArraySource)
    assert examples(streamed) == examples(whole)
    assert streamed.info == whole.info
    assert streamed.info.content_hash == whole.info.content_hash
    (tmp_path / "y" / "1.png").write_text("broken since")
    with pytest.raises(InputError, match=r"1\.png is not an image"):
        sources.materialise(streamed)


@pytest.mark.parametrize(("arguments", "words"), [
    ({"path": "no such folder"}, "there is no folder 'no such folder'"),
    ({"resolution": 0}, "config.data.resolution must be"),
    ({"resolution": (8,)}, "config.data.resolution must be"),
    ({"resolution": "big"}, "config.data.resolution must be .*'big'"),
    ({"channels": 2}, "config.data.channels must be"),
    ({"resize": "cubic"}, "config.data.resize must be one of"),
    ({"crop": None}, "config.data.crop must be"),
    ({"on_bad": "ignore"}, "config.data.on_bad must be one of"),
    ({"labels": "no"}, "config.data.labels must be"),
    ({"mirror": 1}, "config.data.mirror must be"),
    ({"max_megapixels": 500}, "config.data.max_megapixels must be"),
    ({"split": "test"}, "no split 'test'"),
    ({"shuffle": True}, "config.data.shuffle"),
])
def test_arguments_are_checked(tmp_path, arguments, words):
    save(tmp_path / "a.png")
    with pytest.raises(InputError, match=words):
        data.open({"name": "folder", "path": str(tmp_path)} | arguments)


def test_a_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(InputError, match="no usable image"):
        open_folder(tmp_path)
    (tmp_path / "a.png").write_text("nothing")
    with pytest.raises(InputError, match=r"no usable image.*1 skipped, the first: a\.png"):
        open_folder(tmp_path, on_bad="skip")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png is not a file"):
        open_folder(tmp_path)


def test_the_shared_folder(shared):
    source = open_folder(shared("data/folder"))
    assert len(source) == 1000
    assert source.info.shape == (32, 32, 3)
    assert source.info.label_frequencies == (0.1,) * 10
    np.testing.assert_array_equal(
        source[123]["image"], np.asarray(Image.open(shared("data/folder") / "automobile" / "0023.jpg")))
