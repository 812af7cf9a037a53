"""Scores of generated images. A metric takes images, never a model.

METRICS: name -> factory; the factory may take `info`, what the data are.
"""

from collections.abc import Callable

from jaxgan.metrics.base import Metric
from jaxgan.metrics.cas import cas
from jaxgan.metrics.class_coverage import class_coverage, stacked_modes
from jaxgan.metrics.frechet import fd, fd_infinity, sfd
from jaxgan.metrics.inception_score import inception_score
from jaxgan.metrics.intra_class import intra_fd
from jaxgan.metrics.kernel import cmmd, kid, kid_full, kid_rbf
from jaxgan.metrics.likelihood import fld, fls
from jaxgan.metrics.memorization import authpct, ct, nn_ratio
from jaxgan.metrics.modes import modes
from jaxgan.metrics.ms_ssim import ms_ssim
from jaxgan.metrics.pixels import fd_pixels
from jaxgan.metrics.ppl import ppl
from jaxgan.metrics.prdc import prdc
from jaxgan.metrics.sliced import mind

METRICS: dict[str, Callable[..., Metric]] = {
    "fd": fd,
    "fd_infinity": fd_infinity,
    "sfd": sfd,
    "intra_fd": intra_fd,
    "kid": kid,
    "kid_rbf": kid_rbf,
    "kid_full": kid_full,
    "cmmd": cmmd,
    "is": inception_score,
    "prdc": prdc,
    "mind": mind,
    "fd_pixels": fd_pixels,
    "modes": modes,
    "stacked_modes": stacked_modes,
    "class_coverage": class_coverage,
    "cas": cas,
    "ms_ssim": ms_ssim,
    "ppl": ppl,
    "authpct": authpct,
    "ct": ct,
    "fld": fld,
    "fls": fls,
    "nn_ratio": nn_ratio,
}

__all__ = ["METRICS", "Metric"]
