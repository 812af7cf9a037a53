"""Everything that decides the future of a run, in one pytree."""

from flax import struct

from jaxgan.typing import Array, PyTree


@struct.dataclass
class Player:
    """One trained network: its parameters, its other variables (batch statistics …), its optimizer's state."""

    params: PyTree
    variables: dict[str, PyTree]
    opt_state: PyTree


@struct.dataclass
class TrainState:
    """A checkpoint is exactly this.

    step: completed updates, int32. skipped: steps' worth of data and keys that were passed over after numerical
    failures, int32; batches and keys are those of step + skipped. key: typed PRNG key, the same for the whole run.
    players: "generator", "discriminator", and whichever others a method trains. averages: name -> {"params",
    "variables"} of the generator. parts: states of regularizers and augmentations, under their names.
    """

    step: Array
    skipped: Array
    key: Array
    players: dict[str, Player]
    averages: dict[str, PyTree]
    parts: dict[str, PyTree]
