"""Wrong options and broken files, over all commands: each ends in one message and exit code 2, and leaves nothing.

A row is a command, its arguments, and words of the message; `world` makes the files that rows speak of. Rows that need
a run of many steps, or a network of some kind, are beside the tests of their command. A batch may be larger than the
set, and a set may be one image: both are allowed.
"""

import gc
import importlib
import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
import zipfile
from typing import NamedTuple

import jax
import numpy as np
import pytest
from PIL import Image

from jaxgan import command, data
from jaxgan import config as config_lib
from jaxgan.data import Info
from jaxgan.experiment import Experiment
from jaxgan.runs import FORMAT, RunFolder
from jaxgan.training.checkpoints import Checkpoints

MAIN = "--config=small.py"
ON = "--config=small.py:folder:"
RUN, OUT = "--workdir=run", "--output=x.png"
SCORED = ("--fake=good.npz", "--real=good.npz", "--backbone=pixels")


class Row(NamedTuple):
    command: str
    arguments: tuple[str, ...]
    message: str


def rows(name, *table):
    return [Row(name, arguments, message) for *arguments, message in table]


ROWS = [
    *rows(
        "main",
        ("The following arguments are required: --config",),
        (MAIN, "--worksir=x", "Unrecognized arguments: --worksir=x"),
        (MAIN, "more", "Unrecognized arguments: more"),
        ("--config=smal.py", "no config file 'smal.py'. Did you mean 'small.py'"),
        ("--config=notes.txt", "'notes.txt' is not a Python file"),
        ("--config=raising.py", "'raising.py' failed: ZeroDivisionError: division by zero"),
        ("--config=broken.py", "'broken.py' failed: SyntaxError"),
        ("--config=other_thing.py", "must return a ConfigDict"),
        ("--config=small.py:minst", "no data called 'minst'. Did you mean 'mnist'"),
        ("--config=small.py:folder", "lacks its path: write folder:PATH"),
        (MAIN, "--config.batch_sise=3", "no option config.batch_sise. Did you mean 'batch_size'"),
        (MAIN, "--config.regularizers={'a.b': 1}", "names that no option can have"),
        (MAIN, "--config.batch_size=many", "config.batch_size must be a whole number; got 'many'"),
        (MAIN, "--config.batch_size=1.5", "config.batch_size must be a whole number; got 1.5"),
        (MAIN, "--config.batch_size=0", "config.batch_size must be at least 1"),
        (MAIN, "--config.batch_size", "--config.batch_size needs a value"),
        (MAIN, "--config.total_kimg=nan", "config.total_kimg must be"),
        (MAIN, "--config.total_kimg=-1", "config.total_kimg must be above 0"),
        (MAIN, "--config.seed=-1", "config.seed must not be negative"),
        (MAIN, "--config.log_every=-5", "config.log_every must not be negative"),
        (MAIN, "--config.parallel=pmpa", "there is no 'pmpa'. Did you mean 'pmap'"),
        (MAIN, "--config.optimisers.generator.b1=0", "no section config.optimisers. Did you mean 'optimizers'"),
        (MAIN, "--config.optimizers={'generator': 'adam'}", "config.optimizers has no discriminator, but generator"),
        (MAIN, "--config.metrics=fd_pixels", "config.metrics must be a list"),
        (MAIN, "--config.loss={'name': 3}", "config.loss must name a part"),
        (MAIN, "--config.loss=hinje", "there is no 'hinje'. Did you mean 'hinge'"),
        (MAIN, "--config.loss=nowhere_at_all:x", "cannot import 'nowhere_at_all'"),
        (MAIN, "--config.generator.widht=8", "takes no such argument. Did you mean"),
        (MAIN, "--config.generator.width=wide", "config.generator.width must be a whole number; got 'wide'"),
        (MAIN, "--config.data.resolution=0", "config.data.resolution must be a number of pixels"),
        (MAIN, "--config.data.channels=2", "config.data.channels must be one of None, 1, 3, 4"),
        (MAIN, "--config.data.crop=centre", "config.data.crop must be one of 'center'"),
        (MAIN, "--config.data.split=test", "digits has no split 'test'. It has: train"),
        (MAIN, "--config.init_from=nowhere", "nowhere is not a run"),
        (MAIN, "--multihost=here", "write HOST:PORT,I/N"),
        (MAIN, "--multihost=here:1,2/2", "write HOST:PORT,I/N"),
        (MAIN, "--workdir=notes.txt", "notes.txt is a file: choose another --workdir"),
        (MAIN, "--workdir=photos", "photos holds other files and no run"),
        (MAIN, "--workdir=run", "run holds a run with another config"),
        (MAIN, "--workdir=cut", "not a jaxgan config"),
        (MAIN, "--workdir=future", "future was written by a later jaxgan"),
        (MAIN, "--workdir=notes.txt/run", "choose another --workdir"),
        (MAIN, "--workdir=/proc/run", "choose another --workdir"),
        (f"{ON}nowhere", "there is no folder 'nowhere'"),
        (f"{ON}empty", "no usable image in empty"),
        (f"{ON}mixed", "--config.data.resolution=None", "The images differ in size: 0.png is 4x4, 1.png is 6x6"),
        (f"{ON}astray", "holds images both inside and outside class folders"),
        (f"{ON}hollow", "hollow/b is a class folder without images"),
        (f"{ON}text", "text/0.png is not an image"),
        (f"{ON}table", "table/gone.png does not exist"),
        (f"{ON}escape", "leads outside the data folder"),
        (f"{ON}linked", "leads outside the data folder"),
        ("--config=small.py:npz:none.npz", "there is no file 'none.npz'"),
        ("--config=small.py:npz:notes.txt", "notes.txt is damaged or not an .npz file"),
        ("--config=small.py:npz:arrays.npz", "has no `train_images` and no `images`"),
        ("--config=small.py:npz:pickled.npz", "must be uint8, uint16, bool or floats"),
        ("--config=small.py:npz:bomb.npz", "would unpack"),
        ("--config=small.py:npz:huge.npz", "declares more than it holds"),
        ("--config=small.py:tfds:no_such_set_of_images", "config.data.dataset: TFDS has no data set"),
        ("--config=small.py:tfds:foreign", "--config.data.dir=sets", "names 'elsewhere.Feature', code that does not"),
    ),
    *rows(
        "sample",
        (RUN, "The following arguments are required: --output"),
        (RUN, OUT, "--seeds=9-3", "the range 9-3 runs backwards; write 3-9"),
        (RUN, OUT, "--seeds=", "is no number or range"),
        (RUN, OUT, "--seeds=1,,2", "'' is no number or range"),
        (RUN, OUT, "--seeds=-1", "is no number or range"),
        (RUN, OUT, "--seeds=4294967296", "is too large"),
        (RUN, OUT, "--seeds=0-99999999", "more than ten million"),
        (RUN, OUT, "--labels=10", "--labels=10: 10 is too large; the largest is 9"),
        (RUN, OUT, "--labels=cat", "'cat' is no number or range"),
        (RUN, OUT, "--truncation=much", "invalid float value: 'much'"),
        (RUN, OUT, "--checkpoint=7", "There is no checkpoint '7'. There are: latest, best, 0"),
        (RUN, OUT, "--checkpoint=best", "No checkpoint of this run has a score"),
        (RUN, "--output=x.jpg", "write to a .png, a .npz, or a folder"),
        (RUN, "--output=no/x.png", "there is no folder no; make it first"),
        (RUN, "--output=notes.txt/x.png", "there is no folder notes.txt; make it first"),
        (RUN, "--output=LICENCE", "--output=LICENCE is a file"),
        ("--workdir=nowhere", OUT, "nowhere is not a run"),
        ("--workdir=photos", OUT, "photos is not a run"),
        ("--workdir=cut", OUT, "cut/config.json is not a jaxgan config"),
        ("--workdir=deep", OUT, "nested too deeply"),
        ("--workdir=binary", OUT, "binary/config.json is damaged: it is not text"),
        ("--workdir=half", OUT, "half/environment.json is damaged"),
        ("--workdir=future", OUT, f"of format {FORMAT + 1}, and this one knows {FORMAT}. Update jaxgan"),
        ("--workdir=bare", OUT, "There is no checkpoint in"),
        ("--workdir=strange", OUT, "loss.name=os:system. If you trust whoever made it, add --trust"),
    ),
    *rows(
        "evaluate",
        ("Give --workdir=DIR, or --fake=P with --real=P",),
        ("--fake=good.npz", "Give --workdir=DIR, or --fake=P with --real=P"),
        ("--fake=nowhere/x", "--real=good.npz", "--fake=nowhere/x: There is no such folder or file"),
        ("--fake=good.npz", "--real=empty", "--real=empty: There is no usable image in empty"),
        ("--fake=one", "--real=one", "--backbone=pixels", "has 1 image: scores need at least two"),
        (*SCORED, "--metrics=prcd", "--metrics: there is no 'prcd'. Did you mean 'prdc'"),
        (*SCORED, "--num=1", "--num=1: scores need at least two images"),
        (*SCORED, "--seed=-1", "--seed=-1: give a number from 0"),
        (*SCORED, "--json=no/x.json", "name a file in a folder that exists"),
        ("--workdir=strange", "add --trust"),
        ("--compare", "good.json", "--compare needs two files"),
        ("--compare", "good.json", "none.json", "Cannot read none.json"),
        ("--compare", "good.json", "notes.txt", "notes.txt holds no results"),
        ("--compare", "good.json", "deep/config.json", "deep/config.json holds no results"),
    ),
    *rows(
        "invert",
        (RUN, "--images=photos", "The following arguments are required: --output"),
        (RUN, "--images=nowhere/x", "--output=x", "--images=nowhere/x: There is no such folder"),
        (RUN, "--images=photos", "--output=notes.txt", "--output=notes.txt is a file"),
        (RUN, "--images=photos", "--output=x", "--steps=0", "--steps=0: give 1 or more"),
        (RUN, "--images=text", "--output=x", "text/0.png is not an image"),
        ("--workdir=strange", "--images=photos", "--output=x", "add --trust"),
    ),
    *rows(
        "convert",
        ("--workdir=new", "The following arguments are required: --from"),
        ("--from=none.pkl", "--workdir=new", "none.pkl cannot be read: No such file"),
        ("--from=notes.txt", "--workdir=new", "notes.txt is damaged or cut short"),
        ("--from=evil.pkl", "--workdir=new", "evil.pkl is refused: its pickle asks for"),
        ("--from=evil.pth", "--workdir=new", "evil.pth is refused: its pickle asks for"),
        ("--from=packed.pth", "--workdir=new", "packed.pth is damaged or cut short"),
        ("--from=vast.safetensors", "--workdir=new", "vast.safetensors is damaged, or no safetensors file"),
    ),
    *rows(
        "plan",
        (MAIN, "--target=v7:2x2", "--target=v7:2x2: write local, or a TPU slice"),
        (MAIN, "--shape=8x8", "--shape=8x8: write height, width and channels"),
        (MAIN, "--shape=8x8x1", "--classes=-1", "--classes needs a number from 0"),
        (MAIN, "--shape=8x8x1", "--json=no/plan.json", "there is no folder no; make it first"),
    ),
    *rows(
        "prepare",
        ("One of the arguments --dataset --weights is required",),
        ("--weights=incepton", "there are none called 'incepton'. Did you mean 'inception'"),
        ("--weights=inception", "--from=none.pth", "none.pth cannot be read: No such file"),
        ("--weights=inception", "--from=notes.txt", "notes.txt is not the published file of inception"),
        ("--weights=inception-custom", "--from=notes.txt", "notes.txt is damaged or cut short"),
        ("--dataset=../mnist", "--dir=sets", "--dataset must look like mnist"),
        ("--dataset=mnist", "--from=notes.txt", "--dir goes with --dataset, --from with --weights"),
    ),
]


class Evil:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def picture(path, side=4):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (side, side), 7).save(path)


def make_folders(top):
    """Folders of images, each wrong in its way, and one that is right."""
    for name in ("photos/0.png", "photos/1.png", "one/0.png", "mixed/0.png", "astray/0.png", "astray/a/0.png",
                 "hollow/a/0.png", "table/a.png", "escape/a.png", "linked/a.png"):
        picture(top / name)
    picture(top / "mixed/1.png", 6)
    for name in ("empty", "hollow/b", "text"):
        (top / name).mkdir()
    (top / "text/0.png").write_text("no picture")
    (top / "table/labels.csv").write_text("file,label\na.png,1\ngone.png,2\n")
    (top / "escape/labels.csv").write_text("file,label\na.png,1\n../photos/0.png,2\n")
    (top / "linked/b.png").symlink_to(top / "photos/0.png")
    features = {"pythonClassName": "elsewhere.Feature", "featuresDict": {"features": {}}}
    (top / "sets/foreign/1.0.0").mkdir(parents=True)
    (top / "sets/foreign/1.0.0/dataset_info.json").write_text("{}")
    (top / "sets/foreign/1.0.0/features.json").write_text(json.dumps(features))


def make_archives(top):
    """.npz files and files of weights."""
    pixels = np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1)
    np.savez(top / "good.npz", images=pixels)
    np.savez(top / "arrays.npz", a=pixels)
    np.savez(top / "pickled.npz", images=np.full((2, 2, 2), None))
    np.savez_compressed(top / "bomb.npz", images=np.broadcast_to(np.uint8(0), (65, 1024, 1024)))
    with zipfile.ZipFile(top / "huge.npz", "w") as archive, archive.open("images.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": (900, 999, 999)})
    (top / "evil.pkl").write_bytes(pickle.dumps({"G": Evil()}))
    with zipfile.ZipFile(top / "evil.pth", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Evil()))
    with zipfile.ZipFile(top / "packed.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 20))
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 20, 1 << 20], "data_offsets": [0, 1 << 42]}}).encode()
    (top / "vast.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


def make_runs(top, config):
    """One run, at step 0, and copies of it with something wrong."""
    info = data.open(config["data"]).info
    folder, experiment = RunFolder(top / "run"), Experiment(config, info, jax.devices()[:1])
    folder.path.mkdir()
    folder.prepare(config, info)
    checkpoints = Checkpoints(folder.checkpoints)
    checkpoints.save(experiment.initial_state())
    checkpoints.close()
    for name in ("cut", "deep", "binary", "half", "future", "bare", "strange"):
        (top / name).mkdir()
        for path in (folder.config_file, folder.environment_file):
            shutil.copy(path, top / name)
    text, record = folder.config_file.read_text(), json.loads(folder.environment_file.read_text())
    (top / "cut/config.json").write_text(text[:99])
    (top / "deep/config.json").write_text("[" * 5000 + "]" * 5000)
    (top / "binary/config.json").write_bytes(b"\xff\xfe\x00")
    (top / "half/environment.json").write_text(json.dumps(record | {"data": Info("x", (1, 1)).__dict__}, default=str))
    (top / "future/environment.json").write_text(json.dumps(record | {"format": FORMAT + 1}))
    loss = {"loss": {"name": "os:system", "command": "touch pwned"}}
    (top / "strange/config.json").write_text(json.dumps(json.loads(text) | loss))


@pytest.fixture(scope="module")
def world(small, tmp_path_factory):
    """A folder with everything the rows speak of."""
    top = tmp_path_factory.mktemp("world")
    shutil.copy(small, top / "small.py")
    (top / "raising.py").write_text("def get_config():\n    return 1 / 0\n")
    (top / "broken.py").write_text("def get_config(:\n")
    (top / "other_thing.py").write_text("def get_config():\n    return {}\n")
    (top / "notes.txt").write_text("not what you think")
    (top / "LICENCE").write_text("free")
    side = {"data": "x", "split": "train", "sha256": "00"}
    protocol = {"metric": "fd", "arguments": {}, "n_real": 4, "n_fake": 4, "real": side, "fake": [side],
                "held_out": None, "copies": 0, "backbone": None, "quantisation": "uint8", "seed": 0, "jaxgan": "0.1.0"}
    result = {"name": "fd4", "short": "fd", "value": 1.0, "low": None, "high": None, "interval": None, "details": {},
              "protocol": protocol}
    (top / "good.json").write_text(json.dumps({"results": [result]}))
    make_folders(top)
    make_archives(top)
    make_runs(top, config_lib.load(str(top / "small.py"), ["evaluate_every=0", "metrics=()"]))
    return top


def tree(top):
    """Every file and folder with its size and time of change."""
    return {path.relative_to(top): (path.lstat().st_size, path.lstat().st_mtime_ns if path.is_file() else 0)
            for path in top.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture
def left_with(world, monkeypatch, capsys):
    """`left_with(name, arguments)` runs a command as its process does, in `world`: (exit code, stdout, stderr)."""
    thresholds = gc.get_threshold()
    monkeypatch.chdir(world)

    def left_with(name, arguments):
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        with pytest.raises(SystemExit) as left:
            command.run(importlib.import_module(f"jaxgan.{name}").main)
        return left.value.code, *capsys.readouterr()
    yield left_with
    gc.set_threshold(*thresholds)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join([row.command, *row.arguments]))
def test_refused_with_one_message_and_nothing_left_behind(row, world, left_with):
    before = tree(world)
    code, out, err = left_with(row.command, row.arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert row.message in err
    assert "Traceback" not in err
    assert tree(world) == before


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join([row.command, *row.arguments]))
def test_a_process_refuses_within_three_seconds(row, world, root):
    """As a person waits for it, but counted on the processor, for others may keep the machine busy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", f"jaxgan.{row.command}", *row.arguments], cwd=world, text=True,
                          env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.returncode, done.stdout) == (2, "")
    assert row.message in done.stderr
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{seconds:.2f} s")
    assert seconds < 3


def test_there_are_sixty():
    assert len({(row.command, *row.arguments) for row in ROWS}) == len(ROWS) >= 60
    assert {row.command for row in ROWS} >= {"main", "sample", "evaluate", "invert", "prepare", "convert", "plan"}


@pytest.mark.parametrize(("redirection", "code", "said"), [
    (">&-", 0, ""), ("| true", 0, ""), (">&- 2>&-", 0, ""), ("> /dev/full", 1, "No space left")])
def test_a_stdout_that_cannot_be_written(redirection, code, said, root, world):
    """Closed, left by its reader, or full: no traceback."""
    line = f"{sys.executable} -m jaxgan.evaluate --compare good.json good.json {redirection}"
    done = subprocess.run(["sh", "-c", line], cwd=world, env=os.environ | {"PYTHONPATH": str(root)},
                          capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert said in done.stderr
