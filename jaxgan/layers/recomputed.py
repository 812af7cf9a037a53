"""Trading time for memory: blocks whose inside the backward pass computes again instead of keeping it."""

from collections.abc import Callable

import flax.linen as nn

from jaxgan.typing import Array


def recomputed(remat: bool, block: Callable[..., Array], module: nn.Module, *inputs: Array | None) -> Array:
    """`block(module, *inputs)`: with `remat` only the inputs are kept for the backward pass, and the rest is computed
    again there. The same values and variables; about a third more time, and memory for one block instead of all."""
    return nn.remat(block)(module, *inputs) if remat else block(module, *inputs)
