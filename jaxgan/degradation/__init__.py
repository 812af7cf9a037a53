"""What spoils an image, for networks that learn to undo it; config.degradation.NAME = {name, ...}.

Whatever the order in the config, parts are applied in that of DEGRADATIONS, which is that of a camera: lens, sensor,
noise, file; what is drawn of an image is drawn after the lens. Parts from outside come last.
"""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp

from jaxgan import keys
from jaxgan.degradation.base import Degradation
from jaxgan.degradation.holes import holes
from jaxgan.degradation.jpeg import jpeg
from jaxgan.degradation.optics import blur, downsample, noise
from jaxgan.degradation.sketch import edges, grey
from jaxgan.typing import Array

DEGRADATIONS: dict[str, Callable[..., Degradation]] = {
    "blur": blur,
    "grey": grey,
    "edges": edges,
    "downsample": downsample,
    "noise": noise,
    "jpeg": jpeg,
    "holes": holes,
}

__all__ = ["DEGRADATIONS", "Degradation", "chain", "in_order"]


def in_order(names: Mapping[str, str]) -> list[str]:
    """The parts of a config, name of yours -> name of the part, in the order in which they are applied."""
    places = list(DEGRADATIONS)
    return sorted(names, key=lambda name: (places.index(names[name]) if names[name] in places else len(places), name))


def chain(parts: Sequence[Degradation]) -> Callable[[Array, Array], Array]:
    """`spoil(keys [B], images [B, H, W, C]) -> [B, h, w, c]`: all parts, one after another, each example with its own
    random numbers; then rounded to the 256 levels that a file would hold."""
    def one(key: Array, image: Array) -> Array:
        for number, part in enumerate(parts):
            image = part(keys.stream(key, f"{number}"), image)
        return jnp.clip(jnp.floor(127.5 * image + 128), 0, 255) / 127.5 - 1
    return jax.vmap(one)
