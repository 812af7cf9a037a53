"""What a set is to hold: how many images of which class, and of which class each seed is."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxgan.data import Info
from jaxgan.errors import InputError
from jaxgan.inputs import pictures
from jaxgan.trained import Trained


class Plan(NamedTuple):
    """counts: images wanted of each class; under None all of them where there are no classes. labels_of: uint32 seeds
    [N] -> a label each, [N] or [N, L]; None for unlabelled generators."""

    counts: Mapping[int | None, int]
    labels_of: Callable[[np.ndarray], np.ndarray] | None


def per_class(counts: Mapping[int, int], first: int) -> Plan:
    """So many of each class: seeds from `first` on are of these classes in turn."""
    classes = np.asarray(list(counts), np.int32)
    return Plan(counts, lambda seeds: classes[(seeds.astype(np.int64) - first) % len(classes)])


def in_proportion(run: Trained, count: int, first: int) -> Plan:
    """`count` images, their classes as often as in the data: those that jaxgan.sample gives the first seeds."""
    if run.info.label_kind != "class":
        return Plan({None: count}, run.draw_labels)
    drawn = np.bincount(run.draw_labels(np.arange(first, first + count)), minlength=run.info.num_classes)
    return Plan({label: int(number) for label, number in enumerate(drawn) if number}, run.draw_labels)


def filled(have: np.ndarray, target: int | None, classes: Sequence[int], first: int) -> Plan:
    """What classes lack of `target` images; None is as many as the largest class has. have: images of each class."""
    wanted = int(have.max()) if target is None else target
    missing = {label: wanted - int(have[label]) for label in classes if have[label] < wanted}
    if not missing:
        raise InputError(f"--fill={target or 'max'}: each of these classes has {wanted:,} real images or more already, "
                         f"the smallest {int(min(have[label] for label in classes)):,}: ask for more, or leave it.")
    return per_class(missing, first)


def balanced(count: int, classes: Sequence[int], first: int) -> Plan:
    """`count` images of these classes, as evenly as that goes."""
    each, more = divmod(count, len(classes))
    wanted = {label: each + (place < more) for place, label in enumerate(classes)}
    return per_class({label: number for label, number in wanted.items() if number}, first)


def class_counts(run: Trained) -> np.ndarray:
    """Images of each class in the run's training data, int [num_classes]."""
    return np.bincount(pictures(run.real.source).labels(), minlength=run.info.num_classes)


def folder_names(info: Info) -> list[str]:
    """A folder for each class: its name where that is one for files, too; numbers as wide as the longest, so that they
    have one order for every reader."""
    names = list(info.class_names) or [str(label) for label in range(info.num_classes)]
    if all(name.isascii() and name.isdigit() for name in names):
        return [name.zfill(max(map(len, names))) for name in names]
    safe = ["".join(each if each.isalnum() or each in " -_" else "_" for each in name).strip() for name in names]
    twice = len(set(map(str.lower, safe))) < len(safe) or not all(safe)
    return [f"{label}_{name}".rstrip("_") if twice else name for label, name in enumerate(safe)]
