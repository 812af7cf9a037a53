"""Calibrated logits, and what rejection by them makes of densities that are known."""

import flax.linen as nn
import jax
import numpy as np
import pytest
from scipy.stats import kstest, norm

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.latents.critic import alone, calibrate
from jaxgan.latents.rejection import Rule, make_rule, search, uniforms
from jaxgan.layers.minibatch import minibatch_stddev
from jaxgan.typing import DiscriminatorOutput

REAL, FAKE = norm(0.5, 0.8), norm(0, 1)


def log_ratio(seeds, labels=None):
    """Of the points that seeds stand for, drawn from FAKE."""
    x = point(seeds)
    return REAL.logpdf(x) - FAKE.logpdf(x)


def point(seeds):
    return FAKE.ppf((np.asarray(seeds, np.float64) * 0.6180339887 + 0.25) % 1)  # golden ratio: evenly spread


def by_parity(seeds):
    return np.asarray(seeds, np.int32) % 2


def test_exact_rejection_leaves_the_real_density():
    rule = make_rule(log_ratio(range(4000)), None)
    kept = search(rule, log_ratio, 10_000, 2000, None)
    assert kstest(point(kept.seeds), REAL.cdf, method="asymp").pvalue > 0.05
    assert kstest(point(kept.seeds), FAKE.cdf, method="asymp").pvalue < 1e-6
    assert kept.rate == pytest.approx(np.exp(-rule.maximum), abs=0.02)  # one over the largest ratio of densities
    assert kept.seeds == sorted(kept.seeds)


def test_a_seed_is_kept_or_not_whatever_the_others_are():
    rule = make_rule(log_ratio(range(4000)), 80)
    many, few = search(rule, log_ratio, 100, 40, None), search(rule, log_ratio, 150, 5, None)
    assert few.seeds == [seed for seed in many.seeds if seed >= 150][:5]


def test_probability_is_the_papers():
    ratios = np.array([-3.0, -1.0, 0.5, 2.0])
    np.testing.assert_allclose(Rule(2.0, 0.0).probability(ratios), np.exp(ratios - 2), rtol=1e-5)
    f = ratios[:3] - 2 - np.log(1 - np.exp(ratios[:3] - 2))
    np.testing.assert_allclose(Rule(2.0, 0.7).probability(ratios[:3]), 1 / (1 + np.exp(0.7 - f)), rtol=1e-4)
    strict = make_rule(np.linspace(-4, 4, 101), 50)
    assert strict.probability(np.zeros(1))[0] == pytest.approx(0.5)
    assert strict.probability(np.array([9.0]))[0] > 0.99


def test_places_are_of_the_classes_asked_for():
    """Although seeds of one class are kept far more often."""
    def ones_are_real(seeds, labels):
        return np.where(labels == 1, 0.0, -3.0)
    rule, wanted = Rule(0.0, 0.0), np.array([0, 1, 0, 1, 1, 0], np.int32)
    kept = search(rule, ones_are_real, 7, 6, by_parity, wanted)
    assert kept.labels.tolist() == wanted.tolist() == by_parity(kept.seeds).tolist()
    assert kept.seeds[1:5:2] == [7, 9]
    assert (uniforms(np.asarray(kept.seeds)) < np.exp(np.where(wanted, 0.0, -3.0))).all()
    passed = [seed for seed in range(7, max(kept.seeds[::2][:2])) if seed % 2 == 0 and seed not in kept.seeds]
    assert (uniforms(np.asarray(passed)) >= np.exp(-3.0)).all()
    free = search(rule, ones_are_real, 7, 40, by_parity)
    assert free.labels.tolist() == by_parity(free.seeds).tolist()
    assert np.mean(free.labels) > 0.8


def test_a_rule_that_keeps_nothing_is_given_up():
    with pytest.raises(InputError, match="0 of 1 places were filled"):
        search(Rule(0.0, 1e6), log_ratio, 0, 1, None)


def test_calibration_finds_how_logits_are_to_be_read():
    """Logits that are the log ratio of densities, scaled and shifted; the sides are of unequal size."""
    rng = np.random.default_rng(0)
    real, fake = (dist.rvs(size, random_state=rng) for dist, size in ((norm(0.75, 1), 20_000), (norm(0, 1), 5000)))

    def ratio(x):
        return 0.75 * x - 0.75**2 / 2
    found = calibrate(4 * ratio(real) + 11, 4 * ratio(fake) + 11)
    x = np.linspace(-2, 3, 9)
    np.testing.assert_allclose(found.log_ratio(4 * ratio(x) + 11), ratio(x), atol=0.05)
    assert found.accuracy == pytest.approx(norm.cdf(0.375), abs=0.01)
    apart = calibrate(np.full(50, 3.0), np.full(50, -3.0))
    assert np.isfinite(apart[:2]).all()
    assert apart.accuracy == 1
    assert apart.log_ratio(np.array([3.0]))[0] == pytest.approx(np.log(51), rel=0.01)


class Comparing(nn.Module):
    """A discriminator that sees how the images of a batch differ."""

    @nn.compact
    def __call__(self, image, label=None, *, train):
        features = minibatch_stddev(image, 4).reshape(len(image), -1)
        return DiscriminatorOutput(nn.Dense(1)(features)[:, 0], features)


def test_images_are_judged_one_by_one():
    images, network = np.random.default_rng(0).standard_normal((4, 4, 4, 1)).astype(np.float32), Comparing()
    variables = jax.jit(lambda: network.init(keys.root(1), images, train=False))()
    judged = jax.jit(alone(network))({"params": variables["params"], "variables": {}}, images, None)
    single = network.apply(variables, images[2:3], train=False)
    np.testing.assert_allclose(judged.logit[2], single.logit[0], rtol=1e-5)
    np.testing.assert_allclose(judged.features[2], single.features[0], rtol=1e-5)
    assert not np.allclose(judged.logit, network.apply(variables, images, train=False).logit, rtol=1e-3)
