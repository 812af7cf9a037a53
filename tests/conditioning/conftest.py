"""Views for conditioning objectives to look at, made without an engine."""

import dataclasses

import jax
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
        networks = {name: value for name, value in fields.items() if callable(value)}
        shown = {name: value for name, value in fields.items() if name not in networks} | dict(images)
        shown |= {"real_output": output(real_logit, real), "fake_output": output(fake_logit, fake)}
        term, = (term for term in conditioning.terms if term.player == player)

        @jax.jit
        def run(shown):
            view = View(**dict.fromkeys(View._fields) | networks | shown | {
                "key": keys.root(seed), "step": jnp.int32(0)})
            return term.apply(term.init(), view)
        value, _, metrics = run(shown)
        return value, metrics
    return apply
