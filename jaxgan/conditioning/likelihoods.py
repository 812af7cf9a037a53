"""What a prediction loses against a label: one value an example, at least float32.

The negative log-likelihoods of a categorical, of independent Bernoulli and of Gaussian variables; for label vectors
the mean over the L entries, so that a weight means the same whatever L is.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgan import catalogue
from jaxgan.conditioning.base import class_label, wide
from jaxgan.errors import InputError
from jaxgan.typing import Array


def cross_entropy(logit: Array, label: Array) -> Array:
    """-log softmax(logit)[label]; logit [B, K], label int [B]. A label from K on gives NaN."""
    logit = wide(logit)
    chosen = jnp.take_along_axis(logit, class_label(label)[:, None], axis=1, mode="fill", fill_value=jnp.nan)[:, 0]
    return jax.nn.logsumexp(logit, axis=1) - chosen


def sigmoid_cross_entropy(logit: Array, label: Array) -> Array:
    """Mean over L of -y log s(logit) - (1 - y) log(1 - s(logit)); logit [B, L], label [B, L] of entries in [0, 1]."""
    logit, label = wide(logit), _vector(label, logit)
    return jnp.mean(jax.nn.softplus(logit) - label * logit, axis=1)


def squared_error(prediction: Array, label: Array) -> Array:
    """Mean over L of (prediction - y)^2; both [B, L]."""
    prediction = wide(prediction)
    return jnp.mean((prediction - _vector(label, prediction)) ** 2, axis=1)


def accuracy(prediction: Array, label: Array, labels: str) -> Array:
    """Share of right answers: of examples for "class", of label entries for "several". For "continuous" labels, one
    minus the squared error, which is not a share and may be negative."""
    if labels == "class":
        return jnp.mean(jnp.argmax(prediction, axis=1) == label)
    if labels == "several":
        return jnp.mean((prediction > 0) == (label > 0.5))
    return 1 - jnp.mean(squared_error(prediction, label))


def _vector(label: Array | None, prediction: Array) -> Array:
    if label is None or not jnp.issubdtype(label.dtype, jnp.floating) or label.shape != prediction.shape:
        shape = "none" if label is None else f"{label.dtype} {list(label.shape)}"
        raise InputError(f"config.conditioning: label vectors of {prediction.shape[1]} floats are needed, not {shape}; "
                         "for one class an example say labels='class'.")
    return label


LABELS: dict[str, Callable[[Array, Array], Array]] = {
    "class": cross_entropy,
    "several": sigmoid_cross_entropy,
    "continuous": squared_error,
}


def find(labels: str) -> Callable[[Array, Array], Array]:
    """The loss for labels of this kind: "class", "several" or "continuous"."""
    if labels not in LABELS:
        raise InputError(f"config.conditioning: there is no labels={labels!r}. {catalogue.suggest(labels, LABELS)}")
    return LABELS[labels]


def kinds(labels: str) -> tuple[str, ...]:
    """The `label_kind` of data with labels of this kind."""
    return ("class",) if labels == "class" else ("vector",)
