"""Where images come from. `open(config.data)` gives a source; see `source.py` for what one offers."""

from collections.abc import Callable, Mapping
from typing import Any

from jaxgan import buckets, catalogue
from jaxgan.data.digits import digits
from jaxgan.data.folder import folder
from jaxgan.data.npz import npz
from jaxgan.data.source import Arrays, Info, Source
from jaxgan.data.stacked_mnist import stacked_mnist
from jaxgan.data.tfds import tfds
from jaxgan.data.toy import toy

SOURCES: dict[str, Callable[..., Source]] = {
    "digits": digits,
    "toy": toy,
    "tfds": tfds,
    "folder": folder,
    "npz": npz,
    "stacked_mnist": stacked_mnist,
}

__all__ = ["SOURCES", "Arrays", "Info", "Source", "open"]


def open(spec: str | Mapping[str, Any]) -> Source:
    """The source that `config.data` names, with its arguments. A path in a bucket is copied to this machine first."""
    name, arguments = catalogue.split_spec(spec, "data")
    if buckets.is_bucket(arguments.get("path")):
        arguments["path"] = str(buckets.fetched(arguments["path"]))
    return catalogue.build(SOURCES, {"name": name, **arguments}, "data")
