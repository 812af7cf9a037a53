"""Metrics as a config or a command names them: which metric, on which backbone, of how many fakes."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxgan import catalogue
from jaxgan.errors import InputError
from jaxgan.metrics import METRICS
from jaxgan.metrics.base import Metric

FEATURES = ("pool", "logits", "spatial", "moments")  # what a metric reads that takes a backbone
# What people call them where the features are those of the original Inception; elsewhere the name says whose they are.
ON_INCEPTION = {"fd": "fid", "fd_infinity": "fid_infinity", "sfd": "sfid", "intra_fd": "intra_fid", "kid": "kid",
                "is": "is"}
ASKED_FOR = {theirs: ours for ours, theirs in ON_INCEPTION.items()}

Spec = str | Mapping[str, Any]


def in_options(refusal: InputError) -> str:
    """What a command says of a refusal: metrics and backbones are named in a config too, and messages say so."""
    return re.sub(r"^config\.(metrics|backbone)", r"--\1", str(refusal))


class Choice(NamedTuple):
    """A metric, built. backbone: the spec of the one it reads; None where it reads none. kinds: outputs it reads."""

    name: str
    arguments: Mapping[str, Any]
    metric: Metric
    backbone: Spec | None

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys("pool" if part == "moments" else part
                                   for part in self.metric.reads if part in FEATURES))


def choose(specs: Sequence[Spec], info: Any, backbone: Spec, key: str = "metrics") -> list[Choice]:
    """Builds metrics: names, or mappings with `name`, the metric's own arguments, `backbone` and `num_samples`.

    info: what the real data are. backbone: for metrics that read features and do not name one themselves.
    """
    return [_choice(spec, info, backbone, key) for spec in specs]


def _choice(spec: Spec, info: Any, backbone: Spec, key: str) -> Choice:
    name, arguments = catalogue.split_spec(spec, key)
    name = ASKED_FOR.get(name, name)
    factory = catalogue.find(METRICS, name, key)
    own = catalogue.accepted(factory)
    chosen = arguments.pop("backbone") if "backbone" in arguments and "backbone" not in own else None
    num = arguments.pop("num_samples") if "num_samples" in arguments and "num_samples" not in own else None
    metric = catalogue.call(factory, arguments, f"{key}.{name}", info=info)
    if num is not None:
        if type(num) is not int or num < 2:
            raise InputError(f"config.{key}.{name}.num_samples must be a whole number from 2; got {num!r}.")
        metric = metric._replace(num_samples=num)
    reads_features = any(part in FEATURES for part in metric.reads)
    if chosen is not None and not reads_features:
        raise InputError(f"config.{key}.{name}.backbone: {name} reads no features; leave the backbone out.")
    return Choice(name, arguments, metric, (chosen or backbone) if reads_features else None)


def default_backbone(info: Any) -> str:
    """Where the data have labels, a classifier trained on them: it knows digits and X-rays, unlike ImageNet's."""
    return "classifier" if info.num_classes else "inception"


def score_name(short: str, num: int, backbone: str | None) -> str:
    """What a value is called: fid10k only by Inception's original weights, else fd10k_classifier and the like.

    backbone: the name of the one it was computed on; None leaves the short name as it is.
    """
    if backbone is None:
        return short
    count = f"{num // 1000}k" if num % 1000 == 0 else str(num)
    if backbone == "inception" and short in ON_INCEPTION:
        return f"{ON_INCEPTION[short]}{count}"
    return f"{short}{count}_{backbone}"
