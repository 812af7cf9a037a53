"""Scenes as a COCO data set: boxes, masks as run lengths, categories; and a picture that shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import jaxgan
from jaxgan.images import MARGIN, font, grid
from jaxgan.synthesis.cutouts import box_of

SHOWN_SIDE = 448  # pixels: what scenes of the preview are magnified up to
TINT = 0.35  # of a mask's colour
COLOURS = ("#e6194b", "#2f7ed8", "#2e9e4f", "#c2700a", "#8e3fc9", "#0e8c8c", "#c9379d", "#6b7a1e", "#8a5a2b", "#4b5bd6",
           "#b3475e", "#3b7d5d")  # of categories, all dark enough for white text


def annotation(mask: np.ndarray) -> dict[str, Any]:
    """bbox [x, y, width, height], area, segmentation of a mask bool [H, W], in pixels."""
    top, left, height, width = box_of(mask)
    return {"bbox": [left, top, width, height], "area": int(mask.sum()), "segmentation": run_lengths(mask),
            "iscrowd": 0}


def run_lengths(mask: np.ndarray) -> dict[str, list[int]]:
    """COCO's uncompressed RLE: lengths of runs down the columns, one column after another, of 0 first.

    Polygons would fill the holes that a 0 or a ring has.
    """
    flat = mask.T.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def decoded(segmentation: Mapping[str, Any]) -> np.ndarray:
    """The mask bool [H, W] of `run_lengths`."""
    counts = segmentation["counts"]
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return flat.reshape(segmentation["size"][::-1]).T


def instances(masks: Sequence[np.ndarray], shape: Sequence[int]) -> np.ndarray:
    """One picture of up to 255 masks: 0 where there is no object, i on the i-th from 1 on; uint8 [H, W]."""
    picture = np.zeros(shape[:2], np.uint8)
    for number, mask in enumerate(masks, 1):
        picture[mask] = number
    return picture


def document(scenes: Sequence[Mapping[str, Any]], size: Sequence[int], categories: Sequence[str], licence: str,
             description: str) -> dict[str, Any]:
    """annotations.json. scenes: {"file", "annotations"} each, the class of an annotation under "label"; categories are
    numbered from 1, as COCO has it. `seed` is of the generator, and no part of the format."""
    pictures, annotations = [], []
    for number, scene in enumerate(scenes, 1):
        pictures.append({"id": number, "file_name": scene["file"].partition("/")[2], "width": size[1],
                         "height": size[0], "license": 1})
        for each in scene["annotations"]:
            rest = {key: value for key, value in each.items() if key != "label"}
            annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": each["label"] + 1,
                                **rest})
    return {"info": {"description": description, "version": jaxgan.__version__, "contributor": "jaxgan.synthesize"},
            "licenses": [{"id": 1, "name": licence, "url": ""}],
            "images": pictures, "annotations": annotations,
            "categories": [{"id": label + 1, "name": name, "supercategory": "object"}
                           for label, name in enumerate(categories)]}


def preview(scenes: Sequence[np.ndarray], annotations: Sequence[Sequence[Mapping[str, Any]]],
            categories: Sequence[str], columns: int = 3) -> np.ndarray:
    """Scenes uint8 [N, H, W, C] with their masks tinted, their boxes, and the names of their classes."""
    return grid(np.stack([drawn(scene, each, categories) for scene, each in zip(scenes, annotations, strict=True)]),
                min(columns, len(scenes)), pad=6, scale=1)


def drawn(scene: np.ndarray, annotations: Sequence[Mapping[str, Any]], categories: Sequence[str]) -> np.ndarray:
    """One scene, magnified where it is small, with what is annotated; RGB."""
    scale = max(1, SHOWN_SIDE // max(scene.shape[:2]))
    pixels = np.repeat(scene, 3, axis=2) if scene.shape[2] == 1 else scene[..., :3]
    pixels = pixels.astype(np.float32)
    for each in annotations:
        mask = decoded(each["segmentation"])
        pixels[mask] = (1 - TINT) * pixels[mask] + TINT * np.float32(_rgb(_colour(each["label"])))
    paper = Image.fromarray(np.round(pixels).astype(np.uint8).repeat(scale, 0).repeat(scale, 1))
    draw = ImageDraw.Draw(paper)
    boxes, tags = [[scale * value for value in each["bbox"]] for each in annotations], []
    for each, (left, top, width, height) in zip(annotations, boxes):
        draw.rectangle((left, top, left + width - 1, top + height - 1), outline=_colour(each["label"]), width=2)
    for each, box in zip(annotations, boxes):
        others = [other for other in boxes if other is not box]
        tags.append(_tag(draw, paper.size, box, categories[each["label"]], _colour(each["label"]), tags, others))
    return np.asarray(paper)


def _tag(draw: ImageDraw.ImageDraw, size: Sequence[int], box: Sequence[int], name: str, colour: str,
         tags: Sequence[Sequence[int]], boxes: Sequence[Sequence[int]]) -> list[int]:
    """Writes a class's name at its box, where no other name and if it can be no other box is; returns the place it
    takes."""
    face = font(15)
    width, height = min(round(face.getlength(name)) + MARGIN, size[0]), 20
    left, top, wide, high = box
    places = [(left, top - height), (left, top + high), (left, top), (left + wide - width, top - height),
              (left + wide - width, top + high), (left + wide, top), (left - width, top)]
    inside = [(min(max(x, 0), size[0] - width), min(max(y, 0), size[1] - height)) for x, y in places]
    x, y = min(inside, key=lambda place: (sum(_meet((*place, width, height), other) for other in tags),
                                          sum(_meet((*place, width, height), other) for other in boxes)))
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    draw.text((x + MARGIN // 2, y + height // 2), name, fill="white", font=face, anchor="lm")
    return [x, y, width, height]


def _meet(one: Sequence[int], other: Sequence[int]) -> bool:
    return all(one[place] < other[place] + other[place + 2] and other[place] < one[place] + one[place + 2]
               for place in (0, 1))


def _colour(label: int) -> str:
    return COLOURS[label % len(COLOURS)]


def _rgb(colour: str) -> list[int]:
    return [int(colour[place:place + 2], 16) for place in (1, 3, 5)]
