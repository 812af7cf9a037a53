"""Spectral normalization in DCGAN; what DCGAN promises beside is in test_model_contract.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import keys
from jaxgan.models import dcgan

SHAPE = (17, 8, 1)  # an odd side and an even one
INPUTS = {"Generator": (3, 6), "Discriminator": (3, *SHAPE)}


@pytest.mark.parametrize("player", INPUTS)
def test_spectral_normalises_every_kernel(player):
    """So that no kernel's scale matters: ten times as large, all of them, they give the same answer."""
    network = getattr(dcgan, player)(SHAPE, width=4, norm="none", spectral=True)
    given = jax.random.normal(keys.root(0), INPUTS[player])

    @jax.jit
    def answers(key):
        variables = network.init(key, given, train=True)
        larger = variables | {"params": jax.tree.map(lambda leaf: 10 * leaf, variables["params"])}
        return variables, [jax.tree.leaves(network.apply(chosen, given, train=False)) for chosen in (variables, larger)]

    variables, (small, large) = answers(keys.root(1))
    assert set(variables["spectral"]) == set(variables["params"])
    assert min(jnp.abs(answer).max() for answer in small) > 1e-3
    for one, other in zip(small, large):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
