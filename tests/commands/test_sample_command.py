"""`python -m jaxgan.sample`: the bytes of a seed depend on nothing but the run and the seed."""

import functools
import hashlib
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxgan import images, sample
from jaxgan import trained as trained_lib
from jaxgan.data.digits import digits
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.runs import RunFolder
from jaxgan.training.checkpoints import Checkpoints

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")

# A generator with a w, of three rows.
STYLED = """
import flax.linen as nn
import jax.numpy as jnp

class Generator(nn.Module):
    image_shape: tuple
    num_classes: int = 0

    def setup(self):
        self.to_w, self.to_image = nn.Dense(3), nn.Dense(64)

    def __call__(self, z, label=None, *, train):
        return self.synthesis(self.mapping(z, label, train=train), train=train)

    def mapping(self, z, label=None, *, train, psi=1.0, cutoff=None):
        return jnp.repeat(psi * self.to_w(z)[:, None], 3, axis=1)

    def synthesis(self, w, *, train):
        return jnp.tanh(3 * self.to_image(w.reshape(len(w), -1))).reshape(-1, *self.image_shape)
"""


def restored(run, experiment):
    checkpoints = Checkpoints(run / "checkpoints", read_only=True)
    state = checkpoints.restore(checkpoints.choose("latest"), experiment.abstract_state())
    checkpoints.close()
    return state


@pytest.fixture(scope="module")
def trained(run_of, tmp_path_factory):
    """A run of 80 steps with a small ResNet generator: BatchNorm, convolutions and labels; averages stored."""
    return run_of(tmp_path_factory.mktemp("trained") / "run", "evaluate_every=0",
                  "generator={'name': 'resnet', 'width': 2}", "average_every=20",
                  "average.short={'name': 'power', 'std': 0.05}", "average.long={'name': 'power', 'std': 0.1}")


@pytest.fixture(scope="module")
def styled(run_of, tmp_path_factory):
    """A run of one step of a generator with a w, without labels."""
    folder = tmp_path_factory.mktemp("styled")
    (folder / "styled_parts.py").write_text(STYLED)
    sys.path.insert(0, str(folder))
    yield run_of(folder / "run", "evaluate_every=0", "total_kimg=0.016", "data.labels=False",
                 "generator=styled_parts:Generator")
    sys.path.remove(str(folder))
    sys.modules.pop("styled_parts")


@pytest.fixture(scope="module")
def opened():
    """`Trained` that opens a run once: its programs are compiled once, then."""
    return functools.cache(trained_lib.Trained)


@pytest.fixture
def run_in(tmp_path, monkeypatch, opened):
    """`run_in(run, *options)` samples in an empty folder; the discriminator is calibrated on few images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trained_lib, "Trained", opened)
    monkeypatch.setattr(trained_lib, "CALIBRATION_IMAGES", 128)

    def run(workdir, *options):
        assert sample.main([f"--workdir={workdir}", "--trust", *options]) == 0
    return run


def test_a_seed_is_the_same_bytes_however_it_is_made(command, trained, run_in, tmp_path):
    """Among many on eight devices, and alone on one of another process."""
    run_in(trained, "--seeds=0-63", "--output=many")
    run_in(trained, "--seeds=30-40,63", "--output=few")
    run_in(trained, "--seeds=0-63", "--output=arrays.npz")
    code, _, err = command("sample", f"--workdir={trained}", "--seeds=37", "--output=alone")
    assert code == 0, err
    listed = json.loads((tmp_path / "many" / "samples.json").read_text())["samples"]
    assert [entry["seed"] for entry in listed] == list(range(64))
    for entry in listed:
        assert hashlib.sha256((tmp_path / "many" / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]
    alone = (tmp_path / "alone" / "seed000037.png").read_bytes()
    assert alone == (tmp_path / "many" / "seed000037.png").read_bytes()
    assert alone == (tmp_path / "few" / "seed000037.png").read_bytes()
    arrays = np.load(tmp_path / "arrays.npz")
    assert arrays["images"].shape == (64, 8, 8, 1)
    assert arrays["images"].dtype == np.uint8
    assert [entry["label"] for entry in listed] == arrays["labels"].tolist()
    for seed in (0, 37, 63):
        pixels = images.load_png(tmp_path / "many" / f"seed{seed:06d}.png")
        np.testing.assert_array_equal(arrays["images"][seed], pixels)

    run_in(trained, "--seeds=0-63", "--output=grid.png")
    training = images.load_png(trained / "samples" / "step00000080.png")
    grid = images.load_png(tmp_path / "grid.png")
    np.testing.assert_array_equal(training[-grid.shape[0]:], grid)


def test_labels_and_weights_are_chosen(trained, run_in, tmp_path):
    for name, options in {"zeros": ["--labels=0"], "ones": ["--labels=1"], "all": ["--labels=0-9"],
                          "raw": ["--labels=0", "--raw"]}.items():
        run_in(trained, "--seeds=0-19", f"--output={name}.npz", *options)
    made = {name: np.load(tmp_path / f"{name}.npz") for name in ("zeros", "ones", "all", "raw")}
    assert made["all"]["labels"].tolist() == list(range(10)) * 2
    assert not np.array_equal(made["zeros"]["images"], made["ones"]["images"])
    assert not np.array_equal(made["zeros"]["images"], made["raw"]["images"])
    np.testing.assert_array_equal(made["zeros"]["images"][10], made["all"]["images"][10])


@pytest.mark.slow
def test_averages_and_statistics_are_made_afterwards(trained, run_in, tmp_path, same_bits):
    """The average of a stored width is the stored one; standing statistics change the images, each time alike."""
    config, info = RunFolder(trained).config(), RunFolder(trained).info()
    experiment = Experiment(config, info, jax.devices()[:1])
    state = restored(trained, experiment)
    store = experiment.stored_averages(RunFolder(trained).averages)
    assert store.steps() == [20, 40, 60, 80]
    made = store.reconstruct(0.1, 80)
    for one, other in zip(jax.tree.leaves(made), jax.tree.leaves(state.averages["long"])):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    between = store.reconstruct(0.07, 80)["params"]["dense"]["kernel"]
    assert not np.allclose(between, made["params"]["dense"]["kernel"], atol=1e-6)

    for name, options in {"plain": [], "wide": ["--average_std=0.1"], "fresh": ["--standing=3"],
                          "again": ["--standing=3"]}.items():
        run_in(trained, "--seeds=0-7", f"--output={name}.npz", *options)
    plain, wide, fresh, again = (np.load(tmp_path / f"{name}.npz")["images"]
                                 for name in ("plain", "wide", "fresh", "again"))
    assert not np.array_equal(plain, wide)
    assert not np.array_equal(plain, fresh)
    same_bits(fresh, again)


def test_paths_directions_and_truncation(trained, run_in, tmp_path):
    run_in(trained, "--seeds=3,1,2", "--interpolate=2", "--output=loop.gif")
    run_in(trained, "--seeds=3,1,2", "--interpolate=2", "--walk=linear", "--open", "--output=line.webp")
    for name, frames in {"loop.gif": 6, "line.webp": 5}.items():
        with Image.open(tmp_path / name) as animation:
            assert animation.n_frames == frames
    run_in(trained, "--seeds=5", "--show=sefa", "--num_directions=2", "--output=strip.png")
    assert images.load_png(tmp_path / "strip.png").shape[0] == 36 + 24 + 2 * (64 + 4) + 4
    run_in(trained, "--seeds=0-3", "--truncation=0.5", "--output=near.npz")
    run_in(trained, "--seeds=2,3", "--truncation=0.5", "--output=again.npz")
    run_in(trained, "--seeds=0-3", "--output=plain.npz")
    near, again, plain = (np.load(tmp_path / f"{name}.npz")["images"] for name in ("near", "again", "plain"))
    np.testing.assert_array_equal(near[2:], again)
    assert (near != plain).any(axis=(1, 2, 3)).all()


def tiles(path, columns, extra=0):
    """The 8x8 images of a sheet, row by row, after so many pixels of title in each."""
    picture = images.load_png(path)
    side = 64 + extra
    table = picture[36 + 24:, -(columns * 68 + 4):]
    rows = (len(table) - 4) // (side + 4)
    return np.stack([[table[4 + row * (side + 4) + extra:, 4 + column * 68:][:64:8, :64:8] for column in range(columns)]
                     for row in range(rows)])


def test_a_seed_in_every_class(trained, run_in, tmp_path):
    run_in(trained, "--seeds=5,2", "--show=classes", "--labels=3,1", "--output=classes.png")
    run_in(trained, "--seeds=5,5,2,2", "--labels=3,1", "--output=plain.npz")
    plain = np.load(tmp_path / "plain.npz")["images"]
    np.testing.assert_array_equal(tiles(tmp_path / "classes.png", 2), plain.reshape(2, 2, 8, 8, 1))


@pytest.mark.parametrize("backbone", ["pixels", "discriminator"])
def test_samples_stand_beside_real_images(backbone, trained, run_in, tmp_path):
    """Real ones they are, and by pixels the nearest of all."""
    run_in(trained, "--seeds=0-1", "--show=neighbours", f"--backbone={backbone}", "--output=near.png")
    shown = tiles(tmp_path / "near.png", 7, extra=36)
    run_in(trained, "--seeds=0-1", "--output=plain.npz")
    np.testing.assert_array_equal(shown[:, 0], np.load(tmp_path / "plain.npz")["images"])
    source = digits(resolution=8)
    real = source.read(range(len(source))).images.astype(float)
    for sample_, nearest in zip(shown[:, 0], shown[:, 1]):
        assert (real == nearest).all(axis=(1, 2, 3)).any()
        if backbone == "pixels":
            best = real[np.square(real - sample_).sum(axis=(1, 2, 3)).argmin()]
            np.testing.assert_array_equal(nearest, best)


def test_a_spectrum_is_drawn_and_its_distance_told(trained, run_in, tmp_path, capsys):
    run_in(trained, "--seeds=0-31", "--show=spectrum", "--output=spectrum.png")
    assert images.load_png(tmp_path / "spectrum.png").shape[2] == 3
    assert "spectra differ by" in capsys.readouterr().out


def test_rejected_seeds_are_passed_over_and_kept_ones_unchanged(trained, run_in, tmp_path, capsys):
    run_in(trained, "--seeds=10-15", "--labels=0-2", "--reject=60", "--output=kept")
    assert "Kept" in capsys.readouterr().out
    record = json.loads((tmp_path / "kept" / "samples.json").read_text())
    seeds, labels = ([entry[key] for entry in record["samples"]] for key in ("seed", "label"))
    assert labels == [0, 1, 2] * 2
    assert min(seeds) >= 10
    assert 0 < record["rejection"]["rate"] < 1
    assert record["rejection"]["calibration"]["accuracy"] > 0.5
    for seed, label in zip(seeds, labels):
        assert (seed - 10) % 3 == label
    experiment = Experiment(RunFolder(trained).config(), RunFolder(trained).info())
    weights = experiment.weights(restored(trained, experiment))
    made = images.to_uint8(experiment.generate(weights, seeds, np.asarray(labels, np.int32)))
    for entry, image in zip(record["samples"], made):
        np.testing.assert_array_equal(images.load_png(tmp_path / "kept" / entry["file"]), image)


def test_langevin_moves_each_seed_alone(trained, run_in, tmp_path):
    run_in(trained, "--seeds=0-2", "--labels=1", "--langevin=3", "--step_size=0.1", "--output=many.npz")
    run_in(trained, "--seeds=2", "--labels=1", "--langevin=3", "--step_size=0.1", "--output=alone.npz")
    run_in(trained, "--seeds=2", "--labels=1", "--output=plain.npz")
    many, alone, plain = (np.load(tmp_path / f"{name}.npz")["images"] for name in ("many", "alone", "plain"))
    np.testing.assert_array_equal(many[2:], alone)
    assert (alone != plain).any()


def test_styles_are_mixed_and_truncated_towards_centres(styled, run_in, tmp_path):
    run_in(styled, "--seeds=0,1", "--show=mixing", "--styles=2", "--rows=0-2", "--output=all.png")
    shown = tiles(tmp_path / "all.png", 2)
    np.testing.assert_array_equal(shown[1:, 1], np.repeat(shown[:1, 1], 2, axis=0))  # all rows are the other seed's
    run_in(styled, "--seeds=0,1", "--show=mixing", "--output=thirds.png")
    assert tiles(tmp_path / "thirds.png", 7).shape[:2] == (7, 7)
    run_in(styled, "--seeds=0-19", "--truncation=0", "--centres=2", "--output=two.npz")
    assert len(np.unique(np.load(tmp_path / "two.npz")["images"].reshape(20, -1), axis=0)) == 2
    run_in(styled, "--seeds=0-19", "--truncation=0", "--output=one.npz")
    assert len(np.unique(np.load(tmp_path / "one.npz")["images"].reshape(20, -1), axis=0)) == 1


def test_a_discriminator_that_was_not_converted_is_not_asked(styled, run_in, tmp_path):
    shutil.copytree(styled, tmp_path / "converted")
    record = json.loads((styled / "environment.json").read_text()) | {"converted": {"discriminator": None}}
    (tmp_path / "converted" / "environment.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="had no discriminator"):
        run_in(tmp_path / "converted", "--reject=50", "--output=x.png")


@pytest.mark.parametrize(("arguments", "message"), [
    (["--show=mixing", "--rows=1-3"], "the largest is 2"),
    (["--show=mixing", "--rows=0,2"], "give one range of rows"),
    (["--show=classes"], "without class labels"),
])
def test_refusals_of_a_run_with_a_w(styled, arguments, message, run_in):
    with pytest.raises(InputError, match=message):
        run_in(styled, "--output=x.png", *arguments)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--checkpoint=7"], "There are: latest, best, 60, 80"),
    (["--average_std=0.1", "--checkpoint=60", "--raw"], "not allowed with argument"),
    (["--average_std=0.4"], "lies between 0 and 0.288"),
    (["--standing=0"], "a number of batches from 1"),
    (["--interpolate=4"], "writes to a .gif, .webp or .mp4"),
    (["--interpolate=0", "--output=x.gif"], "a number of pictures from 1"),
    (["--output=x.gif"], "say --interpolate=N"),
    (["--show=sefa", "--output=x.npz"], "--show writes to a .png"),
    (["--show=sefa", "--interpolate=2"], "not allowed with argument"),
    (["--num_directions=2"], "--num_directions goes with --show=sefa or pca"),
    (["--show=mixing", "--backbone=pixels"], "--backbone goes with --show=neighbours"),
    (["--show=mixing"], "has no w; --show=classes"),
    (["--real=digits"], "--real goes with --show=neighbours or spectrum, --reject or --langevin"),
    (["--real=nowhere/x", "--show=spectrum"], "--real=nowhere/x: There is no such folder"),
    (["--walk=linear"], "--walk goes with --interpolate"),
    (["--cutoff=2"], "--cutoff goes with --truncation"),
    (["--centres=2"], "--centres goes with --truncation"),
    (["--truncation=0.5", "--centres=2"], "has no w"),
    (["--reject=100"], "a percentile from 0 to below 100"),
    (["--reject=most"], "a percentile from 0 to below 100"),
    (["--reject=50", "--seeds=1,5"], "with --reject give one range"),
    (["--reject=50", "--langevin=5"], "not allowed with argument"),
    (["--langevin=0"], "a number of steps from 1"),
    (["--langevin=5", "--truncation=0.5"], "no --truncation"),
    (["--step_size=0.1"], "--step_size goes with --langevin"),
    (["--langevin=5", "--step_size=2"], "above 0, and at most 1"),
    (["--truncation=0.5", "--cutoff=2"], "has no w"),
])
def test_refusals(trained, arguments, message, run_in, tmp_path):
    with pytest.raises(InputError, match=message):
        run_in(trained, "--output=x.png", *arguments)
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("line", re.findall(r"^python -m jaxgan\.sample (.+)$", README, flags=re.MULTILINE))
def test_the_examples_of_the_readme_are_understood(line):
    sample.check_output(sample.parse(shlex.split(line, comments=True)))
