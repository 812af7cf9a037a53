"""Tables of images that share something: styles of two seeds, or one seed in every class."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxgan.images import sheet, to_uint8
from jaxgan.latents.sampling import Sampler
from jaxgan.typing import PyTree

PARTS = ("coarse", "middle", "fine")


class Parents(NamedTuple):
    """Seeds and their codes, w [N, rows, w_dim]."""

    seeds: Sequence[int]
    codes: np.ndarray


def thirds(num_rows: int) -> dict[str, range]:
    """The rows of w that feed the smallest maps, those of middle size and the largest: a third each."""
    parts = np.array_split(np.arange(num_rows), len(PARTS))
    return {name: range(part[0], part[-1] + 1) for name, part in zip(PARTS, parts) if len(part)}


def mixed(base: np.ndarray, styles: np.ndarray, rows: range) -> np.ndarray:
    """Every w of `base` [A, rows, D] with those rows from every w of `styles` [B, rows, D]: [A, B, rows, D]."""
    found = np.repeat(base[:, None], len(styles), axis=1)
    found[:, :, rows.start:rows.stop] = styles[None, :, rows.start:rows.stop]
    return found


def mixing(sampler: Sampler, weights: PyTree, base: Parents, styles: Parents, parts: Mapping[str, range],
           title: str) -> np.ndarray:
    """A picture: style mixing (Karras et al. 2019, section 3.1).

    Above, the images of `styles`; on the left, those of `base`; between them, those of `base` that have the rows of w
    which each part names from the styles above.
    """
    above, left = (to_uint8(sampler.synthesize(weights, parent.codes)) for parent in (styles, base))
    blank = np.full_like(above[:1], 255)
    rows, table = ["styles from"], [np.concatenate([blank, above])]
    for name, taken in parts.items():
        codes = mixed(base.codes, styles.codes, taken)
        made = to_uint8(sampler.synthesize(weights, codes.reshape(-1, *codes.shape[2:])))
        made = made.reshape(*codes.shape[:2], *made.shape[1:])
        rows += [f"seed {seed} · {name}" for seed in base.seeds]
        table += [np.concatenate([own[None], others]) for own, others in zip(left, made)]
    return sheet(np.stack(table), rows, ["itself", *(f"seed {seed}" for seed in styles.seeds)], title)


def part_name(name: str, rows: range) -> str:
    """`"coarse, rows 0–1"`."""
    which = f"row {rows.start}" if len(rows) == 1 else f"rows {rows.start}–{rows.stop - 1}"
    return f"{name}, {which}" if name else which


def by_class(sampler: Sampler, weights: PyTree, seeds: Sequence[int], codes: Sequence[np.ndarray],
             classes: Sequence[int], names: Sequence[str], title: str) -> np.ndarray:
    """A picture: a row a seed, a column a class. codes: of all seeds, for one class after the other."""
    made = [to_uint8(sampler.synthesize(weights, each, np.full(len(seeds), label, np.int32)))
            for each, label in zip(codes, classes)]
    return sheet(np.stack(made, axis=1), [f"seed {seed}" for seed in seeds], names, title)
