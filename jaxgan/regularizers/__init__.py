"""Terms that keep a player well-behaved; config.regularizers.NAME = {name, ...}."""

from collections.abc import Callable

from jaxgan.regularizers.gradient import gradient_penalty, r1
from jaxgan.terms import Regularizer

REGULARIZERS: dict[str, Callable[..., Regularizer]] = {
    "r1": r1,
    "gradient_penalty": gradient_penalty,
}

__all__ = ["REGULARIZERS", "Regularizer"]
