"""jaxgan.enhance: a folder in, a folder out; whatever the tiles; and scores of images it is not shown."""

import json
from contextlib import closing

import jax
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from jaxgan import config as config_lib
from jaxgan import data, enhance
from jaxgan.enhancement import making
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.metrics import classifier
from jaxgan.metrics.perceptual import learned
from jaxgan.runs import RunFolder
from jaxgan.training.checkpoints import Checkpoints

PHOTO = load_sample_image("flower.jpg")[100:140, 200:270]


def untrained(path, config):
    """A run as it is before the first step."""
    source = data.open(config["data"])
    experiment = Experiment(config, source.info, jax.devices()[:1])
    folder = RunFolder(path)
    folder.prepare(config, source.info)
    with closing(Checkpoints(folder.checkpoints, folder.publish)) as checkpoints:
        checkpoints.save(experiment.parallel.gather(experiment.initial_state()), None)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, root):
    """A run of grey images made twice as large."""
    return untrained(tmp_path_factory.mktemp("runs") / "small", config_lib.load(
        f"{root}/configs/super_resolution.py:tiny", ("data.resolution=8", "batch_size=8", "generator.width=4",
                                                     "discriminator.width=4", "generator.blocks=1",
                                                     "discriminator.levels=1")))


class Unlearned:
    """In the place of the perceptual distance, which takes seconds to learn."""

    digest = "0"

    def __call__(self, images, others):
        return np.zeros(len(images))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(making, "learned", lambda *given: Unlearned())


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures of several kinds, of one size but for a part of one."""
    top = tmp_path / "given"
    (top / "deeper").mkdir(parents=True)
    alpha = np.linspace(0, 255, 70).astype(np.uint8)[None].repeat(40, axis=0)
    Image.fromarray(PHOTO).save(top / "photo.png")
    Image.fromarray(np.dstack([PHOTO, alpha])).save(top / "cut.png")
    Image.fromarray(PHOTO[:, :, 0].astype(np.uint16) * 257).save(top / "deeper" / "deep.tif")
    Image.fromarray(PHOTO).save(top / "deeper" / "old.bmp")
    return top


def test_a_folder_in_a_folder_out(run, pictures, tmp_path, capsys):
    made = {}
    for tile in ("64", "32"):
        output = tmp_path / f"made{tile}"
        assert enhance.main([f"--workdir={run}", f"--input={pictures}", f"--output={output}", f"--tile={tile}"]) == 0
        names = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
        assert names == {"photo.png", "cut.png", "deeper/deep.tif", "deeper/old.png", "before_after.png"}
        made[tile] = {name: np.asarray(Image.open(output / name)).astype(int) for name in names}
    assert "Wrote 4 pictures, 2 times as large" in capsys.readouterr().out
    for name in ("photo.png", "cut.png", "deeper/deep.tif"):
        off = np.abs(made["64"][name] - made["32"][name]).max()
        assert off <= (1 if made["64"][name].max() < 256 else 8), name  # of 255, or of 65,535
    found = made["64"]
    assert (found["photo.png"].shape, found["cut.png"].shape) == ((80, 140, 3), (80, 140, 4))
    np.testing.assert_array_equal(found["photo.png"], found["cut.png"][:, :, :3])
    np.testing.assert_array_equal(found["photo.png"], found["deeper/old.png"])
    assert found["deeper/deep.tif"].max() > 255
    np.testing.assert_allclose(found["deeper/deep.tif"] / 257, found["photo.png"][:, :, 0], atol=1)
    plain = np.asarray(Image.fromarray(PHOTO).resize((140, 80), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(found["photo.png"] - plain).mean() < 12  # an untrained network begins near interpolation
    rise = found["cut.png"][40, :, 3]
    assert (np.diff(rise) >= 0).all()


def test_it_is_measured_on_what_training_would_have_shown_it(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(making, "learned", learned)
    for name in ("MIN_STEPS", "MAX_STEPS"):
        monkeypatch.setattr(classifier, name, 3)
    arguments = [f"--workdir={run}", "--measure=digits", "--num=20"]
    for name in ("one", "other"):
        assert enhance.main([*arguments, f"--output={tmp_path / name}"]) == 0
    out = capsys.readouterr().out
    assert "interpolated" in out
    assert "so it is not LPIPS" in out
    assert "20 images of digits" in out
    one, other = (json.loads((tmp_path / name / "scores.json").read_text()) for name in ("one", "other"))
    assert one == other  # the images are spoilt the same every time
    assert 5 < one["interpolated"]["psnr"] < 40
    assert abs(one["made"]["psnr"] - one["interpolated"]["psnr"]) < 6
    assert 0 < one["interpolated"]["ssim"] < 1
    assert 0 < one["interpolated"]["perceptual"] < 2
    assert (tmp_path / "one" / "before_after.png").exists()


def test_grey_pictures_are_coloured(tmp_path, root, pictures, capsys):
    """A run that is given other channels than it makes, on pictures of every kind; and measured on pairs."""
    for folder, count in (("given", 1), ("wanted", 3)):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
        for number in range(8):
            Image.fromarray(PHOTO[:8, number:number + 8, :count].squeeze()).save(
                tmp_path / "pairs" / folder / f"{number}.png")
    run = untrained(tmp_path / "run", config_lib.load(f"{root}/configs/pix2pix.py:tiny:pairs:{tmp_path}/pairs", (
        "data.resolution=8", "batch_size=8", "generator.width=2", "discriminator.width=2")))
    output = tmp_path / "made"
    assert enhance.main([f"--workdir={run}", f"--input={pictures}", f"--output={output}"]) == 0
    assert "Wrote 4 pictures, and before_after.png" in capsys.readouterr().out
    found = {name: np.asarray(Image.open(output / name)).astype(int) for name in ("photo.png", "cut.png",
                                                                                  "deeper/deep.tif")}
    assert {name: (image.shape, image.max() < 256) for name, image in found.items()} == {
        "photo.png": ((40, 70, 3), True), "cut.png": ((40, 70, 4), True), "deeper/deep.tif": ((40, 70, 3), True)}
    np.testing.assert_array_equal(found["photo.png"], found["cut.png"][:, :, :3])
    assert np.ptp(found["photo.png"], axis=2).max() > 0
    assert enhance.main([f"--workdir={run}", f"--measure=pairs:{tmp_path}/pairs", f"--output={tmp_path}/scores"]) == 0
    assert "8 images of pairs" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"makes them from others, \[8, 8, 1\]"):
        enhance.main([f"--workdir={run}", f"--measure={tmp_path}/pairs/wanted", f"--output={tmp_path}/scores"])


def test_two_kinds_of_images_are_made_from_each_other(tmp_path, root, run, capsys):
    """Each direction has a network of its own, which sees the picture alone."""
    other = untrained(tmp_path / "run", config_lib.load(f"{root}/configs/cyclegan.py:tiny", (
        "data.of.resolution=8", "batch_size=8", "generator.width=2", "generator.blocks=1", "discriminator.width=2")))
    Image.fromarray(PHOTO[:, :, 0]).save(tmp_path / "grey.png")
    made = []
    for options, words in (((), "from 3 to 8"), (("--direction=BtoA",), "from 8 to 3")):
        output = tmp_path / str(len(made))
        assert enhance.main([f"--workdir={other}", f"--input={tmp_path}/grey.png", f"--output={output}", *options]) == 0
        assert words in capsys.readouterr().out
        made.append(np.asarray(Image.open(output / "grey.png")).astype(int))
    assert made[0].shape == made[1].shape == (40, 70)
    assert np.abs(made[0] - made[1]).max() > 1
    with pytest.raises(InputError, match="translates images that do not belong to others"):
        enhance.main([f"--workdir={other}", "--measure=digits", f"--output={tmp_path}/scores"])
    with pytest.raises(InputError, match="makes images in one direction: leave it out"):
        enhance.main([f"--workdir={run}", f"--input={tmp_path}/grey.png", f"--output={tmp_path}/x", "--direction=BtoA"])


@pytest.mark.parametrize(("options", "message"), [
    (["--input={top}", "--output={top}"], "is where the pictures are: give another folder"),
    (["--input={top}/none", "--output={top}/x"], "there is no picture there"),
    (["--input={top}", "--output={top}/photo.png"], "is a file: give a folder"),
    (["--input={top}", "--output={top}/x", "--tile=8"], "--tile=8: give 32 or more"),
    (["--output={top}/x"], "ne of the arguments --input --measure is required"),
])
def test_refusals(pictures, options, message):
    with pytest.raises(InputError, match=message):
        enhance.main(["--workdir=nowhere", *(option.format(top=pictures) for option in options)])


def test_two_pictures_of_one_name_are_refused(pictures):
    Image.fromarray(PHOTO).save(pictures / "photo.bmp")
    with pytest.raises(InputError, match="would both be written as"):
        enhance.main(["--workdir=nowhere", f"--input={pictures}", f"--output={pictures}/x"])
