"""The backbone learned from the data themselves: see `jaxgan.metrics.classifier`."""

import hashlib

import numpy as np

from jaxgan.metrics import classifier as network
from jaxgan.metrics.backbones.base import Backbone
from jaxgan.metrics.base import Sample
from jaxgan.typing import PyTree


def classifier(real: Sample, seed: int = 0) -> Backbone:
    """Trained here and now on the real images; on their classes, where their labels are classes."""
    return build(train(real, seed), identity(real, seed))


def train(real: Sample, seed: int) -> PyTree:
    """The weights, {"params": ..., "batch_stats": ...} in NumPy arrays: what is worth keeping under `identity`."""
    labels = class_labels(real)
    return network.train_classifier(real.images, labels, 0 if labels is None else int(labels.max()) + 1, seed=seed)


def identity(real: Sample, seed: int) -> str:
    """sha256 (hex) over everything the weights follow from: images, labels, seed, and the recipe."""
    hashed = hashlib.sha256(f"{network.RECIPE} {seed} {real.images.dtype} {real.images.shape}".encode())
    for start in range(0, len(real.images), 1024):
        hashed.update(np.ascontiguousarray(real.images[start:start + 1024]))
    labels = class_labels(real)
    hashed.update(b"" if labels is None else labels.tobytes())
    return hashed.hexdigest()


def build(weights: PyTree, trained_on: str) -> Backbone:
    """The backbone of given weights. trained_on: the `identity` of their training."""
    digest = hashlib.sha256(f"{trained_on} {network.digest(weights)}".encode()).hexdigest()
    return Backbone("classifier", f"box{network.MAX_SIDE}", digest, weights, network.prepare, network.apply)


def class_labels(real: Sample) -> np.ndarray | None:
    """int32 [N], or None where there are no labels or these are vectors."""
    return None if real.labels is None or np.ndim(real.labels) > 1 else np.asarray(real.labels, np.int32)
