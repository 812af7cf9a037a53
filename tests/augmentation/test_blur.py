"""The blur that fades out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.augmentation import AUGMENTATIONS
from jaxgan.errors import InputError


def test_a_point_spreads_less_and_less():
    """Out to three sigmas, the sum of a point kept, the edge black; then nothing changes at all."""
    part = AUGMENTATIONS["blur"](sigma=2.0, kimg=1.0)
    state, image = part.init(), jnp.zeros((1, 15, 17, 2)).at[0, 7, 8].set(1.0)
    blur = jax.jit(part.apply)
    for sigma in (2.0, 1.0, 0.0):
        shown = blur(state, image, jax.random.key(0))[0, ..., 1]
        reach = int(3 * sigma)
        row = np.exp2(-(np.arange(-reach, reach + 1) / max(sigma, 1)) ** 2)
        expected = np.pad(np.outer(row, row), ((7 - reach,) * 2, (8 - reach,) * 2)) / row.sum() ** 2
        np.testing.assert_allclose(shown, expected, atol=1e-6)
        state = part.control(state, jnp.float32(0), 500)
    np.testing.assert_array_equal(shown, image[0, ..., 1])


def test_a_blur_that_is_refused():
    with pytest.raises(InputError, match="sigma must be above 0"):
        AUGMENTATIONS["blur"](sigma=0.0)
