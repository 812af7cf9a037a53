"""What a page knows of a run: everything it shows, and nothing that computes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np


class Finding(NamedTuple):
    """Something that went wrong, or may: what the doctor called it and said last, and at which steps."""

    name: str
    text: str
    first: int
    last: int
    times: int


class Frame(NamedTuple):
    """The picture of one step: images uint8 [N, H, W, C] of the fixed seeds, or for points one drawing [H, W, C]."""

    label: str
    picture: np.ndarray


class Row(NamedTuple):
    """Images uint8 [N, H, W, C] that belong together, with a name."""

    name: str
    images: np.ndarray


class Near(NamedTuple):
    """A sample uint8 [H, W, C], and the real images nearest to it with their distances."""

    name: str
    image: np.ndarray
    others: Sequence[tuple[float, np.ndarray]]


class Neighbours(NamedTuple):
    """usual: how far a real image lies from the nearest other real one, as a median. num_real: compared with."""

    rows: Sequence[Near]
    usual: float
    num_real: int


class Plane(NamedTuple):
    """Images along two directions of the code: variant -> truncation -> uint8 [count, count, H, W, C], the second
    direction upwards. what: what the variants are. reach: how far the edges are, in standard deviations."""

    what: str
    variants: Mapping[str, Mapping[str, np.ndarray]]
    reach: float
    words: str


class Portrait(NamedTuple):
    """One run. differences: (key, value, default) of every option that is not its default. options: all of them, flat.
    scores: file -> results of jaxgan.evaluate. notes: what could not
    be drawn, and why. commands: what each does -> the command."""

    name: str
    config: Mapping[str, Any]
    differences: Sequence[tuple[str, Any, Any]]
    options: Mapping[str, Any]
    environment: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]
    total_steps: int
    parameters: Mapping[str, int]
    frames: Sequence[Frame]
    findings: Sequence[Finding]
    scores: Mapping[str, Sequence[Mapping[str, Any]]]
    commands: Mapping[str, str]
    real: np.ndarray | None = None
    classes: Sequence[Row] = ()
    walks: Sequence[Row] = ()
    neighbours: Neighbours | None = None
    plane: Plane | None = None
    notes: Sequence[str] = ()

    @property
    def step(self) -> int:
        """The last one that was logged."""
        return self.records[-1]["step"] if self.records else 0
