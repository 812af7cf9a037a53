"""Of seeds one after another, those whose images are wanted and pass what they have to pass."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxgan.errors import InputError
from jaxgan.images import to_uint8
from jaxgan.synthesis.plan import Plan

LARGEST_BLOCK = 256  # images made between two lines of the journal
BLOCK_BYTES = 1 << 26  # of their floats
SCAN = 1024  # seeds looked at together for their labels
PATIENCE = 2000  # images of a class that may be refused before one is kept
MOST_TRIES = 1000  # for each image kept thereafter


class Gate(NamedTuple):
    """What images have to pass. judge(made float32 [N, H, W, C], seeds [N], labels) -> (values [N], keep bool [N]).

    column: what the manifest calls the values; None where there are none. facts: what it is, for the manifest.
    """

    option: str
    column: str | None
    facts: Mapping[str, Any]
    judge: Callable[[np.ndarray, np.ndarray, np.ndarray | None], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass
class Progress:
    """How far a search is: the next seed; of each class of the plan the images kept, and those that were tried."""

    next: int
    kept: list[int]
    tried: list[int]


class Kept(NamedTuple):
    """Images of a block: uint8 [N, H, W, C], seeds, labels or None, and what the gates said of them, by column."""

    images: np.ndarray
    seeds: np.ndarray
    labels: np.ndarray | None
    values: Mapping[str, np.ndarray]


def begin(plan: Plan, first: int) -> Progress:
    return Progress(first, [0] * len(plan.counts), [0] * len(plan.counts))


def search(plan: Plan, make: Callable[[np.ndarray, np.ndarray | None], np.ndarray], gates: Sequence[Gate],
           shape: Sequence[int], progress: Progress) -> Iterator[tuple[Kept, Progress]]:
    """Blocks of images until the plan is fulfilled, each with the progress after it.

    make(seeds, labels) -> float32 images. Which images come follows from the plan, the gates and `progress` alone: from
    the progress after any block the same blocks follow. Raises InputError where a class is hardly ever kept.
    """
    size = int(np.clip(BLOCK_BYTES // (4 * np.prod(shape)), 1, LARGEST_BLOCK))
    wanted = list(plan.counts.values())
    while progress.kept != wanted:
        seeds, labels, places, following = _candidates(plan, progress, size, bool(gates))
        made = make(seeds, labels)
        keep, values = np.ones(len(seeds), bool), {}
        for gate in gates:
            found, passed = gate.judge(made, seeds, labels)
            keep &= passed
            values |= {} if gate.column is None else {gate.column: found}
        kept, tried, rows = list(progress.kept), list(progress.tried), []
        for row, place in enumerate(places):
            if kept[place] < wanted[place]:
                tried[place] += 1
                kept[place] += int(keep[row])
                rows += [row] * int(keep[row])
        progress = Progress(following, kept, tried)
        yield Kept(to_uint8(made[rows]), seeds[rows], None if labels is None else labels[rows],
                   {column: found[rows] for column, found in values.items()}), progress
        _check_patience(plan, progress, gates)


def _candidates(plan: Plan, progress: Progress, size: int,
                gated: bool) -> tuple[np.ndarray, np.ndarray | None, list[int], int]:
    """(The next seeds whose class still lacks images, at most `size` and hardly more than are needed; their labels; the
    places of their classes in the plan; the seed after the last that was looked at)."""
    places = {label: place for place, label in enumerate(plan.counts)}
    kept, tried = np.asarray(progress.kept), np.asarray(progress.tried)
    left = np.asarray(list(plan.counts.values())) - kept
    room = np.where(left > 0, np.ceil(left * (tried + 1) / (kept + 1)) + 16, 0) if gated else left
    room = room.astype(np.int64)
    following, seeds, labels, found = progress.next, [], [], []
    while len(found) < size and room.any():
        if following + SCAN > 2**32:
            raise InputError("There are no seeds left: begin with a lower --seed, or ask for fewer images.")
        scanned = np.arange(following, following + SCAN, dtype=np.uint32)
        drawn = plan.labels_of(scanned) if plan.labels_of else None
        for row, seed in enumerate(scanned):
            place = places[None] if None in places else places.get(int(drawn[row]), -1)
            if place >= 0 and room[place]:
                room[place] -= 1
                found.append(place)
                seeds.append(seed)
                labels.append(None if drawn is None else drawn[row])
            following += 1
            if len(found) == size or not room.any():
                break
    return (np.asarray(seeds, np.uint32), None if plan.labels_of is None else np.stack(labels), found, following)


def _check_patience(plan: Plan, progress: Progress, gates: Sequence[Gate]) -> None:
    for (label, wanted), kept, tried in zip(plan.counts.items(), progress.kept, progress.tried):
        if kept < wanted and tried >= max(PATIENCE, MOST_TRIES * (kept + 1)):
            of = "" if label is None else f" of class {label}"
            raise InputError(f"Of {tried:,} images{of} {kept:,} passed {' and '.join(gate.option for gate in gates)}, "
                             f"and {wanted:,} are wanted: ask for less, or of a better run.")
