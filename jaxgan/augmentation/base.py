"""The contract of an augmentation."""

from collections.abc import Callable
from typing import NamedTuple

from jaxgan.typing import Array, PyTree


class Augmentation(NamedTuple):
    """A differentiable change of what the discriminator sees, real and fake alike.

    init: () -> state. apply: (state, image [B, H, W, C], key) -> image, which may leave [-1, 1]; each image has its own
    random numbers. control: (state, sign, num_images) -> state, called once a discriminator turn with the mean sign of
    its logits on real images; most parts only count, or return the state.
    mix: (state, real, fake, key) -> what is shown to the discriminator as real in its own update, before `apply`; None
    where the real batch is itself. `fake` are images of the current generator for the same labels, without gradient.
    """

    init: Callable[[], PyTree]
    apply: Callable[[PyTree, Array, Array], Array]
    control: Callable[[PyTree, Array, int], PyTree]
    mix: Callable[[PyTree, Array, Array, Array], Array] | None = None
