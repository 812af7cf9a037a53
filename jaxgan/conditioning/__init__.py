"""Label-side objectives of the discriminator and the generator: parts with a regularizer's contract."""

from collections.abc import Callable

from jaxgan.terms import Regularizer

CONDITIONING: dict[str, Callable[..., Regularizer]] = {}
