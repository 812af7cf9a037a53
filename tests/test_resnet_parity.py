"""The ResNet GAN computes what PyTorch-StudioGAN's SNGAN does, quirks included."""

import numpy as np
import pytest
from reference import WIDTHS, Reference, check_network, nhwc

from jaxgan.models import resnet


@pytest.fixture(scope="module")
def arrays(shared):
    return np.load(shared("reference/sngan_resnet_uncond_32.npz"))


@pytest.mark.parametrize("wide", WIDTHS)
def test_generator(arrays, wide, record_property):
    network = resnet.Generator((32, 32, 3), width=8, norm_eps=1e-4)
    expected = [nhwc(arrays[f"G_{mode}" + wide * "_f64"]) for mode in ("eval", "train")]
    check_network(network, Reference(arrays, "G", network, (16,)), (arrays["z"],), nhwc(arrays["ct_img"]),
                  lambda image: image, expected, wide, record_property)


@pytest.mark.slow
@pytest.mark.parametrize("wide", WIDTHS)
def test_discriminator(arrays, wide, record_property):
    network = resnet.Discriminator((32, 32, 3), width=8, spectral_eps=1e-6, relu_shortcut=True)
    expected = [arrays[f"D_{mode}_adv_output" + wide * "_f64"] for mode in ("eval", "train")]
    check_network(network, Reference(arrays, "D", network, (32, 32, 3)), (nhwc(arrays["x"]),), arrays["ct"],
                  lambda output: output.logit, expected, wide, record_property)
