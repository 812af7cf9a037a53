"""Features are the same bits for any batch size and number of devices, computed once, and refused where not finite."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.metrics import features as features_lib
from jaxgan.metrics.backbones.base import Backbone
from jaxgan.metrics.base import moments
from jaxgan.metrics.cache import Cache
from jaxgan.metrics.features import CachedSample, Extractor, Images

NUM = 77  # no multiple of anything


def toy(name="toy", bad=False):
    rng = np.random.default_rng(0)
    weights = {"a": rng.normal(size=(48, 32)).astype(np.float32), "b": rng.normal(size=(32, 5)).astype(np.float32)}

    def apply(weights, x):
        hidden = jnp.tanh(x.reshape(len(x), -1) @ weights["a"])
        hidden = jnp.where(x.reshape(len(x), -1)[:, :1] > 0.99, jnp.nan, hidden) if bad else hidden
        return {"pool": hidden, "logits": hidden @ weights["b"]}
    return Backbone(name, "none", "abc", weights, lambda u8: u8.astype(np.float32) / 255, apply)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 250, (NUM, 4, 4, 3), np.uint8)


def view(images, digest="x", reads=None):
    def read(start, stop):
        if reads is not None:
            reads.append((start, stop))
        return images[start:stop]
    return Images(len(images), read, lambda: images, lambda: None, lambda: digest)


def streamed(extractor, images):
    found = [outputs for _, outputs in extractor.stream(lambda a, b: images[a:b], len(images))]
    return {kind: np.concatenate([outputs[kind] for outputs in found]) for kind in found[0]}


def test_an_image_has_the_same_features_alone_and_on_any_number_of_devices(images):
    extractors = {count: Extractor(toy(), jax.devices()[:count]) for count in (1, 3, 8)}
    whole = {count: streamed(extractor, images) for count, extractor in extractors.items()}
    for kind, width in (("pool", 32), ("logits", 5)):
        assert whole[1][kind].shape == (NUM, width)
        assert extractors[1].widths(images)[kind] == width
        for count in (3, 8):
            np.testing.assert_array_equal(whole[1][kind], whole[count][kind])
    for count, extractor in extractors.items():
        alone = streamed(extractor, images[40:41])
        np.testing.assert_array_equal(alone["pool"][0], whole[count]["pool"][40])
    expected = np.tanh(images.reshape(NUM, -1).astype(np.float64) / 255 @ toy().weights["a"].astype(np.float64))
    np.testing.assert_allclose(whole[8]["pool"], expected, atol=1e-5)


def test_one_pass_computes_all_kinds_and_the_cache_spares_the_next(images, tmp_path):
    told, reads = [], []
    with Cache(tmp_path) as cache:
        def sample(name="toy", digest="x"):
            return CachedSample(view(images, digest, reads), Extractor(toy(name)), ("pool", "logits"), cache,
                                lambda done, total: told.append((done, total)))
        first = sample()
        pool, logits = np.array(first.pool), np.array(first.logits)
        assert isinstance(first.pool, np.memmap)
        assert told[-1] == (NUM, NUM)
        told.clear()
        second = sample()
        np.testing.assert_array_equal(second.pool, pool)
        np.testing.assert_array_equal(second.logits, logits)
        found, expected = second.moments, moments(pool)
        assert found.num == NUM
        np.testing.assert_array_equal(found.covariance, expected.covariance)
        np.testing.assert_array_equal(sample().moments.mean, expected.mean)
        assert not told
        _ = sample(name="other").pool, sample(digest="y").pool  # another network, other images
        assert len([done for done, _ in told if done == NUM]) == 2


def test_a_damaged_entry_is_computed_again(images, tmp_path):
    with Cache(tmp_path) as cache:
        pool = np.array(CachedSample(view(images), Extractor(toy()), ("pool",), cache).pool)
        (path,) = tmp_path.glob("*.npy")
        data = bytearray(path.read_bytes())
        data[-100] ^= 4
        path.write_bytes(data)
        again = CachedSample(view(images), Extractor(toy()), ("pool",), cache).pool
        np.testing.assert_array_equal(again, pool)


def test_a_long_set_is_never_held_whole(tmp_path):
    """What is read at a time does not grow with the number of images."""
    images, reads = np.zeros((features_lib.BATCH * 8 * 3 + 5, 2, 2, 1), np.uint8), []
    flat = Backbone("flat", "none", "", {}, lambda u8: u8.astype(np.float32), lambda _, x: {"pool": x[:, 0, 0]})
    with Cache(tmp_path) as cache:
        _ = CachedSample(view(images, reads=reads), Extractor(flat), ("pool",), cache).pool
    assert max(stop - start for start, stop in reads) == features_lib.BATCH * 8
    assert sum(stop - start for start, stop in reads) == len(images) + 1  # the one to learn the shapes from


def test_refusals(images, tmp_path):
    with Cache(tmp_path) as cache:
        sample = CachedSample(view(images), Extractor(toy()), ("pool", "spatial"), cache)
        with pytest.raises(InputError, match="The backbone toy gives no spatial"):
            _ = sample.spatial
        spoilt = images.copy()
        spoilt[70] = 255
        with pytest.raises(InputError, match="gives NaN or infinity for image 70"):
            _ = CachedSample(view(spoilt, "spoilt"), Extractor(toy(bad=True)), ("pool",), cache).pool
        assert len(list(tmp_path.glob("*"))) == 1  # nothing is left of that
        with pytest.raises(InputError, match="gives no features"):
            _ = CachedSample(view(images), None, (), cache).pool
