"""Scenes of digits, a small detector, and its average precision."""

import contextlib
import functools
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.special import expit, softmax

from experiments.campaign import command, done
from jaxgan import compilation, images, keys, synthesize
from jaxgan.data.source import Arrays
from jaxgan.layers.convolution import Conv
from jaxgan.layers.norm import BatchNorm
from jaxgan.metrics import classifier
from jaxgan.synthesis import coco, making, scenes
from jaxgan.synthesis.cutouts import iou
from jaxgan.synthesis.journal import Journal
from jaxgan.typing import Array, PyTree

LOOK = ("--size=64", "--count=2-4", "--scale=0.3-0.45")  # of scenes, whatever their digits are
NAMES = "0123456789"
CLASSES = len(NAMES)
CELL = 8  # pixels of a side of the places where an object's centre may be; the network halves three times
TYPICAL = 24.0  # pixels: the side of a box at output 0
LAYERS = ((16, 2), (32, 2), (64, 2), (64, 1), (64, 1))  # (width, stride)
STEPS, BATCH, LEARNING_RATE, BOX_WEIGHT = 1500, 32, 3e-3, 2.0
LEAST_SCORE, SAME = 0.01, 0.5  # of what is told; the IoU from which on two boxes of a class are of one object
SETTINGS = {"look": LOOK, "layers": LAYERS, "steps": STEPS, "batch": BATCH, "learning_rate": LEARNING_RATE,
            "box_weight": BOX_WEIGHT}

Box = tuple[int, float, list[float]]  # class, score, [x, y, width, height]


class Scenes(NamedTuple):
    """images: uint8 [N, H, W, 1]. boxes: what is to be found in each, its score being 1. document: annotations.json."""

    images: np.ndarray
    boxes: Sequence[Sequence[Box]]
    document: Mapping[str, Any]


def of_digits(folder: Path, digits: Arrays, count: int, seed: int) -> Scenes:
    """Scenes of given digits, drawn with replacement and composed by what composes those of jaxgan.synthesize."""
    settings = synthesize.scene_settings(synthesize.parse(
        ["--workdir=none", "--output=none", f"--scenes={count}", f"--seed={seed}", *LOOK]))
    rows = np.random.default_rng([seed, 5]).choice(len(digits.images), int(settings.counts().sum()))
    for row in np.unique(rows):
        images.save_png(digits.images[row], folder / "objects" / f"{row}.png")
    objects = [{"file": f"objects/{row}.png", "seed": row, "label": int(digits.labels[row])} for row in rows.tolist()]
    made = scenes.write_scenes(folder, Journal(folder, {}, folder.name), settings, 1, objects, None, making.silent)
    document = coco.document(made, settings.size, NAMES, "", "scenes of real digits")
    (folder / "annotations.json").write_text(json.dumps(document))
    return read(folder)


def of_run(run: Path, count: int, seed: int) -> Scenes:
    """Scenes of what a run generates."""
    output = run.parent / f"scenes{count}"
    done(command("synthesize", f"--workdir={run}", f"--output={output}", "--card=none", f"--scenes={count}",
                 f"--seed={seed}", *LOOK))
    return read(output)


def read(folder: Path) -> Scenes:
    document = json.loads((folder / "annotations.json").read_text())
    pictures = [images.load_png(folder / "images" / each["file_name"]) for each in document["images"]]
    boxes: list[list[Box]] = [[] for _ in pictures]
    for each in document["annotations"]:
        boxes[each["image_id"] - 1].append((each["category_id"] - 1, 1.0, each["bbox"]))
    return Scenes(np.stack(pictures), boxes, document)


def first_half(each: Scenes) -> Scenes:
    count = len(each.images) // 2
    return each._replace(images=each.images[:count], boxes=each.boxes[:count])


class Detector(nn.Module):
    """For each cell of CELL pixels: the logit of an object's centre being in it, those of its class, and its box."""

    @nn.compact
    def __call__(self, image: Array, *, train: bool) -> Array:
        x = image
        for width, stride in LAYERS:
            x = nn.relu(BatchNorm()(Conv(width, 3, stride=stride, use_bias=False)(x), train=train))
        return Conv(1 + CLASSES + 4, 1)(x)


def targets(each: Scenes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """present float32 [N, h, w]; label int32 [N, h, w]; box float32 [N, h, w, 4]: where in its cell the centre is, in
    shares of the cell, and the logarithms of width and height in units of TYPICAL."""
    shape = len(each.images), *(side // CELL for side in each.images.shape[1:3])
    present, label, box = np.zeros(shape, np.float32), np.zeros(shape, np.int32), np.zeros((*shape, 4), np.float32)
    for number, wanted in enumerate(each.boxes):
        for name, _, (x, y, width, height) in wanted:
            across, down = (x + width / 2) / CELL, (y + height / 2) / CELL
            place = number, int(down), int(across)
            present[place], label[place] = 1, name
            box[place] = across % 1, down % 1, np.log(width / TYPICAL), np.log(height / TYPICAL)
    return present, label, box


def learn(parts: Sequence[Scenes], seed: int) -> PyTree:
    """The weights of a detector of all these scenes."""
    rng = np.random.default_rng([seed, 4])
    pictures = classifier.scale(np.concatenate([each.images for each in parts]))
    wanted = [np.concatenate(arrays) for arrays in zip(*map(targets, parts))]
    init, step = _program()
    state = init(keys.root(seed), pictures[:BATCH])
    for rows in rng.integers(len(pictures), size=(STEPS, BATCH)):
        state = step(state, pictures[rows], *(part[rows] for part in wanted))
    return {name: state[name] for name in ("params", "batch_stats")}


@functools.cache
def _program() -> tuple[Callable, Callable]:
    def loss(outputs: Array, present: Array, label: Array, box: Array) -> Array:
        centre = optax.sigmoid_binary_cross_entropy(outputs[..., 0], present)
        kind = optax.softmax_cross_entropy_with_integer_labels(outputs[..., 1:1 + CLASSES], label)
        where = outputs[..., 1 + CLASSES:]
        where = jnp.concatenate([jax.nn.sigmoid(where[..., :2]), where[..., 2:]], -1)
        off = jnp.abs(where - box).sum(-1)
        return jnp.sum(centre + present * (kind + BOX_WEIGHT * off)) / jnp.sum(present)
    return classifier.program(Detector(), loss, STEPS, LEARNING_RATE)


@functools.cache
def _looker() -> Callable:
    return compilation.jit(lambda weights, pictures: Detector().apply(weights, pictures, train=False))


def find(weights: PyTree, pictures: np.ndarray) -> list[list[Box]]:
    """What the detector sees in scenes uint8 [N, H, W, 1], the surest first."""
    outputs = np.concatenate([np.asarray(_looker()(weights, classifier.scale(pictures[start:start + 100])))
                              for start in range(0, len(pictures), 100)])
    return [_seen(output) for output in outputs]


def _seen(output: np.ndarray) -> list[Box]:
    """The boxes of one scene; of those of a class that overlap, the surest."""
    kinds = softmax(output[..., 1:1 + CLASSES], axis=-1)
    sure = expit(output[..., 0]) * kinds.max(-1)
    kept: list[Box] = []
    for flat in np.argsort(-sure, axis=None, kind="stable"):
        down, across = place = np.unravel_index(flat, sure.shape)
        if sure[place] < LEAST_SCORE:
            break
        kind, where = int(kinds[place].argmax()), output[place][1 + CLASSES:]
        x, y = (np.array([across, down]) + expit(where[:2])) * CELL
        width, height = TYPICAL * np.exp(where[2:])
        box = [float(value) for value in (x - width / 2, y - height / 2, width, height)]
        if all(other != kind or iou(box, there) < SAME for other, _, there in kept):
            kept.append((kind, float(sure[place]), box))
    return kept


def average_precision(each: Scenes, seen: Sequence[Sequence[Box]]) -> float:
    """AP at an IoU of 0.5, the mean of the classes, as pycocotools measures it."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    said = [{"image_id": number, "category_id": kind + 1, "bbox": box, "score": score}
            for number, found in enumerate(seen, 1) for kind, score, box in found]
    if not said:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dict(each.document)
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(said), "bbox")
        judge.params.iouThrs = np.array([0.5])
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][0, :, :, 0, -1]  # recall, class; of any size, and as many as there are
    return float(precision[precision > -1].mean())
