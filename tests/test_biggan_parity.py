"""BigGAN computes what PyTorch-StudioGAN's and ajbrock's do, quirks included."""

import numpy as np
import pytest
from reference import WIDTHS, Reference, check_network, nhwc

from jaxgan.models import biggan


def blocks(*modules):
    """Module i of the reference's list of blocks is the i-th of `modules`."""
    return [(r"blocks\.(\d)\.0", lambda match: modules[int(match[1])])]


NORM = [(r"(block\d)\.bn(\d)\.bn", r"\1/norm\2/batch"), (r"(block\d)\.bn(\d)\.(gain|bias)", r"\1/norm\2/\3"),
        (r"(block\d)\.bn(\d)", r"\1/norm\2/batch")]
STUDIOGAN = [(r"(\w+)\.conv2d0", r"\1/shortcut"), (r"(\w+)\.conv2d(\d)", r"\1/conv\2"),
             (r"(\w+)\.conv1x1_theta", r"\1/query"), (r"(\w+)\.conv1x1_phi", r"\1/key"),
             (r"(\w+)\.conv1x1_g", r"\1/value"), (r"(\w+)\.conv1x1_attn", r"\1/output"), *NORM,
             ("linear0", "dense"), ("shared", "embed"), ("bn4", "norm/batch"), ("conv2d5", "output"),
             ("linear1", "head/linear"), ("embedding", "head/embed")]
AJBROCK = [(r"blocks\.(\d)\.0", lambda match: f"block{int(match[1]) + 1}"),
           (r"blocks\.(\d)\.1", lambda match: f"attention{int(match[1]) + 1}"),
           (r"(\w+)\.conv_sc", r"\1/shortcut"), (r"(\w+)\.conv(\d)", r"\1/conv\2"),
           (r"(\w+)\.theta", r"\1/query"), (r"(\w+)\.phi", r"\1/key"), (r"(\w+)\.g$", r"\1/value"),
           (r"(\w+)\.o$", r"\1/output"), *NORM, ("shared", "embed"), (r"output_layer\.0", "norm/batch"),
           (r"output_layer\.2", "output")]
GENERATOR = {
    "studiogan": ({"spectral_eps": 1e-6},
                  blocks("block1", "block2", "attention2", "block3") + STUDIOGAN),
    "ajbrock": ({"spectral_eps": 1e-6, "spectral_iterate_in_eval": True, "output_norm_eps": 1e-5},
                [*AJBROCK, ("linear", "dense")]),
}
DISCRIMINATOR = {
    "studiogan": ({"spectral_eps": 1e-6, "relu_shortcut": True},
                  blocks("block1", "attention1", "block2", "block3", "block4") + STUDIOGAN),
    "ajbrock": ({"spectral_eps": 1e-6, "spectral_iterate_in_eval": True, "multipliers": (4, 4, 4, 4), "attention": (),
                 "attention_blocks": (1, 2, 3, 4)},
                [*AJBROCK, ("linear", "head/linear"), ("embed", "head/embed")]),
}
LOGIT = {"studiogan": "D_{}_adv_output", "ajbrock": "D_{}"}


@pytest.fixture(scope="module", params=GENERATOR)
def fixture(request, shared):
    return request.param, np.load(shared(f"reference/biggan_{request.param}_32.npz"))


@pytest.mark.parametrize("wide", WIDTHS)
def test_generator(fixture, wide):
    source, arrays = fixture
    fields, names = GENERATOR[source]
    network = biggan.Generator((32, 32, 3), 4, width=8, embed_dim=12, **fields)
    expected = [nhwc(arrays[f"G_{mode}" + wide * "_f64"]) for mode in ("eval", "train")]
    print(check_network(network, Reference(arrays, "G", names), (arrays["z"], arrays["y"]), nhwc(arrays["ct_img"]),
                        lambda image: image, expected, wide))


@pytest.mark.parametrize("wide", WIDTHS)
def test_discriminator(fixture, wide):
    source, arrays = fixture
    fields, names = DISCRIMINATOR[source]
    network = biggan.Discriminator((32, 32, 3), 4, width=8, **fields)
    expected = [arrays[LOGIT[source].format(mode) + wide * "_f64"].reshape(-1) for mode in ("eval", "train")]
    print(check_network(network, Reference(arrays, "D", names), (nhwc(arrays["x"]), arrays["y"]),
                        arrays["ct"].reshape(-1), lambda output: output.logit, expected, wide))
