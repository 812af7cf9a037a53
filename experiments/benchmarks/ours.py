"""jaxgan's side of the comparison: the compiled steps that `python -m jaxgan.main` runs, and nothing around them."""

import platform
from collections.abc import Callable
from typing import Any

import flax
import jax
import jaxlib

from jaxgan import compilation, data, trees
from jaxgan import config as configs
from jaxgan.data.pipeline import Batches
from jaxgan.experiment import PLAYERS, Experiment
from jaxgan.training.feed import Feed
from jaxgan.training.phases import next_segment
from jaxgan.training.update import make_steps


def prepare(location: str, overrides: list[str]) -> tuple[Callable[[int], float], dict[str, Any]]:
    """What a contestant hands to the harness: `run(steps) -> last loss of D`, and facts about itself.

    steps: a multiple of `training.cycle`, so that the calls are those of a long run.
    """
    compilation.enable_cache()
    config = configs.load(location, overrides)
    source = data.open(config.data)
    experiment = Experiment(config, source.info)
    method, parallel = experiment.method, experiment.parallel
    feed = Feed(Batches(source, config.batch_size, config.seed), method.num_slots, parallel)
    compiled = parallel.compile(make_steps(method))
    state = parallel.place(experiment.initial_state())
    num_params = [trees.size(state.players[name].params) for name in PLAYERS]
    step = 0

    def run(steps: int) -> float:
        nonlocal state, step
        end = step + steps
        while step < end:
            segment = next_segment(method.phases, step, (), config.steps_per_call)
            state, metrics = compiled(state, feed.steps(step, segment.count), feed.data, due=segment.due)
            step += segment.count
        jax.block_until_ready(state)
        return float(metrics["d/loss"])

    facts = {
        "versions": {"python": platform.python_version(), "jax": jax.__version__, "jaxlib": jaxlib.__version__,
                     "flax": flax.__version__},
        "device": {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend()),
        "device_kind": jax.devices()[0].device_kind, "num_params": num_params,
        "image_shape": list(source.info.shape), "num_classes": source.info.num_classes,
        "steps_per_call": config.steps_per_call, "devices": parallel.mesh.size,
    }
    return run, facts
