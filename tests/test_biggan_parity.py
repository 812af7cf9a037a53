"""BigGAN computes what PyTorch-StudioGAN's and ajbrock's do, quirks included."""

import numpy as np
import pytest
from reference import WIDTHS, Reference, check_network, nhwc

from jaxgan.models import biggan

GENERATOR = {
    "studiogan": {"spectral_eps": 1e-6},
    "ajbrock": {"spectral_eps": 1e-6, "spectral_iterate_in_eval": True, "output_norm_eps": 1e-5},
}
DISCRIMINATOR = {
    "studiogan": {"spectral_eps": 1e-6, "relu_shortcut": True},
    "ajbrock": {"spectral_eps": 1e-6, "spectral_iterate_in_eval": True, "multipliers": (4, 4, 4, 4), "attention": (),
                "attention_blocks": (1, 2, 3, 4)},
}
LOGIT = {"studiogan": "D_{}_adv_output", "ajbrock": "D_{}"}


# One code from day to day: most of the time goes into compiling.
@pytest.fixture(scope="module", params=["studiogan", pytest.param("ajbrock", marks=pytest.mark.slow)])
def fixture(request, shared):
    return request.param, np.load(shared(f"reference/biggan_{request.param}_32.npz"))


@pytest.mark.parametrize("wide", WIDTHS)
def test_generator(fixture, wide, record_property):
    source, arrays = fixture
    network = biggan.Generator((32, 32, 3), 4, width=8, embed_dim=12, **GENERATOR[source])
    expected = [nhwc(arrays[f"G_{mode}" + wide * "_f64"]) for mode in ("eval", "train")]
    check_network(network, Reference(arrays, "G", network, (16,)), (arrays["z"], arrays["y"]),
                  nhwc(arrays["ct_img"]), lambda image: image, expected, wide, record_property)


@pytest.mark.slow  # the layers are those of the ResNet's
@pytest.mark.parametrize("wide", WIDTHS)
def test_discriminator(fixture, wide, record_property):
    source, arrays = fixture
    network = biggan.Discriminator((32, 32, 3), 4, width=8, **DISCRIMINATOR[source])
    expected = [arrays[LOGIT[source].format(mode) + wide * "_f64"].reshape(-1) for mode in ("eval", "train")]
    check_network(network, Reference(arrays, "D", network, (32, 32, 3)), (nhwc(arrays["x"]), arrays["y"]),
                  arrays["ct"].reshape(-1), lambda output: output.logit, expected, wide, record_property)
