import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.metrics import METRICS
from jaxgan.metrics.base import ArraySample, Sides
from jaxgan.metrics.likelihood import Mixture, divergence_widths, likelihood_score
from jaxgan.metrics.memorization import authentic, copying, nearest, project, z_score

NEED_HELD_OUT = ("ct", "fld", "fls", "nn_ratio")


@pytest.fixture(scope="module")
def reference(shared):
    with np.load(shared("reference/metrics_mixtures.npz")) as arrays:
        return dict(arrays), json.loads(shared("reference/metrics_mixtures.json").read_text())["values"]


def test_authpct_as_in_dgm_eval(reference):
    arrays, values = reference
    assert authentic(arrays["real"], arrays["fake"]) == pytest.approx(values["authpct_dgm_eval"], rel=1e-6)


def test_ct_as_in_dgm_eval(reference):
    arrays, values = reference
    train, test, fake = arrays["real"][:250], arrays["real"][250:], arrays["fake"]
    cells = tuple(arrays[f"ct_cells_{side}"] for side in ("train", "test", "fake"))
    assert copying(train, test, fake, cells, values["ct_tau"]) == pytest.approx(values["ct_dgm_eval"], rel=1e-9)
    z = z_score(nearest(fake, train)[0], nearest(test, train)[0])
    assert z == pytest.approx(values["zu_global"], rel=1e-9)


def test_fls_as_in_dgm_eval(reference):
    arrays, values = reference
    real = arrays["real"]
    found = likelihood_score(real[:125], real[125:250], real[250:375], arrays["fake"][:125])
    assert found["fls"] == pytest.approx(values["fls_dgm_eval"], rel=1e-5)
    assert found["fls_overfit"] == pytest.approx(values["fls_overfit_dgm_eval"])


def test_nearest_by_hand_and_block_by_block(monkeypatch):
    rng = np.random.default_rng(0)
    points, others = rng.standard_normal((40, 3)) + 1e6, rng.standard_normal((30, 3)) + 1e6
    points[7] = others[3]
    exact = np.linalg.norm(points[:, None] - others, axis=-1)
    monkeypatch.setattr("jaxgan.metrics.memorization.BLOCK", 200)
    distance, index = nearest(points, others)
    np.testing.assert_array_equal(index, exact.argmin(1))
    np.testing.assert_allclose(distance, exact.min(1), rtol=1e-12)
    assert distance[7] == 0
    own = np.linalg.norm(others[:, None] - others, axis=-1) + np.diag(np.full(30, np.inf))
    np.testing.assert_array_equal(nearest(others, others, leave_out=np.arange(30))[1], own.argmin(1))


def test_authentic_by_hand():
    train = np.array([[0.0], [1.0], [10.0]])
    fake = np.array([[0.5 + 1e-3], [3.0], [9.0], [-2.0]])  # nearer than 1 to 1; 2 from 1; 1 from 10, 9 apart; 2 from 0
    assert authentic(train, fake) == 50
    assert authentic(train, train) == 0


def test_z_scores_by_hand_with_ties():
    assert z_score(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == pytest.approx((4 - 1.5) / np.sqrt(4 * 5 / 12))
    assert z_score(np.ones(3), np.ones(2)) == pytest.approx(0.5 / np.sqrt(6 * 6 / 12))


def test_components_are_those_of_the_training_images():
    rng = np.random.default_rng(0)
    train, other = rng.standard_normal((300, 5)) * [1, 9, 1, 4, 1], rng.standard_normal((4, 5))
    found = project(train, other, dim=2)
    axes = np.linalg.svd(train - train.mean(0))[2][:2].T
    for side, features in zip(found, (train, other)):
        np.testing.assert_allclose(np.abs(side), np.abs((features - train.mean(0)) @ axes), rtol=1e-9)
    assert project(train, other)[1] is other


def test_widths_of_fld_by_automatic_differentiation():
    """The same fit by jax.grad from the definition of the objective, and by Adam from that of Adam."""
    rng = np.random.default_rng(0)
    points, centres = rng.standard_normal((40, 6)), rng.standard_normal((12, 6))
    with jax.enable_x64(True):
        squares = jnp.sum((points[:, None] - centres) ** 2, -1)
        broad = jnp.sum((points - points.mean(0)) ** 2, -1, keepdims=True) * 0.9**2

        def loss(logs):
            exponents = -0.5 * jnp.concatenate([squares, broad], 1) / jnp.exp(logs) - 3 * logs
            exponents = exponents - jnp.append(jnp.full(12, jnp.log(12.0)), 0.0)
            return -jax.nn.logsumexp(exponents, axis=1).mean() / 6
        gradient = jax.jit(jax.grad(loss))
        logs, m, v = np.append(np.log((np.min(squares, 0) + 1e-3) / 6), 0.0), 0.0, 0.0
        for t in range(1, 51):
            g = np.asarray(gradient(logs))
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            logs = logs - 0.5 * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    squares, logs = np.asarray(squares), logs[:-1]
    expected = np.log(12) - np.mean(np.log(np.sum(np.exp(-0.5 * squares / np.exp(logs) - 3 * logs), axis=1)))
    widths = divergence_widths(points, centres)
    np.testing.assert_allclose(widths, logs, rtol=1e-8)
    assert Mixture(centres, widths).nll(points) == pytest.approx(expected)


@pytest.fixture(scope="module")
def verdicts():
    """Every score of fakes that are new, of copies, of near copies, and of a collapsed set, in eight dimensions."""
    rng = np.random.default_rng(0)

    def draw(num):
        return rng.standard_normal((num, 8)) * np.linspace(1, 2, 8)
    train, held_out = draw(300), draw(150)
    fakes = {"new": draw(150), "copies": train[:150], "near": train[:150] + 0.01 * draw(150),
             "collapsed": np.repeat(draw(3), 50, 0) + 0.01 * draw(150)}

    def side(features):
        return ArraySample(np.zeros((len(features), 1, 1, 1), np.uint8), outputs={"pool": features.astype(np.float32)})
    return {fake: {name: METRICS[name]().compute(Sides(side(train), side(features), side(held_out)),
                                                 np.random.default_rng(1))
                   for name in ("authpct", *NEED_HELD_OUT)} for fake, features in fakes.items()}


def test_new_images_pass(verdicts):
    new = verdicts["new"]
    assert new["authpct"]["authpct"] > 50
    assert abs(new["ct"]["ct"]) < 3
    assert abs(new["ct"]["ct_global"]) < 3
    assert new["nn_ratio"]["nn_ratio"] == pytest.approx(1, abs=0.1)
    assert new["nn_ratio"]["nn_close"] < 0.05
    assert abs(new["fld"]["fld"]) < 10
    assert new["fls"]["fls"] > 80
    assert abs(new["fls"]["fls_overfit"]) < 20


@pytest.mark.parametrize("fake", ["copies", "near"])
def test_copies_of_the_training_set_are_detected(verdicts, fake):
    found, new = verdicts[fake], verdicts["new"]
    assert found["authpct"]["authpct"] < 1
    assert found["ct"]["ct"] < -5
    assert found["ct"]["ct_global"] < -10
    assert found["nn_ratio"]["nn_ratio"] < 0.05
    assert found["nn_ratio"]["nn_close"] == 1
    assert found["fld"]["fld"] > new["fld"]["fld"] + 50
    assert found["fld"]["fld_gap"] < -50
    assert found["fls"]["fls_overfit"] > 15
    for name in ("authpct", *NEED_HELD_OUT):
        score = METRICS[name]().score
        assert score(new[name]) < score(found[name]), name


def test_collapse_is_unlikely_but_no_copy(verdicts):
    assert verdicts["collapsed"]["fld"]["fld"] > verdicts["new"]["fld"]["fld"] + 5
    assert verdicts["collapsed"]["nn_ratio"]["nn_close"] == 0


@pytest.mark.parametrize("name", NEED_HELD_OUT)
def test_held_out_images_are_asked_for(name):
    side = ArraySample(np.zeros((3, 1, 1, 1), np.uint8), outputs={"pool": np.eye(3)})
    with pytest.raises(InputError, match=f"{name} needs real images that were held out"):
        METRICS[name]().compute(Sides(side, side), np.random.default_rng(0))
