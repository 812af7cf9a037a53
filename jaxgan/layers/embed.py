"""Labels as vectors."""

import flax.linen as nn
import jax.numpy as jnp
from jax.nn.initializers import Initializer
from jax.typing import DTypeLike

from jaxgan.errors import InputError
from jaxgan.typing import Array


class Embed(nn.Module):
    """One learned vector a class.

    label: integers [B], or weights [B, num_classes] over the classes (several at once, soft or continuous), which mix
    the vectors linearly: a one-hot row gives what the integer gives. An integer from num_classes on comes out as NaN
    rather than as another class. Returns [B, features] in `dtype`; the table is float32.
    """

    num_classes: int
    features: int
    embedding_init: Initializer = nn.initializers.normal(1.0)
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, label: Array | None) -> Array:
        if label is None:
            raise InputError(f"This network is conditional on {self.num_classes} classes: give it a label.")
        label = jnp.asarray(label)
        table = self.param("embedding", self.embedding_init, (self.num_classes, self.features), jnp.float32)
        table = table.astype(self.dtype)
        if jnp.issubdtype(label.dtype, jnp.integer):
            return jnp.take(table, label, axis=0, mode="fill", fill_value=jnp.nan)
        if label.ndim != 2 or label.shape[1] != self.num_classes:
            raise InputError(f"A label vector of shape {label.shape} does not fit {self.num_classes} classes: "
                             "give integers [B] or weights [B, num_classes].")
        return label.astype(self.dtype) @ table
