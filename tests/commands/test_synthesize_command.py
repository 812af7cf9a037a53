"""`python -m jaxgan.synthesize`: data sets that others read, with the bytes of their seeds, and their cards."""

import contextlib
import functools
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

import jaxgan
from jaxgan import data, images, synthesize
from jaxgan.data.digits import digits
from jaxgan.data.source import ArraySource, materialise
from jaxgan.errors import InputError
from jaxgan.evaluation import Judge
from jaxgan.inputs import Input
from jaxgan.metrics import classifier
from jaxgan.metrics.cache import Cache, default_folder
from jaxgan.metrics.choice import choose
from jaxgan.synthesis import card as cards
from jaxgan.synthesis import labelled, making, place, scenes, search
from jaxgan.trained import Trained

OPENED = functools.cache(Trained)  # a run is opened once: its programs are compiled once, then
COUNTS = (40, 24, 8)  # training images of the digits 0, 1 and 2; as many more of each are held out


@pytest.fixture(scope="module")
def made_of(run_of, tmp_path_factory):
    """`made_of(*overrides)` trains a run of 40 steps on some digits of three classes, of which one is rare."""
    folder = tmp_path_factory.mktemp("synthesize")
    source = digits(resolution=8).arrays
    rows = [np.flatnonzero(source.labels == label)[:2 * count] for label, count in enumerate(COUNTS)]
    train_rows, test_rows = (np.concatenate([each[part::2] for each in rows]) for part in (0, 1))
    np.savez(folder / "three.npz", train_images=source.images[train_rows], train_labels=source.labels[train_rows],
             test_images=source.images[test_rows], test_labels=source.labels[test_rows])

    def make(name, *overrides):
        digits_of_three = {"name": "npz", "path": str(folder / "three.npz"), "resolution": 8}
        return run_of(folder / name, "evaluate_every=0", f"data={digits_of_three}", *overrides)
    return make


@pytest.fixture(scope="module")
def run(made_of):
    return made_of("run", "total_kimg=0.64")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch, run):
    """An empty folder to work in, blocks small enough that there are several, and classifiers that learn little."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jaxgan.trained.Trained", OPENED)
    monkeypatch.setenv("XDG_CACHE_HOME", str(run.parent / "cache"))
    monkeypatch.setattr(search, "LARGEST_BLOCK", 8)
    monkeypatch.setattr(labelled, "READ", 30)
    monkeypatch.setattr(scenes, "BLOCK", 2)
    monkeypatch.setattr(classifier, "MIN_STEPS", 30)


@pytest.fixture
def synthesized(run, capsys):
    """`synthesized("--per_class=4", "--output=set")` -> what the command printed; without a card."""
    def synthesize_here(*options, card="none"):
        assert synthesize.main([f"--workdir={run}", f"--card={card}", *options]) == 0
        return capsys.readouterr().out
    return synthesize_here


def manifest_of(path):
    return json.loads(Path(path).read_text())


def tree(folder):
    """Path -> content of every file."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(Path(folder).rglob("*"))
            if path.is_file()}


def test_class_folders_hold_the_bytes_of_their_seeds(run, synthesized):
    out = synthesized("--per_class=5", "--val=0.2", "--test=0.4", "--seed=100", "--output=set")
    assert "15 images from step 40" in out
    manifest = manifest_of("set/manifest.json")
    assert sorted(tree("set")) == sorted([*(entry["file"] for entry in manifest["images"]), "manifest.json"])
    assert manifest["seeds"] == {"first": 100, "last": 114}
    assert [entry["seed"] for entry in manifest["images"]] == list(range(100, 115))
    entries = manifest["images"]
    made = jaxgan.load(run).generate([entry["seed"] for entry in entries], [entry["label"] for entry in entries])
    for entry, image in zip(entries, made, strict=True):
        assert re.fullmatch(rf"(train|val|test)/{entry['label']}/seed{entry['seed']:06d}\.png", entry["file"])
        content = Path("set", entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        np.testing.assert_array_equal(images.load_png(Path("set", entry["file"])), image)
    for split, count in {"train": 2, "val": 1, "test": 2}.items():
        source = data.open({"name": "folder", "path": "set", "split": split})  # what TFDS reads has this layout, too
        assert source.info.class_names == ("0", "1", "2")
        assert np.bincount(source.arrays.labels).tolist() == [count] * 3


def test_an_npz_is_laid_out_as_medmnist_has_it(run, synthesized):
    synthesized("--per_class=5", "--test=0.4", "--labels=0,2", "--output=set.npz")
    with np.load("set.npz") as file:
        arrays = dict(file)
    assert {name: (array.shape, array.dtype) for name, array in arrays.items()} == {
        "train_images": ((6, 8, 8), np.uint8), "train_labels": ((6, 1), np.uint8),
        "test_images": ((4, 8, 8), np.uint8), "test_labels": ((4, 1), np.uint8)}
    entries = manifest_of("set.manifest.json")["images"]
    assert len(entries) == 10
    made = jaxgan.load(run).generate([entry["seed"] for entry in entries], [entry["label"] for entry in entries])
    for entry, wanted in zip(entries, made, strict=True):
        image = arrays[entry["array"]][entry["row"]]
        assert hashlib.sha256(image.tobytes()).hexdigest() == entry["sha256"]
        np.testing.assert_array_equal(image[..., None], wanted)
        assert arrays[entry["array"].replace("images", "labels")][entry["row"], 0] == entry["label"]
    assert sorted(tree(".")) == ["set.manifest.json", "set.npz"]
    assert data.open({"name": "npz", "path": "set.npz", "split": "test"}).info.num_classes == 3


def test_num_has_the_classes_of_the_data(run, synthesized):
    synthesized("--num=60", "--output=set.npz")
    labels = np.load("set.npz")["train_labels"][:, 0]
    np.testing.assert_array_equal(labels, OPENED(run, "latest", None, False).draw_labels(range(60)))
    assert len(np.unique(np.bincount(labels))) > 1


def test_rare_classes_are_filled_up_beside_the_real_images(run, synthesized):
    synthesized("--fill=max", "--with_real", "--test=0.5", "--output=full")
    synthesized("--fill=10", "--output=ten")
    full, test = (data.open({"name": "folder", "path": "full", "split": split}) for split in ("train", "test"))
    assert np.bincount(full.arrays.labels).tolist() == [40, 32, 24]
    assert (test.info.class_names, np.bincount(test.arrays.labels).tolist()) == (("1", "2"), [8, 16])
    real = OPENED(run, "latest", None, False).real.source.arrays
    entries = manifest_of("full/manifest.json")["images"]
    assert [entry["real"] for entry in entries if "real" in entry] == list(range(sum(COUNTS)))
    for entry in entries[:sum(COUNTS):7]:
        np.testing.assert_array_equal(images.load_png(Path("full", entry["file"])), real.images[entry["real"]])
        assert entry["label"] == real.labels[entry["real"]]
    assert [entry["label"] for entry in manifest_of("ten/manifest.json")["images"]] == [2, 2]


@pytest.mark.parametrize("options", [("--per_class=6", "--output=set"), ("--per_class=6", "--output=set.npz"),
                                     ("--scenes=7", "--cut=whole", "--masks", "--output=set"),
                                     ("--fill=30", "--with_real", "--output=set")], ids=lambda options: options[0])
def test_killed_anywhere_it_ends_in_the_same_bytes(options, synthesized, tmp_path, monkeypatch):
    (tmp_path / "whole").mkdir()
    monkeypatch.chdir(tmp_path / "whole")
    synthesized(*options)
    wanted = tree(".")
    (tmp_path / "killed").mkdir()
    monkeypatch.chdir(tmp_path / "killed")
    written, writes = images.replacing, 0

    def replacing(path):  # every file of a set is written through it
        nonlocal writes
        writes -= 1
        if writes < 0:
            raise KeyboardInterrupt
        return written(path)
    with monkeypatch.context() as patch:
        for module in (images, labelled, making, place):
            patch.setattr(module, "replacing", replacing)
        for allowed in (5, 12, 19, 33, 40, 42):
            writes = allowed
            with contextlib.suppress(KeyboardInterrupt):
                synthesized(*options)
            for journal in Path().rglob(".unfinished.jsonl"):  # as if it had been in the middle of a line and of files
                with journal.open("ab") as file:
                    file.write(b'{"images":[{"file":"tr')
                (journal.parent / "train" / "1").mkdir(parents=True, exist_ok=True)
                (journal.parent / "train" / "1" / ".seed000001.png.1.tmp").write_bytes(b"half")
                if journal.parent.name != "set":
                    Path(".set.npz.1.tmp").write_bytes(b"half")
    synthesized(*options)
    assert tree(".") == wanted
    assert "is complete" in synthesized(*options)
    assert tree(".") == wanted


def test_another_set_is_not_mixed_in(run, synthesized, monkeypatch):
    synthesized("--per_class=2", "--output=set")
    before = tree("set")
    with pytest.raises(InputError, match=r"made with other options:\n  per_class: 2 -> 3\nChoose another"):
        synthesized("--per_class=3", "--output=set")
    with pytest.raises(InputError, match=r"seed: '\(not set\)' -> 5"):
        synthesized("--per_class=2", "--seed=5", "--output=set")
    assert tree("set") == before
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    with pytest.raises(InputError, match="mine holds other files"):
        synthesized("--per_class=2", "--output=mine")
    Path("mine.npz").write_text("mine")
    with pytest.raises(InputError, match=r"mine\.npz is there already"):
        synthesized("--per_class=2", "--output=mine.npz")


def test_what_is_kept_has_passed(run, synthesized, monkeypatch):
    monkeypatch.setattr("jaxgan.trained.CALIBRATION_IMAGES", 64)
    opened = OPENED(run, "latest", None, False)

    def probabilities(pictures, labels):
        with Cache(default_folder()) as cache:
            extractor = Judge(opened.real, None, (), cache).extractor("classifier")
        stream = extractor.stream(lambda start, stop: pictures[start:stop], len(pictures))
        odds = np.exp(np.concatenate([found["logits"] for _, found in stream]).astype(np.float64))
        return (odds / odds.sum(1, keepdims=True))[range(len(labels)), labels]
    usual = probabilities(jaxgan.load(run).generate(range(60), np.arange(60) % 3), np.arange(60) % 3)
    least = float(f"{min(np.median(usual[label::3]) for label in range(3)):.3g}")
    out = synthesized("--per_class=4", f"--confidence={least}", "--reject=20", "--output=set")
    manifest = manifest_of("set/manifest.json")
    tried = sum(each["tried"] for each in manifest["classes"])
    assert f"Kept 12 of {tried:,} that were made" in out
    assert tried > 12
    assert [gate["option"] for gate in manifest["gates"]] == ["--reject=20", f"--confidence={least}"]
    pictures = np.stack([images.load_png(Path("set", entry["file"])) for entry in manifest["images"]])
    labels = np.asarray([entry["label"] for entry in manifest["images"]], np.int32)
    assert all(entry["probability"] >= least for entry in manifest["images"])
    np.testing.assert_allclose([entry["logit"] for entry in manifest["images"]],
                               opened.judge("logit", pictures, labels), atol=0.1)  # it saw them unrounded
    np.testing.assert_allclose([entry["probability"] for entry in manifest["images"]], probabilities(pictures, labels),
                               rtol=1e-3)
    monkeypatch.setattr(search, "PATIENCE", 40)
    monkeypatch.setattr(search, "MOST_TRIES", 40)
    with pytest.raises(InputError, match=r"passed --confidence=0\.99999999, and 4 are wanted: ask for less"):
        synthesized("--per_class=4", "--confidence=0.99999999", "--output=none")


def test_an_unlabelled_run_makes_an_unlabelled_set(made_of):
    unlabelled = made_of("unlabelled", "data.labels=False", "total_kimg=0.016")
    for output in ("set", "set.npz"):
        assert synthesize.main([f"--workdir={unlabelled}", "--card=none", "--num=9", f"--output={output}"]) == 0
    source = data.open({"name": "folder", "path": "set"})
    assert (len(source), source.info.label_kind) == (9, "none")
    np.testing.assert_array_equal(source.arrays.images,
                                  data.open({"name": "npz", "path": "set.npz"}).arrays.images)
    for option in ("--per_class=3", "--fill=max"):
        with pytest.raises(InputError, match="this run was trained without: say --num=N"):
            synthesize.main([f"--workdir={unlabelled}", option, "--output=other"])
    with pytest.raises(InputError, match="trained without: leave it out"):
        synthesize.main([f"--workdir={unlabelled}", "--num=3", "--confidence=0.5", "--output=other"])


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools, as NumPy 2 sees it
def test_scenes_are_a_coco_data_set(synthesized):
    coco_lib = pytest.importorskip("pycocotools.coco")
    Path("photos").mkdir()
    for number, level in enumerate((40, 90)):
        images.save_png(np.full((30, 50, 3), level, np.uint8), Path("photos", f"{number}.png"))
    synthesized("--scenes=6", "--size=48x64", "--count=2-4", "--scale=0.3-0.5", "--overlap=0", "--cut=whole",
                "--backgrounds=photos", "--masks", "--labels=0,2", "--output=set")
    coco = coco_lib.COCO("set/annotations.json")
    assert [each["name"] for each in coco.loadCats(coco.getCatIds())] == ["0", "1", "2"]
    manifest = manifest_of("set/manifest.json")
    seeds = {entry["seed"]: entry["label"] for entry in manifest["images"]}
    assert len(coco.getImgIds()) == 6
    for entry, number in zip(manifest["scenes"], coco.getImgIds()):
        about, = coco.loadImgs(number)
        picture = images.load_png(Path("set/images", about["file_name"]))
        assert (about["height"], about["width"]) == picture.shape[:2] == (48, 64)
        masks = images.load_png(Path("set/masks", about["file_name"]))[..., 0]
        annotations = coco.loadAnns(coco.getAnnIds(number))
        assert 2 <= len(annotations) + entry["left_out"] <= 4
        assert len(annotations) == entry["objects"] >= 1
        assert np.median(picture[masks == 0]) == (40, 90)[entry["background"]]
        for index, each in enumerate(annotations, 1):
            mask = coco.annToMask(each).astype(bool)
            np.testing.assert_array_equal(mask, masks == index)
            assert mask.sum() == each["area"]
            x, y, width, height = each["bbox"]
            assert mask[y:y + height, x:x + width].sum() == each["area"]
            assert mask[y].any()
            assert mask[:, x].any()
            assert seeds[each["seed"]] + 1 == each["category_id"]
            assert 0.3 * 48 - 2 <= max(width, height) <= 0.5 * 48 + 2
    assert set(seeds.values()) == {0, 2}
    assert images.load_png("set/preview.png").shape[2] == 3


def test_the_card_says_how_good_useful_and_private_a_set_is(run, synthesized):
    out = synthesized("--per_class=12", "--output=set", card="full")
    assert "Wrote its card: set/card.html" in out
    card, manifest = manifest_of("set/card.json"), manifest_of("set/manifest.json")
    assert (card["images"], card["run"]["step"], card["training_data"]["name"]) == (36, 40, "three")
    assert [each["generated"] for each in card["classes"]] == [12] * 3
    opened = OPENED(run, "latest", None, False)
    made = labelled.source_of(place.Place(Path("set")), manifest["images"], opened.info)
    with Cache(default_folder()) as cache, Cache(None) as apart:
        choices = choose(["fd", "prdc", "authpct", "nn_ratio"], opened.info, "classifier")
        judge = Judge(opened.real, opened.unseen, choices, cache, apart)
        expected = {result.short: result.value for choice in choices
                    for result in judge.measure(choice, [Input("this set", "generated", made)], 0)}
    found = {each["short"]: each["value"] for each in (*card["quality"]["results"], *card["privacy"]["results"])}
    assert found == pytest.approx(expected)
    assert card["quality"]["held_out"]["n"] == sum(COUNTS)
    assert [each["n_real"] for each in card["quality"]["coverage_by_class"]] == list(COUNTS)
    assert [(row["trained_on"], row["n"]) for row in card["usefulness"]["results"]] == [
        ("this set", 36), ("the real training images", sum(COUNTS)), ("both", 36 + sum(COUNTS))]
    assert card["usefulness"]["tested_on"]["held_out"] is True
    assert all(0 <= row["balanced_accuracy"] <= 1 for row in card["usefulness"]["results"])
    page = Path("set/card.html").read_text()
    for text in ("36 generated images of 8×8×1", "Usefulness", "fd36_classifier", "Privacy"):
        assert text in page
    assert not re.search(r"(src|href)=\"http", page)
    assert "Its card is there, too" in synthesized("--per_class=12", "--output=set", card="full")


def test_a_card_tells_of_copies(run):
    """The training images themselves as a set: all of them copies, useful, and of no privacy."""
    opened = OPENED(run, "latest", None, False)
    real = materialise(opened.real.source)
    doubled = ArraySource(*(np.concatenate([each, each[:3]]) for each in real), opened.info)
    with Cache(None) as cache:
        card, pictures = cards.measured(opened, doubled, opened.info.class_names, "pixels", cache, lambda what: None)
    assert card["privacy"]["copies_of_training_images"] == sum(COUNTS) + 3
    assert card["privacy"]["repeated_in_this_set"] == 3
    assert {each["short"]: each["value"] for each in card["privacy"]["results"]}["authpct"] == 0
    assert [each["coverage"] for each in card["quality"]["coverage_by_class"]] == [1.0] * 3
    assert pictures.nearest[0].others[0][0] == 0
    assert [len(row.images) for row in pictures.generated] == [12, 12, 8]


@pytest.mark.parametrize(("options", "message"), [
    (["--output=set"], "One of the arguments --per_class --num --fill --scenes is required"),
    (["--per_class=0", "--output=set"], "--per_class=0: give a number from 1"),
    (["--per_class=2", "--labels=1,7", "--output=set"], "--labels=1,7: 7 is too large; the largest is 2"),
    (["--fill=8", "--output=set"], "--fill=8: each of these classes has 8 real images or more already"),
    (["--fill=most", "--output=set"], "--fill=most: give a number of images from 1, or max"),
    (["--per_class=2", "--with_real", "--output=set"], "--with_real goes with --fill"),
    (["--num=2", "--labels=1", "--output=set"], "--num has classes as often as in the data"),
    (["--num=2", "--seed=-1", "--output=set"], "--seed=-1: give a number from 0"),
    (["--num=2", "--reject=100", "--output=set"], "--reject=100: give a percentile"),
    (["--num=2", "--confidence=1", "--output=set"], "--confidence=1: give a probability between 0 and 1"),
    (["--num=2", "--val=0.5", "--test=0.5", "--output=set"], "leave a share for training"),
    (["--num=2", "--cutoff=2", "--output=set"], "--cutoff goes with --truncation"),
    (["--num=2", "--count=1-3", "--output=set"], "--count goes with --scenes"),
    (["--num=2", "--output=set.zip"], "write to a folder .* or to a .npz"),
    (["--num=2", "--output=no/set.npz"], "name a file in a folder that exists"),
    (["--scenes=2", "--output=set.npz"], "--scenes writes one folder"),
    (["--scenes=2", "--size=big", "--output=set"], "--size=big: give pixels from 8 to 8192"),
    (["--scenes=2", "--count=3-1", "--output=set"], "--count=3-1: give a number, or two"),
    (["--scenes=2", "--count=0-4", "--output=set"], "--count=0-4: give whole numbers from 1"),
    (["--scenes=2", "--scale=0.5-2", "--output=set"], "--scale=0.5-2: give shares above 0"),
    (["--scenes=2", "--overlap=2", "--output=set"], "--overlap=2: give a number from 0"),
    (["--scenes=2", "--backgrounds=no/photos", "--output=set"], "--backgrounds=no/photos: There is no such folder"),
])
def test_mistakes_are_answered(options, message, run):
    with pytest.raises(InputError, match=message):
        synthesize.main([f"--workdir={run}", *options])
    assert not Path("set").exists()
