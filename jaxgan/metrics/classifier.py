"""A small classifier learned from the data themselves, for what ImageNet has never seen: digits, X-rays, textures.

    weights = train_classifier(images_u8, labels, num_classes, seed=0)      # labels None: it finds classes of its own
    outputs = classify(weights, images_u8)                                  # {"pool": [N, 64], "logits": [N, K]}

The same images, labels and seed give the same weights on one kind of machine. Training takes seconds to a minute on
two cores: the number of steps follows the number of images, within bounds; at most 20,000 images, drawn at random, and
64 pixels a side are looked at.
"""

import functools
import hashlib
from collections.abc import Callable

import flax.linen as nn
import jax
import numpy as np
import optax

from jaxgan import compilation, keys
from jaxgan.errors import InputError
from jaxgan.layers.convolution import Conv
from jaxgan.layers.norm import BatchNorm
from jaxgan.metrics.kmeans import kmeans
from jaxgan.metrics.pixels import shrink
from jaxgan.typing import Array, PyTree

RECIPE = "classifier-1"  # part of the identity of the weights: to be changed with anything that changes them
WIDTH = 64               # of the features
MAX_SIDE = 64            # pixels; larger images are box-averaged
BATCH = 128
MAX_IMAGES = 20_000
EPOCHS, MIN_STEPS, MAX_STEPS = 10, 300, 1000
LEARNING_RATE = 3e-3
NUM_CLUSTERS = 32        # pseudo-classes of unlabelled data


class Network(nn.Module):
    """Convolutions of stride 2 down to at most 4×4, a dense layer whose output is `pool`, and the classes' logits."""

    num_classes: int

    @nn.compact
    def __call__(self, image: Array, *, train: bool) -> dict[str, Array]:
        x = image
        for width in (32, 64, 96, 96):
            x = nn.relu(BatchNorm()(Conv(width, 3, stride=2, use_bias=False)(x), train=train))
            if max(x.shape[1:3]) <= 4:
                break
        x = nn.Dense(WIDTH, use_bias=False)(x.reshape(len(x), -1))
        pool = nn.relu(BatchNorm()(x, train=train))
        return {"pool": pool, "logits": nn.Dense(self.num_classes, name="head")(pool)}


def train_classifier(images_u8: np.ndarray, labels: np.ndarray | None, num_classes: int, *, seed: int) -> PyTree:
    """Weights of a `Network`, in NumPy arrays: {"params": ..., "batch_stats": ...}.

    images_u8: uint8 [N, H, W, C] of any size. labels: int [N] in [0, num_classes). Where they are None, or vectors
    [N, L], the classes to be told apart are clusters of the images averaged down to 8×8 (k-means, up to 32 of them):
    a prediction under shifts that needs no labels and, unlike rotations, holds for digits and X-rays too. Features
    learned so see layout and strokes; they are weaker than those learned from labels. num_classes is then 0.
    """
    if images_u8.dtype != np.uint8 or images_u8.ndim != 4 or len(images_u8) < 2:
        raise InputError(f"The classifier learns from at least two uint8 images [N, H, W, C]; got {images_u8.dtype} "
                         f"{images_u8.shape}.")
    labels = None if labels is None or np.ndim(labels) > 1 else np.asarray(labels, np.int32)
    if labels is not None and not (len(labels) == len(images_u8) and 0 <= labels.min() <= labels.max() < num_classes):
        raise InputError(f"The classifier needs a label from 0 to {num_classes - 1} for each of {len(images_u8)} "
                         f"images; got {len(labels)} from {labels.min()} to {labels.max()}.")
    rng = np.random.default_rng([seed, 7])
    rows = np.sort(rng.permutation(len(images_u8))[:MAX_IMAGES])
    images = fit(images_u8[rows])
    labels = clusters(images, rng) if labels is None else labels[rows]
    num_classes = max(num_classes, int(labels.max()) + 1)
    num_steps = int(np.clip(EPOCHS * len(images) // BATCH, MIN_STEPS, MAX_STEPS))
    init, step = _program(num_classes, num_steps)
    state = init(keys.root(seed), scale(images[:BATCH]))
    epochs = -(-num_steps * BATCH // len(images))
    order = np.concatenate([rng.permutation(len(images)) for _ in range(epochs)])
    for index in range(num_steps):
        rows = order[index * BATCH:(index + 1) * BATCH]
        state = step(state, scale(shifted(images[rows], rng)), labels[rows])
    return jax.tree.map(np.asarray, {name: state[name] for name in ("params", "batch_stats")})


def classify(weights: PyTree, images_u8: np.ndarray, batch: int = 256) -> dict[str, np.ndarray]:
    """{"pool": float32 [N, 64], "logits": float32 [N, K]} of uint8 images [N, H, W, C], C as in training."""
    run, made = _inference(), []
    for start in range(0, len(images_u8), batch):
        part = prepare(images_u8[start:start + batch])
        padded = np.concatenate([part, np.zeros((batch - len(part), *part.shape[1:]), part.dtype)])
        made.append({name: np.asarray(value)[:len(part)] for name, value in run(weights, padded).items()})
    return {name: np.concatenate([outputs[name] for outputs in made]) for name in ("pool", "logits")}


def accuracy(weights: PyTree, images_u8: np.ndarray, labels: np.ndarray) -> float:
    """Share of images whose largest logit is that of their label."""
    return float(np.mean(classify(weights, images_u8)["logits"].argmax(1) == labels))


def learner(seed: int) -> Callable[..., PyTree]:
    """`learn(source, examples)` -> weights for examples() -> (images_u8, labels, num_classes).

    It remembers its last `source` and does not learn from the same object twice: a metric that is repeated on other
    fakes learns from its real images once.
    """
    last: list = [None, None]

    def learn(source: object, examples: Callable[[], tuple[np.ndarray, np.ndarray, int]]) -> PyTree:
        if last[0] is not source:
            last[:] = source, train_classifier(*examples(), seed=seed)
        return last[1]
    return learn


def digest(weights: PyTree) -> str:
    """sha256 (hex) over names, shapes and bytes of the arrays."""
    hashed = hashlib.sha256()
    for path, leaf in jax.tree.leaves_with_path(weights):
        hashed.update(f"{jax.tree_util.keystr(path)}{leaf.dtype}{leaf.shape}".encode())
        hashed.update(np.ascontiguousarray(leaf))
    return hashed.hexdigest()


def prepare(images_u8: np.ndarray) -> np.ndarray:
    """uint8 images -> what `apply` takes: float32 in [-1, 1], at most 64 pixels a side."""
    return scale(fit(images_u8))


def apply(weights: PyTree, prepared: Array) -> dict[str, Array]:
    """`pool` and `logits` of prepared images; the number of classes is read from the weights."""
    num_classes = weights["params"]["head"]["kernel"].shape[1]
    return Network(num_classes).apply(weights, prepared, train=False)


def fit(images_u8: np.ndarray) -> np.ndarray:
    """The images where they are small, else box-averaged to at most 64 pixels a side; uint8 either way."""
    height, width, channels = images_u8.shape[1:]
    if max(height, width) <= MAX_SIDE:
        return np.asarray(images_u8)
    size = (min(height, MAX_SIDE), min(width, MAX_SIDE), channels)
    parts = [shrink(images_u8[start:start + 64], MAX_SIDE) for start in range(0, len(images_u8), 64)]
    return np.round(np.concatenate(parts) * 255).astype(np.uint8).reshape(-1, *size)


def scale(images_u8: np.ndarray) -> np.ndarray:
    return images_u8.astype(np.float32) / np.float32(127.5) - 1


def shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each image moved by up to 1/14 of its size in each direction, its edge pixels repeated."""
    places = []
    for size in images.shape[1:3]:
        offsets = rng.integers(-(size // 14), size // 14 + 1, len(images))
        places.append(np.clip(np.arange(size) + offsets[:, None], 0, size - 1))
    rows, columns = places
    return images[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]


def clusters(images_u8: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A pseudo-class for each image, int [N]."""
    points = np.concatenate([shrink(images_u8[start:start + 1024], 8) for start in range(0, len(images_u8), 1024)])
    return kmeans(points, min(NUM_CLUSTERS, max(2, len(points) // 16)), rng)[1]


@functools.cache
def _program(num_classes: int, num_steps: int) -> tuple[Callable, Callable]:
    def loss(outputs: dict[str, Array], labels: Array) -> Array:
        return optax.softmax_cross_entropy_with_integer_labels(outputs["logits"], labels).mean()
    return program(Network(num_classes), loss, num_steps, LEARNING_RATE)


def program(network: nn.Module, loss: Callable[..., Array], num_steps: int,
            learning_rate: float) -> tuple[Callable, Callable]:
    """init(key, images) -> state, and step(state, images, *wanted) -> state.

    Adam on loss(outputs, *wanted) of a network with BatchNorm, its rate rising to `learning_rate` and falling again
    over `num_steps`. The state holds "params" and "batch_stats" beside the optimizer's.
    """
    optimizer = optax.adam(optax.cosine_onecycle_schedule(num_steps, learning_rate))

    def init(key: Array, images: Array) -> PyTree:
        variables = network.init(key, images, train=True)
        return {**variables, "optimizer": optimizer.init(variables["params"])}

    def step(state: PyTree, images: Array, *wanted: Array) -> PyTree:
        def objective(params):
            variables = {"params": params, "batch_stats": state["batch_stats"]}
            outputs, changed = network.apply(variables, images, train=True, mutable="batch_stats")
            return loss(outputs, *wanted), changed
        gradients, changed = jax.grad(objective, has_aux=True)(state["params"])
        updates, moments = optimizer.update(gradients, state["optimizer"])
        return {"params": optax.apply_updates(state["params"], updates), "optimizer": moments, **changed}

    return compilation.jit_once(init), compilation.jit(step, donate_argnums=0)


@functools.cache
def _inference() -> Callable:
    return compilation.jit(apply)
