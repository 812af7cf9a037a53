"""Files are data: none is run, none leads elsewhere, none makes the program ask for what the machine does not have."""

import ast
import contextlib
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxgan import command, data, images
from jaxgan import config as config_lib
from jaxgan.data import Info
from jaxgan.errors import InputError
from jaxgan.metrics.cache import Cache
from jaxgan.runs import RunFolder
from jaxgan.training.logging import read_metrics

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT / "tests" / "corpus"
RUNS_CODE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "tarfile", "subprocess",
             "code", "runpy", "pty", "ctypes"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "importlib.import_module",
         "spec.loader.exec_module"}
# Where code is meant to be imported: a config file, a part that is named in one, and modules of jaxgan's own. And the
# C library this process already runs in, for one call without arguments from a file.
MEANT = {("config.py", "spec.loader.exec_module"), ("catalogue.py", "importlib.import_module"),
         ("__init__.py", "importlib.import_module"), ("cli.py", "importlib.import_module"), ("memory.py", "ctypes")}


def dotted(node):
    """`os.path.join` of the expression that is called; "" for a call of anything else."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def found_in(path):
    """What a file imports and calls that could run what another file says."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in RUNS_CODE)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in RUNS_CODE:
            yield node.module
        elif isinstance(node, ast.Call):
            name, given = dotted(node.func), {word.arg: getattr(word.value, "value", None) for word in node.keywords}
            if name in CALLS or name.startswith(("os.exec", "os.spawn")) or name.endswith((".extractall", ".extract")):
                yield name
            if name in ("np.load", "numpy.load") and given.get("allow_pickle") is not False:
                yield "np.load that may unpickle"
            if given.get("shell") is True or given.get("allow_pickle") is True:
                yield f"{name} with a shell, or with pickles"


def test_nothing_in_the_package_runs_what_a_file_says():
    seen = {(path.name, what) for path in sorted((ROOT / "jaxgan").rglob("*.py")) for what in found_in(path)}
    assert seen <= MEANT


FOREIGN = "somewhere:Thing"


@pytest.mark.parametrize("override", [
    "loss=somewhere:Thing", "generator.name=somewhere:Thing", "generator.activation=somewhere:Thing",
    "data=somewhere:Thing", "data.name=somewhere:Thing", "latent={'name': 'somewhere:Thing'}",
    "regularizers.a=somewhere:Thing", "conditioning.a={'name': 'somewhere:Thing', 'every': 2}",
    "augmentation.a=somewhere:Thing", "optimizers.generator.name=somewhere:Thing", "average.ema.name=somewhere:Thing",
    "optimizers.generator.learning_rate={'name': 'somewhere:Thing'}", "metrics=('somewhere:Thing',)",
    "metrics=({'name': 'fd', 'backbone': 'somewhere:Thing'},)",
    "metrics=({'name': 'fd', 'backbone': {'name': 'somewhere:Thing'}},)"])
def test_a_run_that_names_code_is_opened_only_on_trust(override, tmp_path):
    config = config_lib.default()
    config_lib.override(config, override)
    folder = RunFolder(tmp_path)
    folder.config_file.write_text(config_lib.to_json(config))
    with pytest.raises(InputError, match=f"={FOREIGN}. If you trust whoever made it, add --trust"):
        folder.config()
    assert config_lib.differences(folder.config(trust=True), config) == []
    assert "somewhere" not in sys.modules


def test_paths_are_no_names_of_code():
    config = config_lib.default()
    config.data = {"name": "tfds", "dataset": "mnist:3.0.1", "dir": "gs://bucket/sets"}
    config.init_from = "gs://bucket/run"
    assert config_lib.outside(config) == []


INFO = Info("x", (8, 8, 1), 2, ("a", "b"), {"train": 3}, label_kind="class", label_frequencies=(0.5, 0.5),
            hasher=lambda: "00").to_dict()


@pytest.mark.parametrize("change", [
    {"shape": [8, 8]}, {"shape": [8, 8, -1]}, {"shape": [8, 0, 1]}, {"shape": [8, 8.0, 1]}, {"shape": [10**6] * 3},
    {"shape": "888"}, {"num_classes": "2"}, {"num_classes": True}, {"num_classes": 3}, {"class_names": [1, 2]},
    {"splits": {"train": -1}}, {"splits": []}, {"label_kind": "classes"}, {"kind": "sound"}, {"content_hash": 3},
    {"label_frequencies": [float("nan"), 1]}, {"label_frequencies": []}, {"label_examples": [[1.0]]}, {"std": "1"},
    {"name": None}, {"hasher": "x"}, {"more": 1}, {"label_kind": "none"}, {"label_kind": "vector"}])
def test_what_a_run_says_of_its_data_is_checked(change, tmp_path):
    folder = RunFolder(tmp_path)
    folder.environment_file.write_text(json.dumps({"data": INFO}))
    assert folder.info().to_dict() == INFO
    folder.environment_file.write_text(json.dumps({"data": INFO | change}))
    with pytest.raises(InputError, match=r"environment\.json is damaged"):
        folder.info()


def test_only_pictures_are_read_as_such(tmp_path):
    """Pillow would hand this one to another program."""
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", "EPS")
    with pytest.raises(InputError, match=r"x\.png is not an image of a kind that is read \(PNG, JPEG"):
        data.open({"name": "folder", "path": str(tmp_path)})
    with pytest.raises(InputError, match=r"x\.png is damaged, or no PNG"):
        images.load_png(tmp_path / "x.png")


def test_names_that_are_none(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "labels.csv").write_text(f"file,label\na.png,1\n{'x' * 5000},1\na\0b,1\nloop,1\n/etc/hostname,1\n")
    source = data.open({"name": "folder", "path": str(tmp_path), "on_bad": "skip"})
    assert len(source) == 1
    assert len(source.info.skipped) == 4
    (tmp_path / "labels.csv").rename(tmp_path.with_suffix(".csv"))
    (tmp_path / "labels.csv").symlink_to(tmp_path.with_suffix(".csv"))
    with pytest.raises(InputError, match=r"labels\.csv leads outside the data folder"):
        data.open({"name": "folder", "path": str(tmp_path)})


@pytest.mark.parametrize("header", ["{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "(", "{}",
                                    "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 99999)}"])
def test_an_entry_of_the_cache_that_is_no_array_is_made_again(header, tmp_path):
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(8)
    (tmp_path / "x.npy").write_bytes(content + hashlib.sha256(content).digest())
    with Cache(tmp_path) as cache:
        assert cache.array("x", lambda: np.arange(3)).tolist() == [0, 1, 2]
        assert cache.read("x").tolist() == [0, 1, 2]


def test_deep_json_is_no_record(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": ' + "[" * 5000 + "]" * 5000 + "}\n")
    with pytest.raises(InputError, match="line 1: this is not a record"):
        read_metrics(tmp_path / "metrics.jsonl")
    for text in ("[" * 5000 + "]" * 5000, "[" * 100 + "]" * 100, '{"a":' * 100 + "1" + "}" * 100):
        with pytest.raises(ValueError, match="nested too deeply"):
            config_lib.parse_json(text)
    assert config_lib.parse_json('{"a": [1, {"b": []}]}') == {"a": [1, {"b": []}]}


def test_messages_bring_nothing_strange_to_a_terminal():
    assert command.shown("x\x1b]0;title\x07\ny\x9b") == "x?]0;title?\ny?"
    assert len(command.shown("x" * 10**6)) < 10_000


@pytest.fixture
def readers(root, monkeypatch, tmp_path):
    """The readers of the fuzzing experiment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(root / "experiments" / "fuzz")
    import readers
    yield readers.READERS
    for name in ("readers", "mutations"):
        sys.modules.pop(name, None)


def test_what_once_broke_a_reader_no_longer_does(readers, tmp_path):
    """Every input that the fuzzing experiment found wanting: now it is read, or refused."""
    inputs = sorted(path for path in CORPUS.rglob("*") if path.is_file())
    assert inputs
    for path in inputs:
        reader, folder = readers[path.parent.name], tmp_path / path.parent.name / path.name
        folder.mkdir(parents=True)
        for name, content in reader.beside().items():
            (folder / name).write_bytes(content)
        (folder / reader.file).write_bytes(path.read_bytes())
        with contextlib.suppress(InputError):
            reader.read(folder / reader.file)
