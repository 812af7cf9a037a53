"""The contract of a conditioning part, and what several of them share."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn

from jaxgan.errors import InputError
from jaxgan.terms import Regularizer, stateless
from jaxgan.typing import Array, View

Penalty = Callable[[View], tuple[Array, dict[str, Array]]]


class Conditioning(NamedTuple):
    """What the discriminator learns to tell besides real from fake, and what the generator makes of it.

    terms: objectives, usually one for each player. heads: name -> module, called as head(features [B, F], label) ->
    array or dict of arrays, found again at DiscriminatorOutput.extra[name]; its params are the discriminator's.
    hides_label: a head is asked for the label, so the network under it must not be told: it is built without classes
    unless the config gives it some. The head itself gets the label all the same.
    """

    terms: tuple[Regularizer, ...]
    heads: Mapping[str, nn.Module] = {}
    hides_label: bool = False


def both(discriminator: Penalty, generator: Penalty) -> tuple[Regularizer, Regularizer]:
    """One stateless term a player."""
    return stateless(discriminator, "discriminator"), stateless(generator, "generator")


def check_labels(name: str, num_classes: int, kinds: Sequence[str], info) -> None:
    """Refuses data whose labels the part called `name` cannot read. kinds: "class", "vector" or both.

    info: what the data say of themselves, or None if nothing is known but `num_classes`.
    """
    if num_classes < 1:
        raise InputError(f"config.conditioning: {name} needs labelled data, and these have no labels.")
    if info is not None and info.label_kind not in kinds:
        wanted = {"class": "one class an example", "vector": "a vector an example"}
        raise InputError(f"config.conditioning: {name} needs labels of {' or '.join(wanted[kind] for kind in kinds)}; "
                         f"those of {info.name} are of {wanted[info.label_kind]}.")


def class_label(label: Array | None) -> Array:
    """`label` if it holds one class an example, int [B]."""
    if label is None or not jnp.issubdtype(label.dtype, jnp.integer) or label.ndim != 1:
        shape = "none" if label is None else f"{label.dtype} {list(label.shape)}"
        raise InputError(f"config.conditioning: this objective needs one class an example (integers [B]), not {shape}.")
    return label


def class_weights(weights: str | Sequence[float] | None, num_classes: int, info) -> tuple[float, ...] | None:
    """The weight of each class, or None where all count alike.

    weights: None; one number a class; or "balanced": 1 / (num_classes x share of the class), so that every class moves
    the loss as much as any other and the mean weight over the data is 1. A class without examples weighs 0.
    """
    if weights is None:
        return None
    key = "config.conditioning: class_weights"
    if isinstance(weights, str):
        if weights != "balanced":
            raise InputError(f"{key} must be 'balanced' or {num_classes} numbers; got {weights!r}.")
        shares = info.label_frequencies if info is not None else ()
        if len(shares) != num_classes:
            raise InputError(f"{key}='balanced' needs data that count their classes; give {num_classes} numbers.")
        return tuple(1 / (num_classes * share) if share > 0 else 0.0 for share in shares)
    if not isinstance(weights, Sequence) or len(weights) != num_classes or min(weights) < 0:
        raise InputError(f"{key} must hold {num_classes} numbers from 0, one a class; got {weights!r}.")
    return tuple(float(weight) for weight in weights)


def mean(losses: Array, label: Array | None, weights: tuple[float, ...] | None) -> Array:
    """The mean of `losses` [B], each times the weight of its class. Not divided by the weights the batch happens to
    hold, which would bias the gradient of small batches."""
    if weights is None:
        return jnp.mean(losses)
    return jnp.mean(losses * jnp.asarray(weights, losses.dtype)[class_label(label)])


def wide(x: Array) -> Array:
    """At least float32, whatever the networks computed in."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
