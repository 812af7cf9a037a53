"""`python -m jaxgan.plan`: what a config costs, here and on a TPU slice that is not there."""

import importlib.util
import json
import math
import re

import jax
import pytest

from jaxgan import config as config_lib
from jaxgan import data, plan, planning
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment

PLAN = ("plan", "--shape=8x8x1", "--images=1000")


def test_the_plan_for_this_machine(command, small, tmp_path):
    """Parameters, work and time of an MLP whose numbers can be worked out by hand."""
    code, out, err = command(*PLAN, f"--config={small}", "--json=plan.json")
    assert code == 0, err
    assert "Timed on noise" in out
    found = json.loads((tmp_path / "plan.json").read_text())
    # 4 -> 16 -> 64 and 64 -> 16 -> 1, biases included
    assert found["parameters"] == {"generator": 5 * 16 + 17 * 64, "discriminator": 65 * 16 + 17}
    weights = (4 * 16 + 16 * 64, 64 * 16 + 16)  # a forward pass takes two operations for each
    # D: fake by G, both sides forward and, without the gradient of the image, back. G: both networks both ways.
    least = 2 * (weights[0] + 2 * 2 * weights[1] + 3 * weights[0] + 2 * weights[1])
    assert least < found["flops_per_image"] < 3 * least
    assert found["images_per_second"][0] == pytest.approx(16 / found["step_seconds"][0])
    assert found["hours"][0] == pytest.approx(1280 / found["images_per_second"][0] / 3600)
    assert found["share_of_peak"] is None


def test_lazy_phases_count_by_their_share(tiny):
    config = tiny("regularizers.r1={'name': 'r1', 'gamma': 1.0, 'every': 4}",
                  "regularizers.r2={'name': 'r2', 'gamma': 1.0, 'every': 2}")
    experiment = Experiment(config, data.open(config["data"]).info, jax.devices()[:1])
    assert planning.programs(experiment) == {
        ("d", "d_r1", "d_r2", "g"): 0.25, ("d", "g"): 0.5, ("d", "d_r2", "g"): 0.25}


def test_work_in_loops_counts_as_often_as_they_turn(tiny):
    """Of a method, and of a compiled program: 6 cycles in a body within a body, no more for what is inside a fusion."""
    found = {}
    for name, overrides in {"once": (), "more": ("num_critic=3", "accumulate=2")}.items():
        config = tiny("batch_size=32", *overrides)
        info = data.open(config["data"]).info
        experiment = Experiment(config, info, jax.devices()[:1])
        found[name] = planning.flops(experiment, 100) / experiment.method.images_per_step
    assert found["more"] < found["once"]  # an update of G for three of D
    assert found["more"] > 0.5 * found["once"]
    text = """
%inside (a: f32[]) -> f32[] {
  ROOT %sum = f32[] fusion(%a), calls=%deeper
}
%until (a: s32[]) -> pred[] {
  %limit = s32[]{:T(128)} constant(3)
}
%inner (a: s32[]) -> s32[] {
  %one = f32[8]{0} fusion(%a), kind=kLoop, calls=%inside, backend_config={"estimated_cycles":"6"}
  %all-reduce.1 = f32[8]{0} all-reduce(%one), channel_id=1
}
%outer (a: s32[]) -> s32[] {
  %loop = s32[] while(%a), condition=%until, body=%inner
}
ENTRY %main (a: s32[]) -> s32[] {
  %loop.1 = s32[] while(%a), condition=%until, body=%outer
  %two = f32[8]{0} fusion(%a), kind=kLoop, calls=%inside, backend_config={"estimated_cycles":"100"}
}"""
    parts = planning.computations(text)
    assert planning.turns(parts)["%inner"] == 9
    assert planning.expected_cycles(parts) == (9 * 6 + 100, 2 / 3)


def test_the_bytes_that_chips_exchange():
    text = """
  %all-reduce.1 = f32[128,64]{1,0:T(8,128)} all-reduce(%fusion), channel_id=1
  %start = (f32[10]{0}, bf16[20]{0}) all-gather-start(%a, %b), channel_id=2
  %copy = f32[1000]{0} copy(%c)
"""
    assert planning.collective_bytes(text) == 128 * 64 * 4 + 10 * 4 + 20 * 2


@pytest.mark.parametrize(("arguments", "message"), [
    (["--target=v5e"], "such as v5e:4x4"),
    (["--shape=8x8x1", "--images=0"], "--images one from 1"),
    (["--config.data=tfds:nothing_like_it"], "describe them: --shape=HxWxC"),
    (["--shape=8x8x1", "--config.parallel=pmap"], "choose jit or fsdp"),
    (["--json=nowhere/plan.json"], "there is no folder nowhere"),
])
def test_refusals(small, arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        plan.main([f"--config={small}", *arguments])


@pytest.mark.parametrize(("limit", "fails"), [(1000, 4096), (1000, 150), (37, 4096), (10, 4096), (1e9, 64)])
def test_the_largest_batch_that_fits_is_found_in_few_tries(limit, fails):
    """Memory that grows by steps, and of which nothing is said where it is far too much."""
    tried = []

    def memory(count):
        tried.append(count)
        used = 20 + 2.5 * count + 10 * (count // 64)
        return used if used < 3 * limit else math.inf
    expected = max((count for count in range(fails) if 20 + 2.5 * count + 10 * (count // 64) <= limit), default=0)
    assert planning.largest_fit(memory, limit, fails) == expected
    assert len(tried) <= 12


@pytest.fixture
def tpu_compiler():
    if importlib.util.find_spec("libtpu") is None:
        pytest.skip("no libtpu: pip install 'jaxgan[plan]'")


@pytest.mark.usefixtures("tpu_compiler")
def test_the_plan_for_a_tpu_slice(command, small, tmp_path):
    code, out, err = command(*PLAN, f"--config={small}", "--target=v5e:2x2", "--json=plan.json")
    assert code == 0, err
    assert "compiler's estimates" in out
    found = json.loads((tmp_path / "plan.json").read_text())
    assert found["devices"] == 4
    assert 0 < found["step_seconds"][0] <= found["step_seconds"][1]
    assert 0 < found["share_of_peak"] < 1
    assert 0.5 < found["modelled"] <= 1
    # the gradients of both networks, and what is logged of them
    assert found["collective_bytes_per_step"] >= 4 * sum(found["parameters"].values())


@pytest.mark.slow
@pytest.mark.usefixtures("tpu_compiler")
def test_a_batch_too_large_is_refused_with_one_that_fits(root):
    config = config_lib.load(f"{root}/configs/dcgan.py", ["batch_size=1048576", "generator.width=64"])
    info = data.open(config["data"]).info
    with pytest.raises(InputError, match=r"does not fit into 16 GiB a device on v5e:2x2: --config.batch_size=\d+ is"):
        planning.plan(config, info, 1797, planning.find_target("v5e:2x2"), lambda text: None)
