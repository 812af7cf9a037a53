"""Types and small records shared by every room."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from flax import struct

Array = jax.Array
PyTree = Any


@struct.dataclass
class DiscriminatorOutput:
    """What a discriminator says of a batch.

    logit: [B], unbounded; positive leans real. features: [B, F], the activations the last layer reads.
    extra: further named heads, read by the conditioning parts that asked for them.
    """

    logit: Array
    features: Array | None = None
    extra: dict[str, Array] = struct.field(default_factory=dict)


class View(NamedTuple):
    """What a regularizer or conditioning objective may look at during one update of one player.

    `generator(z, label) -> image` and `discriminator(image, label) -> DiscriminatorOutput` run in training mode with
    the parameters being differentiated, the augmentation inside `discriminator`; statistics they would update are
    dropped. Images are float32 [B, H, W, C] in [-1, 1], not augmented. `fake` carries gradient where it depends on
    `params`: in the generator's update, and in the discriminator's where it has moved the latents.
    `real_gradient()` and `fake_gradient()` are the derivatives of the summed logits of `real_output` and `fake_output`
    with respect to the images: of the passes that these came from, so that nothing is computed twice, and without a
    derivative in the images. What is of real images is None where the objective has not looked at them.
    `mapping(z, label) -> w` and `synthesis(w) -> image` are the two halves of `generator`, None where it is not made
    of two.
    """

    generator: Callable[[Array, Array | None], Array]
    discriminator: Callable[[Array, Array | None], DiscriminatorOutput]
    params: PyTree
    real: Array
    fake: Array
    label: Array | None
    z: Array
    real_output: DiscriminatorOutput | None
    fake_output: DiscriminatorOutput
    key: Array
    step: Array
    images: Array  # real images seen so far: what schedules are functions of
    mapping: Callable[[Array, Array | None], Array] | None = None
    synthesis: Callable[[Array], Array] | None = None
    real_gradient: Callable[[], Array] | None = None
    fake_gradient: Callable[[], Array] | None = None


class Prior(NamedTuple):
    """What the generator's input is drawn from: sample(key, shape) -> float32 [*shape, dim]; shape () draws one.

    codes: sizes of the codes that end each latent, for objectives that recover them; 1 is a continuous one.
    truncated: (key, shape, psi) -> the latent of the same key brought near the middle; None where there is no such.
    spherical: whether latents lie near a sphere, so that great arcs lead from one to another.
    """

    dim: int
    sample: Callable[[Array, tuple[int, ...]], Array]
    codes: tuple[int, ...] = ()
    truncated: Callable[[Array, tuple[int, ...], float], Array] | None = None
    spherical: bool = False
