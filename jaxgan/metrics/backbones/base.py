"""The contract of a backbone: the network whose features a metric compares."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxgan.typing import Array, PyTree


class Backbone(NamedTuple):
    """name, resizer, weights_sha256: what the protocol records; a score never drops them.

    name: "inception", "dinov2-vits14", "classifier", "pixels", "random" ... resizer: how images reach the network's
    size: "tf1", "clean", "torch" ..., "none". weights_sha256: of the file of weights, or of the data and recipe that
    they follow from; "" without weights.
    prepare(image_u8 [B, H, W, C], C of 1, 3 or 4) -> float32 [B, h, w, c], on the host, the same bytes for every batch
    size. apply(weights, prepared) -> {"pool": [B, D] float32, and where there are such, "logits" [B, K],
    "spatial" [B, S]}: traced once a batch size, on any device.
    """

    name: str
    resizer: str
    weights_sha256: str
    weights: PyTree
    prepare: Callable[[np.ndarray], np.ndarray]
    apply: Callable[[PyTree, Array], dict[str, Array]]
