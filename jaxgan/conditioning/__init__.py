"""What D is taught of the label, or of z, and what G makes of it; config.conditioning.NAME = {name, ...}."""

from collections.abc import Callable

from jaxgan.conditioning.adc import adc
from jaxgan.conditioning.auxiliary_classifier import auxiliary_classifier
from jaxgan.conditioning.base import Conditioning
from jaxgan.conditioning.contrastive_2c import contrastive_2c
from jaxgan.conditioning.d2d_ce import d2d_ce
from jaxgan.conditioning.info import info
from jaxgan.conditioning.multi_hinge import multi_hinge
from jaxgan.conditioning.rotation import rotation
from jaxgan.conditioning.twin_auxiliary_classifier import twin_auxiliary_classifier

CONDITIONING: dict[str, Callable[..., Conditioning]] = {
    "auxiliary_classifier": auxiliary_classifier,
    "twin_auxiliary_classifier": twin_auxiliary_classifier,
    "adc": adc,
    "contrastive_2c": contrastive_2c,
    "d2d_ce": d2d_ce,
    "multi_hinge": multi_hinge,
    "info": info,
    "rotation": rotation,
}

__all__ = ["CONDITIONING", "Conditioning"]
