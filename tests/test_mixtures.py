"""The experiment on mixtures trains its seeds together: each ends where it would alone."""

import sys

import jax
import numpy as np
import pytest

from jaxgan.experiment import Experiment
from jaxgan.training.feed import Feed
from jaxgan.training.update import make_steps

STEPS = 6


@pytest.fixture
def run(root, monkeypatch):
    """The experiment's script, with two small seeds and two calls to a run."""
    monkeypatch.syspath_prepend(root / "experiments" / "mixtures")
    import run
    for name, value in {"SEEDS": 2, "BATCH_SIZE": 8, "WIDTH": 8, "STEPS_PER_CALL": STEPS // 2}.items():
        monkeypatch.setattr(run, name, value)
    yield run
    for name in ("run", "report"):
        sys.modules.pop(name)


@pytest.mark.slow
def test_seeds_together_and_alone(run):
    source, batches = run.mixture("grid")
    experiments = [Experiment(run.configuration("hinge", "instance_noise", seed, STEPS), source.info, jax.devices()[:1])
                   for seed in range(2)]
    first, initial = experiments[0], run.stack([experiment.initial_state() for experiment in experiments])
    together = run.train(first, initial, batches, run.compile_steps(first))
    steps = first.parallel.compile(make_steps(first.method))
    for seed, (experiment, batch) in enumerate(zip(experiments, batches)):
        feed = Feed(batch, experiment.method.num_slots, experiment.parallel)
        alone, _ = steps(experiment.initial_state(), feed.steps(0, STEPS), feed.data, due=("d", "g"))
        assert int(alone.step) == int(together.step[seed]) == STEPS
        for part in ("players", "averages", "parts"):
            jax.tree.map(lambda a, b, seed=seed: np.testing.assert_allclose(a[seed], b, rtol=1e-4, atol=1e-5),
                         getattr(together, part), getattr(alone, part))
