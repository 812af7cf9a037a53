"""Runs to make pages of."""

import json

import numpy as np
import pytest

from jaxgan import images
from jaxgan.reporting.page.portrait import Finding, Frame, Near, Neighbours, Plane, Portrait, Row
from jaxgan.reporting.page.run import run_page

DATA = {"name": "digits", "shape": [8, 8, 1], "num_classes": 2, "class_names": ["zero", "one"],
        "splits": {"train": 90}, "licence": "CC BY 4.0", "kind": "image", "label_kind": "class", "skipped": [],
        "label_frequencies": [0.5, 0.5], "content_hash": "ab" * 32}
ENVIRONMENT = {"jaxgan": "0.1.0", "python": "3.11.7", "packages": {"jax": "0.10.2"}, "platform": "Linux",
               "cpu_count": 2, "backend": "cpu", "devices": ["cpu"], "processes": 1, "data": DATA}


def history(count):
    """Lines of a log: curves that go somewhere."""
    rng = np.random.default_rng(0)
    rows = [{"step": 10 * i, "kimg": 0.64 * i, "d/loss": 1.4 - i / count / 2 + rng.random() / 5,
             "g/loss": 0.7 + rng.random() / 5, "d/sign_real": 0.6, "d/sign_fake": -0.8,
             "d/logit_real": 0.5, "d/logit_fake": -0.5, "d/grad_norm": 3 * rng.random(),
             "g/grad_norm": rng.random(), "eval/fd1000_pixels8": 9.0 - 5 * i / count, "images_per_second": 900.0 + i}
            for i in range(1, count + 1)]
    rows[count // 2] |= {"g/loss": float("nan"), "finding/starved": "D is right about everything."}
    return rows


@pytest.fixture(scope="session")
def long_page(portrait):
    """The page of a run with 500 lines of log and 50 grids of 64 colour images, coarse noise, and an explorer."""
    return run_page(portrait(records=500, frames=50, side=32, channels=3))


@pytest.fixture(scope="session")
def portrait():
    """`portrait(num_records, num_frames, side, **fields)` -> a run with something of everything."""
    def make(records=40, frames=5, side=8, channels=1, **fields):
        rng = np.random.default_rng(0)

        def noise(*shape):
            coarse = rng.integers(0, 256, (*shape, side // 4, side // 4, channels), np.uint8)
            return coarse.repeat(4, axis=-2).repeat(4, axis=-3)
        config = {"seed": 3, "total_kimg": 0.64 * records, "batch_size": 64, "num_critic": 1, "loss": "hinge",
                  "generator": {"name": "dcgan", "width": 8}, "discriminator": {"name": "dcgan"}}
        options = {"seed": 3, "loss": "hinge", "generator.name": "dcgan", "generator.width": 8,
                   "metrics": ["fd_pixels"]}
        run = Portrait(
            name="dcgan-digits", config=config, options=options, environment=ENVIRONMENT, records=history(records),
            differences=[("generator.width", 8, None), ("loss", "hinge", "non_saturating")], total_steps=10 * records,
            parameters={"generator": 95_900}, scores={}, commands={"Resume": "python -m jaxgan.main --config=c.json"},
            frames=[Frame(f"step {10 * i}", noise(64)) for i in range(frames)],
            findings=[Finding("starved", "D is right about everything.", 200, 200, 1)], real=noise(64),
            classes=[Row("zero", noise(8)), Row("one", noise(8))], walks=[Row("seed 0 → 1", noise(9))],
            neighbours=Neighbours([Near("seed 0", noise(), [(1.5, noise()), (2.5, noise())])], 2.0, 90),
            plane=Plane("class", {name: {psi: noise(11, 11) for psi in ("none", "0.7")} for name in ("zero", "one")},
                        4.0, "Drag over the map."))
        return run._replace(**fields)
    return make


@pytest.fixture
def written(tmp_path):
    """`written(config, environment, records, pictures)` -> the folder of a run, without weights."""
    from jaxgan import config as config_lib

    def make(config, data=DATA, records=(), pictures=()):
        run = tmp_path / "run"
        (run / "samples").mkdir(parents=True)
        (run / "config.json").write_text(config_lib.to_json(config))
        (run / "environment.json").write_text(json.dumps(ENVIRONMENT | {"data": data}))
        (run / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        for step, picture in pictures:
            images.save_png(picture, run / "samples" / f"step{step:08d}.png")
        return run
    return make
