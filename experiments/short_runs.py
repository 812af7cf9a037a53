"""Runs so short that they are cells of a table: trained, sampled and scored in one process.

Trained by the compiled steps of `python -m jaxgan.main`, without its log, pictures and checkpoints; scored by what
`python -m jaxgan.evaluate` scores with.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.campaign import clock
from jaxgan import data, images, trees
from jaxgan.data import Info, Source
from jaxgan.data.pipeline import Batches
from jaxgan.data.source import ArraySource
from jaxgan.evaluation import Judge
from jaxgan.experiment import PLAYERS, Experiment
from jaxgan.inputs import Input
from jaxgan.metrics.cache import Cache, default_folder
from jaxgan.metrics.choice import choose
from jaxgan.training.phases import next_segment
from jaxgan.training.state import TrainState
from jaxgan.training.update import make_steps
from jaxgan.typing import PyTree

METRICS = ("fd", "prdc", "class_coverage")
Score = Callable[[np.ndarray], dict[str, float]]  # uint8 images -> values by their short names
Look = Callable[["Trained"], None]


class Trained(NamedTuple):
    """A run at some step. facts: seconds and processor seconds of its parts, images a second, parameters."""

    experiment: Experiment
    state: TrainState
    images_seen: int
    facts: dict[str, Any]

    def samples(self, count: int, weights: PyTree | None = None) -> np.ndarray:
        """Of seeds 0 to count - 1, as jaxgan.sample makes them: of the average unless other weights are given."""
        chosen = self.experiment.weights(self.state) if weights is None else weights
        return images.to_uint8(self.experiment.generate(chosen, range(count)))


def train(config: Mapping[str, Any], source: Source, looks: int = 1, look: Look = lambda trained: None) -> Trained:
    """Trains to the config's end. looks: how often `look` is called, at equal distances, the last time at the end.

    facts: "prepare" is everything up to the end of the first round of steps, compilation included; "steps" is the rest.
    """
    facts: dict[str, Any] = {}
    with clock(facts, "prepare"):
        experiment = Experiment(config, source.info)
        feed = experiment.feed(Batches(source, config["batch_size"], config["seed"]))
        compiled = experiment.parallel.compile(make_steps(experiment.method))
        state = experiment.parallel.place(experiment.initial_state())
    facts["parameters"] = {player: trees.size(state.players[player].params) for player in PLAYERS}
    images_a_step, total = experiment.method.images_per_step, experiment.total_steps
    lazy = math.lcm(*(phase.every for phase in experiment.method.phases))
    first = lazy if lazy > 1 else config["steps_per_call"]  # by then every program has been compiled
    step, stops = 0, [first, *(total * part // looks for part in range(1, looks + 1))]
    for number, stop in enumerate(stops):
        with clock(facts, "steps" if number else "prepare"):
            while step < stop:
                segment = next_segment(experiment.method.phases, step, (), min(config["steps_per_call"], stop - step))
                state, _ = compiled(state, feed.steps(step, segment.count), feed.data, due=segment.due)
                step += segment.count
            jax.block_until_ready(state)
        if number:
            facts["images_per_second"] = (step - first) * images_a_step / facts["steps"]["seconds"]
            trained = Trained(experiment, experiment.parallel.gather(state), step * images_a_step, facts)
            look(trained)
    return trained


@contextmanager
def jury(spec: Mapping[str, Any], metrics: Sequence[Any] = METRICS) -> Iterator[Score]:
    """Scores images against those of `spec`, a data section of a config, on a classifier trained on these."""
    source = data.open(spec)
    choices = choose(metrics, source.info, "classifier")
    with Cache(default_folder()) as cache, Cache(None) as passing:
        judge = Judge(Input(source.info.name, spec["split"], source), None, choices, cache, passing)

        def score(fakes: np.ndarray) -> dict[str, float]:
            given = Input("samples", "all", ArraySource(fakes, None, Info("samples", fakes.shape[1:])))
            results = [result for choice in choices for result in judge.measure(choice, [given], 0, groups=1)]
            return {result.short: result.value for result in results}

        yield score


def strip(pictures: np.ndarray) -> np.ndarray:
    """[N, H, W, C] side by side in one picture."""
    return np.concatenate(list(pictures), axis=1)


def cut(picture: np.ndarray, count: int) -> np.ndarray:
    """What `strip` made of `count` pictures, apart again."""
    return np.stack(np.split(picture, count, axis=1))
