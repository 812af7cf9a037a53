"""Views for conditioning objectives to look at, made without an engine."""

import dataclasses

import jax.numpy as jnp
import pytest

from jaxgan import catalogue, keys
from jaxgan.conditioning import CONDITIONING
from jaxgan.typing import DiscriminatorOutput, View


@dataclasses.dataclass
class Labels:
    """What a part asks of data.Info."""

    label_kind: str = "class"
    label_frequencies: tuple[float, ...] = ()
    shape: tuple[int, int, int] = (4, 4, 1)
    name: str = "toys"


@pytest.fixture
def labels():
    """`labels(label_kind=..., label_frequencies=..., shape=...)`: what data say of themselves."""
    return Labels


@pytest.fixture
def build():
    """`build(name, context..., arguments={...})` -> the Conditioning, through its catalogue."""
    def make(name, arguments=None, **context):
        return catalogue.build(CONDITIONING, {"name": name, **(arguments or {})}, "conditioning.part", **context)
    return make


@pytest.fixture
def ask():
    """`ask(conditioning, player, real={...}, fake={...}, real_logit=, fake_logit=, ...)` -> (value, metrics).

    `real` and `fake` are what the heads answered, `images` a dict of those of the view, the rest its other fields.
    """
    def apply(conditioning, player, real=None, fake=None, real_logit=None, fake_logit=None, seed=0, images=(),
              **fields):
        def output(logit, extra):
            return None if extra is None else DiscriminatorOutput(logit, extra=extra)
        fields |= dict(images) | {"real_output": output(real_logit, real), "fake_output": output(fake_logit, fake)}
        view = View(**{name: None for name in View._fields} | fields | {"key": keys.root(seed), "step": jnp.int32(0)})
        term, = (term for term in conditioning.terms if term.player == player)
        value, _, metrics = term.apply(term.init(), view)
        return value, metrics
    return apply
