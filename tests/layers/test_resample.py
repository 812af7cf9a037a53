"""What TPUs do instead of moving pixels aside, against the usual forms, whose values the models' tests hold."""

import functools

import jax
import numpy as np
import pytest

from jaxgan.layers import resample

WAYS = {
    "average_pool": resample.average_pool,
    "nearest_upsample": resample.nearest_upsample,
    "fir_blur": functools.partial(resample.fir_blur, padding=(2, 1)),
    "fir_upsample": resample.fir_upsample,
    "fir_downsample": resample.fir_downsample,
}


@pytest.mark.parametrize("way", WAYS)
def test_tpus_compute_the_same(monkeypatch, way):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 6, 8, 3)).astype(np.float32)
    usual = jax.jit(WAYS[way])(x)
    g = rng.standard_normal(usual.shape).astype(np.float32)
    (gradient,) = jax.jit(lambda x, g: jax.vjp(WAYS[way], x)[1](g))(x, g)
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda x, default, tpu: tpu(x))
    found, pull = jax.vjp(WAYS[way], x)
    np.testing.assert_allclose(found, usual, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pull(g)[0], gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("platform", "convolves"), [("cpu", False), ("cuda", False), ("tpu", True)])
def test_only_tpus_convolve(way, platform, convolves):
    x = jax.ShapeDtypeStruct((2, 6, 8, 3), "float32")
    text = jax.jit(WAYS[way]).trace(x).lower(lowering_platforms=(platform,)).as_text()
    assert ("stablehlo.convolution" in text) == convolves
