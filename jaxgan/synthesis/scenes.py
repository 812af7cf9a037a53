"""Scenes with generated objects on them, in the layout of COCO: images/, annotations.json, and masks/ where wanted."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan.data import Source
from jaxgan.data.source import read
from jaxgan.errors import InputError
from jaxgan.images import load_png, save_png
from jaxgan.synthesis import coco, cutouts
from jaxgan.synthesis.journal import Journal
from jaxgan.synthesis.labelled import Entry, Report
from jaxgan.synthesis.settings import Settings

SHOWN = 9  # scenes in the picture of them
BLOCK = 32  # scenes between two lines of the journal


def write_scenes(folder: Path, journal: Journal, settings: Settings, channels: int, objects: Sequence[Entry],
                 photos: Source | None, report: Report) -> list[dict[str, Any]]:
    """The scenes that are not there yet, of objects whose images lie in `folder`. photos: backgrounds, of the scenes'
    shape; None for made ones. A scene follows from the settings, its number and the objects."""
    scenes = [scene for line in journal.lines for scene in line.get("scenes", ())]
    counts = settings.counts()
    order = np.random.default_rng([settings.seed, 1]).permutation(len(objects))
    ends, new = np.cumsum(counts), []
    for number in range(len(scenes), settings.num):
        chosen = [objects[place] for place in order[ends[number] - counts[number]:ends[number]]]
        new.append(_scene(folder, settings, channels, number, chosen, photos))
        if len(new) == BLOCK or number == settings.num - 1:
            journal.append({"scenes": new})
            scenes, new = scenes + new, []
            report(len(scenes), settings.num)
    if not any(scene["annotations"] for scene in scenes):
        raise InputError(f"None of the {len(objects):,} objects could be placed: ask for larger ones (--scale) or less "
                         "--feather.")
    return scenes


def _scene(folder: Path, settings: Settings, channels: int, number: int, chosen: Sequence[Entry],
           photos: Source | None) -> dict[str, Any]:
    """Makes and writes one scene."""
    rng = np.random.default_rng([settings.seed, 2, number])
    sides = np.maximum(2, np.round(rng.uniform(*settings.scale, len(chosen)) * min(settings.size))).astype(int)
    pieces = [cutouts.scaled(cutouts.cut(load_png(folder / entry["file"]), settings.cut), int(side), settings.feather)
              for entry, side in zip(chosen, sides)]
    place = None
    if photos is None:
        ground = cutouts.GROUNDS[settings.backgrounds]((*settings.size, channels), rng)
        ground = cutouts.against(ground, pieces)
    else:
        place = int(rng.integers(len(photos)))
        ground = read(photos, [place]).images[0].astype(np.float32)
    picture, placed = cutouts.compose(ground, pieces, settings.overlap, rng)
    name = f"scene{number:06d}.png"
    save_png(picture, folder / "images" / name)
    if settings.masks:
        save_png(coco.instances([each.mask for each in placed], picture.shape), folder / "masks" / name)
    classes = [entry.get("label", 0) for entry in chosen]
    annotations = [{"label": 0 if isinstance(classes[each.index], list) else classes[each.index],
                    **coco.annotation(each.mask), "seed": chosen[each.index]["seed"]} for each in placed]
    digest = hashlib.sha256((folder / "images" / name).read_bytes()).hexdigest()
    return {"file": f"images/{name}", "sha256": digest, "background": place,
            "left_out": len(chosen) - len(placed), "annotations": annotations}


def preview(folder: Path, scenes: Sequence[dict[str, Any]], categories: Sequence[str]) -> np.ndarray:
    """The first scenes, with what is annotated."""
    shown = scenes[:SHOWN]
    return coco.preview([load_png(folder / scene["file"]) for scene in shown],
                        [scene["annotations"] for scene in shown], categories)
