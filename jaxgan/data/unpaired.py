"""Images of two kinds, none of which belongs to another (CycleGAN, Zhu et al. 2017)."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxgan import catalogue
from jaxgan.data.source import CHUNK, Arrays, EncodedSource, Info, Source, read, settled
from jaxgan.errors import InputError


def unpaired(*, of: str | Mapping[str, Any], classes: Sequence[str] | None = None,
             open: Callable[[Any], Source]) -> Source:
    """Images of two classes, each an image of the first class above one of the second, [2 H, W, C], and its own label.

    of: where the images come from: any other data with classes, such as a folder with a subfolder of each kind.
    classes: the names of the two, where there are more. There are as many examples as images of the larger class, and
    which image stands beside which is drawn once and for all; those of the smaller class stand in several.
    """
    source = open(of)
    first, second = chosen(source.info, classes)
    kinds = np.concatenate([read(source, range(start, min(start + CHUNK, len(source)))).labels
                            for start in range(0, len(source), CHUNK)])
    rows = [np.flatnonzero(kinds == kind) for kind in (first, second)]
    count = max(map(len, rows))
    upper, lower = (shuffled(each, count, stream) for stream, each in enumerate(rows))
    height, width, channels = source.info.shape

    def load(indices: Sequence[int]) -> Arrays:
        chosen = np.asarray(indices)
        made = np.concatenate([read(source, side[chosen]).images for side in (upper, lower)], axis=1)
        return Arrays(made, made)

    shape = (2 * height, width, channels)
    info = dataclasses.replace(source.info, shape=shape, label_kind="image", label_shape=shape, num_classes=0,
                               class_names=tuple(source.info.class_names[kind] for kind in (first, second)),
                               label_frequencies=(), splits={"train": count})
    return settled(EncodedSource(load, count, info, threaded=False))


def chosen(info: Info, classes: Sequence[str] | None) -> tuple[int, int]:
    """The numbers of two classes. Raises InputError where they are not there, or it is not said which of more."""
    if info.label_kind != "class" or len(info.class_names) < 2:
        raise InputError(f"config.data.of: {info.name} has no two classes to translate between: put the images of each "
                         "kind into a subfolder of its own.")
    names = info.class_names if classes is None else tuple(map(str, classes))
    if len(names) != 2 or names[0] == names[1]:
        raise InputError(f"config.data.classes: name two of the {len(info.class_names)} classes to translate between, "
                         f"such as --config.data.classes=\"{info.class_names[:2]}\".")
    for name in names:
        if name not in info.class_names:
            raise InputError(f"config.data.classes: {info.name} has no class {name!r}. "
                             f"{catalogue.suggest(name, info.class_names, 'Classes')}")
    return info.class_names.index(names[0]), info.class_names.index(names[1])


def shuffled(rows: np.ndarray, count: int, stream: int) -> np.ndarray:
    """`count` of these rows, one permutation of them after another."""
    if not len(rows):
        raise InputError("config.data.classes: there is no image of one of the two. Choose others.")
    # Raw bits are promised to be the same in every numpy.
    bits = (np.random.Philox(np.random.SeedSequence([stream, number])).random_raw(len(rows))
            for number in range(math.ceil(count / len(rows))))
    return np.concatenate([rows[np.argsort(each, kind="stable")] for each in bits])[:count]
