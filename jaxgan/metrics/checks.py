"""What every comparison of two sets of features asks of them first."""

import numpy as np

from jaxgan.errors import InputError
from jaxgan.metrics.base import Sample, Sides


def check_pair(real: np.ndarray, fake: np.ndarray, least: int = 2) -> None:
    """InputError unless both are finite [N, D] with one D, and each has `least` images."""
    check_sizes(len(real), len(fake), least)
    check_lengths(real.shape[1], fake.shape[1])
    check_finite(real, "real")
    check_finite(fake, "generated")


def check_sizes(num_real: int, num_fake: int, least: int) -> None:
    if min(num_real, num_fake) < least:
        raise InputError(f"This metric needs at least {least} images on each side; there are {num_real} real and "
                         f"{num_fake} generated.")


def check_lengths(real: int, fake: int) -> None:
    if real != fake:
        raise InputError(f"Real images have {real} features and generated ones {fake}: take both from one backbone.")


def check_finite(features: np.ndarray, side: str) -> None:
    """Names the first image whose features are NaN or infinite. `side`: what to call the image."""
    with np.errstate(invalid="ignore"):  # infinities of both signs
        if np.isfinite(np.sum(features, dtype=np.float64)):
            return
    first = next(index for index, row in enumerate(features) if not np.isfinite(row).all())
    raise InputError(f"The features of {side} image {first} are not finite: check it and the backbone's weights.")


def check_shapes(*sides: Sample) -> None:
    """InputError unless the images of all sides have one height, width and number of channels."""
    shapes = list(dict.fromkeys(tuple(side.images.shape[1:]) for side in sides))
    if len(shapes) > 1:
        raise InputError(f"This metric compares images of one shape; these are {' and '.join(map(str, shapes))}.")


def held_out(sides: Sides, name: str) -> Sample:
    """The held-out side, or InputError in the name of the metric that needs one."""
    if sides.held_out is None:
        raise InputError(f"{name} needs real images that were held out, and there are none: use data with a test "
                         "split.")
    return sides.held_out
