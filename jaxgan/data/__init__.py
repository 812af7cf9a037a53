"""Where images come from. `open(config.data)` gives a source; see `source.py` for what one offers."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from jaxgan import buckets, catalogue
from jaxgan.data.digits import digits
from jaxgan.data.folder import folder
from jaxgan.data.npz import npz
from jaxgan.data.pairs import pairs
from jaxgan.data.source import Arrays, Info, Source
from jaxgan.data.stacked_mnist import stacked_mnist
from jaxgan.data.tfds import tfds
from jaxgan.data.toy import toy
from jaxgan.data.unpaired import unpaired

SOURCES: dict[str, Callable[..., Source]] = {
    "digits": digits,
    "toy": toy,
    "tfds": tfds,
    "folder": folder,
    "npz": npz,
    "stacked_mnist": stacked_mnist,
    "pairs": pairs,
    "unpaired": unpaired,
}

__all__ = ["SOURCES", "Arrays", "Info", "Source", "open"]


def open(spec: str | Mapping[str, Any], key: str = "data") -> Source:
    """The source that `config.data` names, with its arguments. A path in a bucket is copied to this machine first.

    key: where in the config the spec stands. Sources of other data may take `open`, which opens those.
    """
    name, arguments = catalogue.split_spec(spec, key)
    if buckets.is_bucket(arguments.get("path")):
        arguments["path"] = str(buckets.fetched(arguments["path"]))
    return catalogue.build(SOURCES, {"name": name, **arguments}, key, open=functools.partial(open, key=f"{key}.of"))
