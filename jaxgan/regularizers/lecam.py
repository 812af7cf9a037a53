"""LeCam: for few data, keep the logits near what the other kind of image has been getting."""

import jax
import jax.numpy as jnp

from jaxgan.errors import InputError
from jaxgan.schedules import Schedule, at
from jaxgan.terms import Regularizer
from jaxgan.typing import Array, PyTree, View


def lecam(weight: float | Schedule = 0.3, decay: float = 0.99, start: int = 1000) -> Regularizer:
    """weight (E relu(r - a_fake)^2 + E relu(a_real - f)^2) (Tseng et al. 2021; r, f: logits).

    a_real, a_fake: moving averages of the mean logits, with `decay` from step `start` on and simply the last means
    before; the penalty is 0 until then. They take in the batch before it is compared with them. The paper has no
    relu; its code does, and is followed.
    """
    if not 0 <= decay < 1:
        raise InputError(f"lecam: decay is {decay}; give a number from 0 to below 1.")

    def init() -> PyTree:
        return {"real": jnp.float32(0), "fake": jnp.float32(0)}

    def apply(state: PyTree, view: View) -> tuple[Array, PyTree, dict[str, Array]]:
        outputs = {"real": view.real_output, "fake": view.fake_output}
        logits = {name: output.logit.astype(jnp.float32) for name, output in outputs.items()}
        keep = jnp.where(view.step < max(start, 1), 0, decay)
        state = {name: jax.lax.stop_gradient(keep * state[name] + (1 - keep) * logits[name].mean()) for name in logits}
        penalty = (jnp.mean(jax.nn.relu(logits["real"] - state["fake"]) ** 2)
                   + jnp.mean(jax.nn.relu(state["real"] - logits["fake"]) ** 2))
        return jnp.where(view.step < start, 0, at(weight, view.images) * penalty), state, dict(state)

    return Regularizer(init=init, apply=apply, player="discriminator")
