"""A network that has learned nothing: features of no opinion, on any images, at no cost."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan import compilation, keys
from jaxgan.metrics import classifier as network
from jaxgan.metrics.backbones.base import Backbone
from jaxgan.metrics.base import Sample


def random(real: Sample, seed: int = 0) -> Backbone:
    """The classifier's network as it is initialised; of the real images only their shape is used.

    Scores on it tell a broken generator from a sound one, and whether another backbone's verdict owes anything to
    what that one has learned.
    """
    prepared = network.prepare(np.asarray(real.images[:1])).shape
    weights = jax.tree.map(np.asarray, _initialisation(prepared)(keys.root(seed)))
    return Backbone("random", f"box{network.MAX_SIDE}", network.digest(weights), weights, network.prepare,
                    lambda weights, prepared: {"pool": network.apply(weights, prepared)["pool"]})


@functools.cache
def _initialisation(shape: tuple[int, ...]) -> Callable:
    return compilation.jit_once(lambda key: network.Network(1).init(key, jnp.zeros(shape), train=False))
