"""Penalties by finite differences inside a run: what the two sides of a difference have in common."""

import jax

from jaxgan import data
from jaxgan.data.pipeline import Batches
from jaxgan.experiment import Experiment
from jaxgan.training.feed import Feed
from jaxgan.training.update import make_steps


def test_both_sides_are_augmented_alike(tiny):
    """Noise a hundred times the step would drown the difference, were it drawn anew for either side."""
    config = tiny("augmentation.noise={'name': 'instance_noise', 'std': 1.0}", "regularizers.exact={'name': 'r1'}",
                  "regularizers.estimate={'name': 'r1', 'epsilon': 0.01}")
    source = data.open(config["data"])
    experiment = Experiment(config, source.info, jax.devices()[:1])
    feed = Feed(Batches(source, config["batch_size"], 0), experiment.method.num_slots, experiment.parallel)
    steps = experiment.parallel.compile(make_steps(experiment.method))
    _, metrics = steps(experiment.initial_state(), feed.steps(0, 1), feed.data,
                       due=tuple(phase.name for phase in experiment.method.phases))
    assert 0.1 < metrics["d/estimate"] / metrics["d/exact"] < 10
