"""How different two images look to a network: a distance made like LPIPS (Zhang et al. 2018), which it is not.

LPIPS weighs the features of AlexNet or VGG by what people judged. Here the network is the small classifier of
`jaxgan.metrics.classifier`, trained on the true images at hand, and all features weigh the same. Its numbers can be
compared where the true images are the same, and never with published ones.
"""

import functools
import math
from collections.abc import Callable

import numpy as np

from jaxgan import compilation
from jaxgan.layers.norm import BatchNorm
from jaxgan.metrics import classifier
from jaxgan.typing import Array, PyTree

BATCH = 64
TINY = 1e-10  # added to lengths, as in LPIPS: where nothing responds, nothing differs


class Perceptual:
    """`distance(images, others)` of uint8 images [N, H, W, C] of any size, by the weights of a classifier.

    digest: sha256 (hex) of those.
    """

    def __init__(self, weights: PyTree):
        self.weights, self.digest = weights, classifier.digest(weights)

    def __call__(self, images: np.ndarray, others: np.ndarray) -> np.ndarray:
        """float64 [N], from 0 to 2, the mean over layers: of unit feature vectors, the squared distance at each place,
        averaged over the image. Larger images are looked at in patches, at the size they have."""
        compare, found = _compare(), []
        one, other = patches(images), patches(others)
        for start in range(0, len(one), BATCH):
            pair = [classifier.prepare(side[start:start + BATCH]) for side in (one, other)]
            padding = [(0, BATCH - len(pair[0]))] + [(0, 0)] * 3
            distances = np.asarray(compare(self.weights, *(np.pad(side, padding) for side in pair)), np.float64)
            found.append(distances[:len(pair[0])])
        return np.concatenate(found).reshape(len(images), -1).mean(axis=1)


def learned(images: np.ndarray, labels: np.ndarray | None = None, seed: int = 0) -> Perceptual:
    """The distance by a classifier trained here and now on patches of uint8 images [N, H, W, C]: to tell their labels,
    int [N], apart, or without such, clusters of its own. Takes seconds to a minute."""
    parts = patches(images)
    classes = labels is not None and np.ndim(labels) == 1 and len(np.unique(labels)) > 1
    labels = np.repeat(labels, len(parts) // len(images)) if classes else None
    if len(parts) == 1:  # a classifier wants two
        parts, labels = np.repeat(parts, 2, axis=0), np.repeat(labels, 2) if classes else None
    count = int(np.max(labels)) + 1 if classes else 0
    return Perceptual(classifier.train_classifier(parts, labels, count, seed=seed))


def patches(images: np.ndarray) -> np.ndarray:
    """Images [N, H, W, C] cut into as few equal patches as cover them, of at most the 64 pixels a side that the
    classifier looks at: [N P, h, w, C], those of an image after one another."""
    side = classifier.MAX_SIDE
    height, width = (min(size, side) for size in images.shape[1:3])
    tops, lefts = (np.linspace(0, size - part, math.ceil(size / side)).round().astype(int)
                   for size, part in zip(images.shape[1:3], (height, width)))
    parts = [images[:, top:top + height, left:left + width] for top in tops for left in lefts]
    return np.stack(parts, axis=1).reshape(-1, height, width, images.shape[3])


def maps(weights: PyTree, prepared: Array) -> list[Array]:
    """What each convolution of the classifier responds, [B, h, w, F], after its norm and ReLU."""
    network = classifier.Network(weights["params"]["head"]["kernel"].shape[1])
    _, caught = network.apply(weights, prepared, train=False, mutable=["intermediates"],
                              capture_intermediates=lambda module, _: isinstance(module, BatchNorm))
    outputs = [values["__call__"][0] for _, values in sorted(caught["intermediates"].items())]
    return [output.clip(0) for output in outputs if output.ndim == 4]


@functools.cache
def _compare() -> Callable[[PyTree, Array, Array], Array]:
    def compare(weights: PyTree, one: Array, other: Array) -> Array:
        total, layers = 0.0, list(zip(maps(weights, one), maps(weights, other)))
        for pair in layers:
            ours, theirs = (side / ((side**2).sum(axis=-1, keepdims=True) ** 0.5 + TINY) for side in pair)
            total += ((ours - theirs) ** 2).sum(axis=-1).mean(axis=(1, 2))
        return total / len(layers)

    return compilation.jit(compare)
