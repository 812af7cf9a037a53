"""Views for terms to look at, made without an engine."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import keys
from jaxgan.regularizers import REGULARIZERS, Regularizer
from jaxgan.typing import DiscriminatorOutput, View


@pytest.fixture
def view():
    """`view(real=..., seed=0, ...)` -> a View with those fields; the others are None, the step and images seen 0.

    `discriminator(image) -> logit [B]`; `real_output` and `fake_output` may be given as logits.
    """
    def make(discriminator=None, generator=None, seed=0, step=0, images=0, **fields):
        def output(logit):
            return logit if logit is None or isinstance(logit, DiscriminatorOutput) else DiscriminatorOutput(logit)
        fields |= {name: output(fields.get(name)) for name in ("real_output", "fake_output")}
        if discriminator:
            fields |= {f"{name}_gradient": functools.partial(
                jax.grad(lambda image: discriminator(image).sum()), fields[name]) for name in ("real", "fake")
                if name in fields}
        return View(**{name: None for name in View._fields} | fields | {
            "discriminator": discriminator and (lambda image, label: DiscriminatorOutput(discriminator(image))),
            "generator": generator and (lambda z, label: generator(z)),
            "key": keys.root(seed), "step": jnp.int32(step), "images": jnp.float32(images)})
    return make


@pytest.fixture
def apply(view):
    """`apply(name, {arguments}, **view)` -> (value, state, metrics) of that regularizer from its first state.

    Of one that speaks to both players, `player`'s term.
    """
    def run(name, arguments=None, player="discriminator", **fields):
        part = REGULARIZERS[name](**arguments or {})
        if not isinstance(part, Regularizer):
            part, = (term for term in part if term.player == player)
        networks = {key: value for key, value in fields.items() if callable(value)}
        shown = {key: value for key, value in fields.items() if key not in networks}
        return jax.jit(lambda shown: part.apply(part.init(), view(**networks, **shown)))(shown)
    return run


@pytest.fixture(scope="session")
def studiogan(shared):
    """StudioGAN's values and gradients."""
    return np.load(shared("reference/losses_studiogan.npz"))
