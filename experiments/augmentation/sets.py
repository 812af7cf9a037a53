"""Real sets, and what a GAN that was trained on one makes of it."""

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.campaign import command, done
from jaxgan import config as configs
from jaxgan import data, images
from jaxgan.data.source import Arrays, materialise

CONFIG = Path(__file__).parent / "small.py"
SIDE = 16  # pixels of a digit: what a small GAN learns in a minute
POOL = "train[:10000]"  # of MNIST, which real images are drawn from: all of it takes long to decode
EMBEDDED = 1200  # of scikit-learn's digits: the training part; the rest are for testing
NORMAL = 0  # the X-rays' rare class


@functools.cache
def digits(name: str) -> tuple[Arrays, Arrays]:
    """The training and the test part of "mnist", or of scikit-learn's "digits", which have none of their own."""
    if name == "mnist":
        parts = (data.open({"name": "tfds", "dataset": "mnist", "split": split,
                            "resolution": SIDE}) for split in (POOL, "test"))
        first, second = map(materialise, parts)
        return first, second
    found = materialise(data.open({"name": "digits", "resolution": SIDE}))
    rows = np.random.default_rng(0).permutation(len(found.images))
    return taken(found, rows[:EMBEDDED]), taken(found, rows[EMBEDDED:])


@functools.cache
def xrays(path: Path) -> tuple[Arrays, Arrays]:
    """The training and the test part of MedMNIST's file."""
    first, second = (materialise(data.open({"name": "npz", "path": str(path), "split": split}))
                     for split in ("train", "test"))
    return first, second


def rare(part: Arrays, share: float) -> list[int]:
    """How many of each class there are if the normal ones are made so rare; all where they are rarer already."""
    counts = np.bincount(part.labels).tolist()
    others = sum(counts) - counts[NORMAL]
    counts[NORMAL] = min(counts[NORMAL], round(others * share / (1 - share)))
    return counts


def subset(part: Arrays, counts: Sequence[int], seed: int) -> Arrays:
    """So many of each class, drawn by the seed; a smaller subset is part of a larger one."""
    rows = [np.random.default_rng([seed, 1, label]).permutation(np.flatnonzero(part.labels == label))[:count]
            for label, count in enumerate(counts)]
    return taken(part, np.sort(np.concatenate(rows)))


def taken(part: Arrays, rows: np.ndarray) -> Arrays:
    return Arrays(part.images[rows], part.labels[rows])


def gan_settings(kind: str) -> dict[str, Any]:
    """The config of a kind of GAN but for its data and its seed."""
    config = json.loads(configs.to_json(configs.load(f"{CONFIG}:{kind}:")))
    return {name: value for name, value in config.items() if name not in ("data", "seed")}


def trained(scratch: Path, kind: str, name: str, real: Arrays, seed: int) -> Path:
    """The folder of the run that learned from these images; where there is one already, it is used."""
    digest = hashlib.sha256(json.dumps(gan_settings(kind), sort_keys=True).encode()).hexdigest()[:8]
    folder = (scratch / f"{name}-{digest}").resolve()
    with images.replacing(folder / "real.npz") as file:
        np.savez(file, train_images=real.images, train_labels=real.labels)
    done(command("main", f"--config={CONFIG}:{kind}:{folder / 'real.npz'}", f"--workdir={folder / 'run'}",
                 f"--config.seed={seed}", "--quiet"))
    return folder / "run"


def synthetic(run: Path, *options: str) -> Arrays:
    """The training part of what `jaxgan.synthesize` makes with these options."""
    output = run.parent / f"{'_'.join(option.strip('-').replace('=', '') for option in options)}.npz"
    done(command("synthesize", f"--workdir={run}", f"--output={output}", "--card=none", *options))
    return materialise(data.open({"name": "npz", "path": str(output)}))


def strip(parts: Sequence[Arrays], label: int, count: int) -> np.ndarray:
    """The first images of a class in each part: uint8 [parts, count, H, W, C]."""
    return np.stack([part.images[part.labels == label][:count] for part in parts])
