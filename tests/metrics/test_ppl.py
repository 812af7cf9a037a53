import json

import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.metrics import METRICS
from jaxgan.metrics.base import ArraySample, Sides, Space
from jaxgan.metrics.ppl import lerp, slerp, trimmed_mean

NOTHING = ArraySample(np.zeros((2, 1, 1, 1), np.uint8))


@pytest.mark.parametrize("t", [1e-4, 0.3])
def test_interpolation_as_in_torch_fidelity(shared, t):
    with np.load(shared("reference/metrics_ppl.npz")) as arrays:
        begin, end = arrays["a"], arrays["b"]
        where = np.full(len(begin), t)
        np.testing.assert_allclose(lerp(begin, end, where), arrays[f"lerp_t{t}"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(slerp(begin, end, where), arrays[f"slerp_any_t{t}"], rtol=0, atol=1e-12)


def test_trimming_as_in_torch_fidelity(shared):
    values = json.loads(shared("reference/metrics_ppl.json").read_text())["values"]
    with np.load(shared("reference/metrics_ppl.npz")) as arrays:
        assert trimmed_mean(arrays["distances"]) == pytest.approx(values["mean"], rel=1e-6)


def normal(seeds, _):
    return np.stack([np.random.default_rng(int(seed)).standard_normal(3) for seed in seeds])


def space(stretch=1.0, spherical=False, codes=normal, labels=lambda seeds: None, synthesize=None):
    return Space(labels, codes, synthesize or (lambda codes, _: codes * stretch), spherical, lambda images: images)


def test_length_of_paths_in_closed_form():
    """A generator that multiplies: on a line the length is that of b − a, whose square is 2 × 3 in the mean."""
    spaces = {"z": space(spherical=True), "w": space(2.0)}
    metric = METRICS["ppl"](num_samples=2000)
    found = metric.compute(Sides(NOTHING, NOTHING, spaces=spaces), np.random.default_rng(0))
    assert found.keys() == {"ppl_z_full", "ppl_z_end", "ppl_w_full", "ppl_w_end"}
    for name in ("ppl_w_full", "ppl_w_end"):
        assert found[name] == pytest.approx(4 * 6, rel=0.08)
    assert metric.score(found) == found["ppl_w_end"]


def test_great_arcs_between_unit_vectors_have_the_angle_for_a_length():
    def unit(seeds, labels):
        codes = normal(seeds, labels)
        return codes / np.linalg.norm(codes, axis=1, keepdims=True)
    sphere = {"z": space(spherical=True, codes=unit)}
    found = METRICS["ppl"](num_samples=4000).compute(Sides(NOTHING, NOTHING, spaces=sphere), np.random.default_rng(0))
    expected = np.pi**2 / 2 - 2  # of the squared angle, whose density is sin(angle) / 2
    assert [found["ppl_z_full"], found["ppl_z_end"]] == pytest.approx([expected] * 2, rel=0.06)


def test_full_looks_at_the_whole_path_and_end_at_its_beginning():
    """Codes are their own place on the path; images change only in its second half."""
    ends = iter(range(1000))
    halves = space(codes=lambda seeds, _: np.full((len(seeds), 1), next(ends) % 2, float),
                   synthesize=lambda place, _: np.maximum(place - 0.5, 0))
    found = METRICS["ppl"](num_samples=640).compute(Sides(NOTHING, NOTHING, spaces={"w": halves}),
                                                    np.random.default_rng(0))
    assert found["ppl_w_end"] == 0
    assert found["ppl_w_full"] == pytest.approx(0.5, abs=0.08)


def test_both_ends_of_a_step_carry_one_label_and_no_quantised_image():
    coded, made = [], []

    def codes(seeds, labels):
        coded.append(labels.copy())
        return normal(seeds, labels)

    def synthesize(codes, labels):
        made.append(labels.copy())
        return codes
    labelled = space(codes=codes, labels=lambda seeds: seeds % 5, synthesize=synthesize)
    METRICS["ppl"](num_samples=70).compute(Sides(NOTHING, NOTHING, spaces={"w": labelled}), np.random.default_rng(0))
    for seen in (coded, made):
        assert all((one == other).all() for one, other in zip(seen[::2], seen[1::2]))


def test_it_needs_a_generator():
    with pytest.raises(InputError, match="generator"):
        METRICS["ppl"]().compute(Sides(NOTHING, NOTHING), np.random.default_rng(0))
