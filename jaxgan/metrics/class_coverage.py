"""Which classes the fakes are of, and in what proportions: dropped modes, counted."""

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Sides
from jaxgan.metrics.checks import check_shapes
from jaxgan.metrics.classifier import classify, learner


def class_coverage(num_samples: int = 10_000) -> Metric:
    """Classes that at least one fake is taken for, and KL(fake ‖ real) of the classes predicted, in nats.

    Both sides are read by the same network, so that most of its mistakes cancel. A class that no real image is taken
    for counts half an image there, which keeps the divergence finite. The classes are the backbone's: those of the data
    with the classifier, ImageNet's with Inception.
    """
    def compute(sides: Sides, _: np.random.Generator) -> dict[str, float]:
        fake, real = (np.bincount(side.logits.argmax(1), minlength=side.logits.shape[1])
                      for side in (sides.fake, sides.real))
        return {"classes": float(np.count_nonzero(fake)),
                "class_kl": max(divergence(fake / fake.sum(), np.maximum(real, 0.5) / real.sum()), 0.0)}
    return Metric(compute, lambda values: values["class_kl"], ("logits",), num_samples)


def stacked_modes(info, num_samples: int = 26_000, seed: int = 0) -> Metric:
    """Modes found of images that stack k independent ones in their k channels, and KL(fake ‖ data) over the modes.

    StackedMNIST (Metz et al. 2017): three MNIST digits, 1,000 modes; 26,000 fakes as in PacGAN (Lin et al. 2018). One
    classifier, learned from the single channels of the real images, reads each channel of a fake; one fake is enough to
    find a mode. Labels: int, the digits of the channels in order (100 r + 10 g + b), or vectors [N, k] of them. The
    data's distribution is taken as the product of its channels' own, as it is drawn; that of MNIST is within 0.005
    nats of the uniform one that some papers compare with.
    """
    channels = info.shape[2]
    base = round(info.num_classes ** (1 / channels)) if info.label_kind == "class" else 0
    fits = info.label_kind == "class" and base**channels == info.num_classes and base > 1
    if channels < 2 or not (fits or (info.label_kind == "vector" and info.num_classes == channels)):
        raise InputError("config.metrics: stacked_modes needs images of several channels, each an image of its own, "
                         "labelled by the classes of all of them.")
    learn = learner(seed)

    def digits(labels: np.ndarray) -> np.ndarray:
        """Labels -> classes of the channels, int [N, k]."""
        if np.ndim(labels) == 2:
            return np.asarray(labels, np.int64)
        return np.asarray(labels)[:, None] // base ** np.arange(channels)[::-1] % base

    def compute(sides: Sides, _: np.random.Generator) -> dict[str, float]:
        check_shapes(sides.real, sides.fake)
        classes = digits(sides.real.labels)
        num_classes = base or int(classes.max()) + 1
        weights = learn(sides.real, lambda: (separated(sides.real.images), classes.reshape(-1), num_classes))
        predicted = classify(weights, separated(sides.fake.images))["logits"].argmax(1).reshape(-1, channels)
        place = num_classes ** np.arange(channels)[::-1]
        share = np.bincount(predicted @ place, minlength=num_classes**channels) / len(predicted)
        data = np.ones(1)
        for channel in classes.T:
            data = np.outer(data, np.bincount(channel, minlength=num_classes) / len(channel)).reshape(-1)
        return {"modes": float(np.count_nonzero(share)), "reverse_kl": divergence(share, data)}
    return Metric(compute, lambda values: values["reverse_kl"] - values["modes"], ("images", "labels"), num_samples)


def separated(images: np.ndarray) -> np.ndarray:
    """[N, H, W, C] -> [N * C, H, W, 1]: every channel an image."""
    return np.moveaxis(images, 3, 1).reshape(-1, *images.shape[1:3], 1)


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """KL(p ‖ q) in nats."""
    some = p > 0
    return float(np.sum(p[some] * np.log(p[some] / q[some])))
