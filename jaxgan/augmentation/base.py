"""The contract of an augmentation."""

from collections.abc import Callable
from typing import NamedTuple

from jaxgan.typing import Array, PyTree


class Augmentation(NamedTuple):
    """A differentiable change of what the discriminator sees, real and fake alike.

    init: () -> state. apply: (state, image [B, H, W, C], key) -> image. control: (state, sign, num_images) -> state,
    called once a discriminator turn with the mean sign of its logits on real images; most parts return the state.
    """

    init: Callable[[], PyTree]
    apply: Callable[[PyTree, Array, Array], Array]
    control: Callable[[PyTree, Array, int], PyTree]
