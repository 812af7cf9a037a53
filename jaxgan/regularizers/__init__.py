"""Terms that keep a player well-behaved; config.regularizers.NAME = {name, ...}.

A factory gives a Regularizer, or a tuple of them, one a player, for a method that speaks to both.
"""

from collections.abc import Callable

from jaxgan.regularizers.consistency import bcr, cr, icr, zcr
from jaxgan.regularizers.cycle import cycle, identity
from jaxgan.regularizers.gradient import dragan, gradient_penalty, max_gradient_penalty, r1, r2
from jaxgan.regularizers.latent import logan, top_k
from jaxgan.regularizers.lecam import lecam
from jaxgan.regularizers.matching import feature_matching, mode_seeking
from jaxgan.regularizers.path_length import path_length
from jaxgan.regularizers.pixel import pixel
from jaxgan.regularizers.san import san
from jaxgan.regularizers.weights import orthogonal, weight_clip
from jaxgan.terms import Regularizer

REGULARIZERS: dict[str, Callable[..., Regularizer | tuple[Regularizer, ...]]] = {
    "r1": r1,
    "r2": r2,
    "gradient_penalty": gradient_penalty,
    "max_gradient_penalty": max_gradient_penalty,
    "dragan": dragan,
    "weight_clip": weight_clip,
    "orthogonal": orthogonal,
    "cr": cr,
    "bcr": bcr,
    "zcr": zcr,
    "icr": icr,
    "lecam": lecam,
    "san": san,
    "feature_matching": feature_matching,
    "mode_seeking": mode_seeking,
    "path_length": path_length,
    "top_k": top_k,
    "logan": logan,
    "pixel": pixel,
    "cycle": cycle,
    "identity": identity,
}

__all__ = ["REGULARIZERS", "Regularizer"]
