"""Classification accuracy scores: what a classifier learns from the fakes, and what one sees in them."""

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Metric, Sample, Sides
from jaxgan.metrics.checks import check_shapes
from jaxgan.metrics.classifier import accuracy, learner, train_classifier


def cas(info, num_samples: int = 10_000, seed: int = 0) -> Metric:
    """GAN-train and GAN-test (Shmelkov et al. 2018), the first being the CAS of Ravuri & Vinyals (2019).

    gan_train: accuracy on held-out real images of a classifier trained on fakes and their labels; it falls with
    missing diversity and missing quality. gan_test: accuracy on fakes of one trained on real images; it falls with
    missing quality alone, and far above `real_accuracy`, that one's own on held-out images, hints at memorization.
    Shares in [0, 1]. The classifier is the small one of jaxgan.metrics.classifier, not the papers' ResNet. Without
    held-out images gan_train is measured on the real images that the fakes were learned from.
    """
    if info.label_kind != "class":
        raise InputError("config.metrics: cas needs data with class labels.")
    learn = learner(seed)

    def compute(sides: Sides, _: np.random.Generator) -> dict[str, float]:
        check_shapes(*(side for side in (sides.real, sides.fake, sides.held_out) if side is not None))
        for name, side in (("fake", sides.fake), ("real", sides.real), ("held-out", sides.held_out)):
            if side is not None and (side.labels is None or np.ndim(side.labels) != 1):
                raise InputError(f"cas needs a class label for each of the {name} images.")

        def examples(side: Sample) -> tuple[np.ndarray, np.ndarray, int]:
            return side.images, side.labels, info.num_classes
        from_fake = train_classifier(*examples(sides.fake), seed=seed)
        from_real = learn(sides.real, lambda: examples(sides.real))
        unseen = sides.real if sides.held_out is None else sides.held_out
        values = {"gan_train": accuracy(from_fake, unseen.images, unseen.labels),
                  "gan_test": accuracy(from_real, sides.fake.images, sides.fake.labels)}
        if sides.held_out is not None:
            values["real_accuracy"] = accuracy(from_real, unseen.images, unseen.labels)
        return values
    return Metric(compute, lambda values: -values["gan_train"], ("images", "labels"), num_samples)
