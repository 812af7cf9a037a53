"""StackedMNIST: three MNIST digits as the three channels of an image, 1,000 modes that can be counted.

(Metz et al. 2017; the metric `stacked_modes` counts them.)
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxgan.data.source import Arrays, EncodedSource, Source, check_choice, read, settled
from jaxgan.data.tfds import tfds
from jaxgan.errors import InputError

BASE = 10  # digits


def stacked_mnist(*, split: str = "train", num_examples: int = 128_000, seed: int = 0, dir: str | None = None,
                  labels: bool = True, resolution: int | Sequence[int] | None = None, channels: int | None = None,
                  resize: str = "lanczos") -> Source:
    """`num_examples` images of digits drawn from a split of MNIST, with replacement; label 100 r + 10 g + b.

    Example i follows from (split, seed, i) alone. MNIST is looked for as `tfds` does, in `dir`. labels=False leaves the
    labels out.
    """
    check_choice(channels, (None, 3), "channels")
    if num_examples < 1 or seed < 0:
        raise InputError("config.data: stacked_mnist needs num_examples from 1 and seed from 0; "
                         f"got num_examples={num_examples}, seed={seed}.")
    digits = tfds(dataset="mnist", split=split, dir=dir, resolution=resolution, channels=1, resize=resize)
    # Raw bits are promised to be the same in every numpy; 2**64 is as good as a multiple of the number of digits.
    bits = np.random.Philox(np.random.SeedSequence(seed)).random_raw(3 * num_examples)
    rows = (bits % np.uint64(len(digits))).astype(np.int64).reshape(-1, 3)
    classes = read(digits, np.arange(len(digits))).labels
    modes = (classes[rows] @ BASE ** np.arange(3)[::-1]).astype(np.int32)

    def load(indices: Sequence[int]) -> Arrays:
        chosen = np.asarray(indices)
        stacked = read(digits, rows[chosen].ravel()).images.reshape(len(chosen), 3, *digits.info.shape[:2])
        return Arrays(np.moveaxis(stacked, 1, 3), modes[chosen] if labels else None)

    info = dataclasses.replace(digits.info, name="stacked_mnist", shape=(*digits.info.shape[:2], 3), num_classes=0,
                               class_names=(), splits=dict.fromkeys(digits.info.splits, num_examples),
                               label_kind="none", label_frequencies=())
    if labels:
        shares = np.bincount(modes, minlength=BASE**3) / num_examples
        info = dataclasses.replace(info, num_classes=BASE**3, label_kind="class",
                                   label_frequencies=tuple(shares.tolist()),
                                   class_names=tuple(f"{mode:03}" for mode in range(BASE**3)))
    return settled(EncodedSource(load, num_examples, info, threaded=False))
