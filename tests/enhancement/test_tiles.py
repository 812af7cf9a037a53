"""Tiles whose borders do not show."""

import numpy as np
import pytest

from jaxgan.enhancement.tiles import spans, tiled


def smeared(image):
    """Twice as large, each pixel the sum of the 5x5 around it, zeros outside, and of 1: it looks 2 pixels far."""
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
    height, width = image.shape[:2]
    total = sum(padded[row:row + height, column:column + width] for row in range(5) for column in range(5)) + 1
    return total.repeat(2, axis=0).repeat(2, axis=1)


@pytest.mark.parametrize("shape", [(100, 77), (33, 32), (20, 150), (5, 7)])
@pytest.mark.parametrize("tile", [32, 50])
def test_tiles_make_what_the_whole_makes(shape, tile):
    image = np.random.default_rng(0).normal(size=(*shape, 3)).astype(np.float32)
    seen, told = set(), []

    def function(part):
        seen.add(part.shape)
        return smeared(part)
    made = tiled(function, image, 2, tile, 2, lambda done, total: told.append((done, total)))
    np.testing.assert_allclose(made, smeared(image), atol=1e-4)
    assert seen == {(min(tile, shape[0]), min(tile, shape[1]), 3)}  # one program is enough
    assert told[-1][0] == told[-1][1] == len(told)


def test_tiles_that_cannot_see_far_enough_go_over_into_each_other():
    """A network that looks farther than a tile: no step at a seam is larger than a ramp of this length makes it."""
    image = np.zeros((40, 300, 1), np.float32)
    values = iter(range(100))
    made = tiled(lambda part: np.full_like(part, next(values)), image, 1, 40, 1000)
    assert np.abs(np.diff(made[:, :, 0], axis=1)).max() <= 1 / 4
    assert len(spans(300, 1, 40, 1000)) > 10
