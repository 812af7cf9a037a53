"""The package's small classifier, trained in as many steps whatever it learns from, and its scores."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.ndimage import map_coordinates
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from jaxgan import compilation, keys
from jaxgan.data.source import Arrays
from jaxgan.metrics import classifier
from jaxgan.typing import Array, PyTree

STEPS, BATCH, LEARNING_RATE = 400, 32, 3e-3
SHIFT, TURN, ZOOM = 1 / 14, 15.0, 0.15  # of the sides, in degrees, a share: the most that `moved` changes
SETTINGS = {"recipe": classifier.RECIPE, "steps": STEPS, "batch": BATCH, "learning_rate": LEARNING_RATE,
            "shift": SHIFT, "turn": TURN, "zoom": ZOOM}


class Lesson(NamedTuple):
    """What is learned from. chances: of each image to be drawn, summing to 1. weights: of their losses. geometric:
    whether each image is moved a little whenever it is drawn."""

    images: np.ndarray
    labels: np.ndarray
    chances: np.ndarray
    weights: np.ndarray
    geometric: bool = False


def plain(part: Arrays) -> Lesson:
    """Every image as often, and as much, as any other."""
    count = len(part.images)
    return Lesson(part.images, part.labels, np.full(count, 1 / count), np.ones(count, np.float32))


def weighted(lesson: Lesson) -> Lesson:
    """The losses of each class weigh as much as those of any other; 1 on average."""
    return lesson._replace(weights=(len(lesson.labels) * _balanced(lesson.labels)).astype(np.float32))


def oversampled(lesson: Lesson) -> Lesson:
    """Each class is drawn as often as any other."""
    return lesson._replace(chances=_balanced(lesson.labels))


def geometric(lesson: Lesson) -> Lesson:
    return lesson._replace(geometric=True)


def joined(first: Arrays, second: Arrays) -> Lesson:
    """Half of what is drawn is of the first, half of the second, however many there are of each."""
    lessons = plain(first), plain(second)
    images, labels, chances, weights = (np.concatenate(both) for both in list(zip(*lessons))[:4])
    return Lesson(images, labels, chances / 2, weights)


def _balanced(labels: np.ndarray) -> np.ndarray:
    counts = np.bincount(labels)
    return (1 / (np.count_nonzero(counts) * counts[labels])).astype(np.float64)


def learn(lesson: Lesson, num_classes: int, seed: int) -> PyTree:
    """Weights for `jaxgan.metrics.classifier.classify`."""
    rng = np.random.default_rng([seed, 2])
    images = classifier.scale(lesson.images)
    drawn = rng.choice(len(images), (STEPS, BATCH), p=lesson.chances)
    init, step = _program(num_classes)
    state = init(keys.root(seed), images[drawn[0]])
    for rows in drawn:
        batch = images[rows]
        if lesson.geometric:
            batch = _mover()(batch, rng.uniform(-1, 1, (BATCH, 4)).astype(np.float32))
        state = step(state, batch, lesson.labels[rows], lesson.weights[rows])
    return {name: jax.tree.map(np.asarray, state[name]) for name in ("params", "batch_stats")}


@functools.cache
def _program(num_classes: int) -> tuple[Callable, Callable]:
    def loss(outputs: dict[str, Array], labels: Array, weights: Array) -> Array:
        return jnp.mean(weights * optax.softmax_cross_entropy_with_integer_labels(outputs["logits"], labels))
    return classifier.program(classifier.Network(num_classes), loss, STEPS, LEARNING_RATE)


@functools.cache
def _mover() -> Callable:
    return compilation.jit(moved)


def moved(images: Array, numbers: Array) -> Array:
    """Each image [H, W, C] shifted, turned and zoomed by its four numbers, in [-1, 1] of the most; beyond its edge the
    edge goes on. numbers: [B, 4]."""
    def one(image: Array, number: Array) -> Array:
        sides = jnp.array(image.shape[:2])[:, None, None]
        middle = (sides - 1) / 2
        y, x = jnp.mgrid[:image.shape[0], :image.shape[1]] - middle
        angle, zoom = jnp.radians(TURN) * number[2], 1 + ZOOM * number[3]
        turned = jnp.stack([jnp.cos(angle) * y - jnp.sin(angle) * x, jnp.sin(angle) * y + jnp.cos(angle) * x])
        places = turned / zoom + middle + SHIFT * sides * number[:2, None, None]
        return jax.vmap(lambda plane: map_coordinates(plane, list(places), 1, mode="nearest"), -1, -1)(image)
    return jax.vmap(one)(images, numbers)


def scores(weights: PyTree, part: Arrays) -> dict[str, float]:
    """Balanced accuracy and the area under the ROC curve, of many classes the mean of each against the rest."""
    chances = softmax(classifier.classify(weights, part.images)["logits"].astype(np.float64), axis=1)
    said = chances[:, 1] if chances.shape[1] == 2 else chances
    return {"balanced_accuracy": float(balanced_accuracy_score(part.labels, chances.argmax(1))),
            "auc": float(roc_auc_score(part.labels, said, multi_class="ovr", average="macro"))}
