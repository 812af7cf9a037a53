"""Trains every loss with every regularizer on two mixtures of Gaussians and counts modes; see the README beside this.

    python experiments/mixtures/run.py
"""

import argparse
import functools
import itertools
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import report
from ml_collections import ConfigDict

from jaxgan import command, compilation, data, trees
from jaxgan import config as configs
from jaxgan.catalogue import suggest
from jaxgan.data.pipeline import Batches
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.metrics import METRICS
from jaxgan.metrics.base import ArraySample, Sides
from jaxgan.training.feed import Feed
from jaxgan.training.state import TrainState
from jaxgan.training.update import make_steps
from jaxgan.typing import PyTree

HERE = Path(__file__).resolve().parent
RECIPE = HERE.parents[1] / "configs" / "ring.py"
SEEDS, STEPS, STEPS_PER_CALL = 5, 3000, 250
BATCH_SIZE, WIDTH, LEARNING_RATE = 64, 64, 3e-3
NUM_SAMPLES = 2500
LAYOUTS = ("ring", "grid")
LOSSES = ("non_saturating", "minimax", "hinge", "least_squares", "wasserstein", "relativistic_paired",
          "dual_contrastive")
SECTIONS = ("batch_size", "latent", "generator", "discriminator", "loss", "regularizers", "augmentation", "optimizers",
            "average")  # of the config: those by which cells differ, or would if the recipe were changed
REGULARIZERS = {  # a row of the table -> what it changes in the config, section by section
    "none": {},
    "r1": {"regularizers": {"r1": {"name": "r1", "gamma": 0.005}}},
    "r1+r2": {"regularizers": {"r1": {"name": "r1", "gamma": 0.005}, "r2": {"name": "r2", "gamma": 0.005}}},
    "gradient_penalty": {"regularizers": {"gradient_penalty": {"name": "gradient_penalty", "gamma": 0.1}}},
    "dragan": {"regularizers": {"dragan": {"name": "dragan", "gamma": 0.01}}},
    "weight_clip": {"regularizers": {"weight_clip": {"name": "weight_clip", "limit": 0.2}}},
    "spectral": {"discriminator": {"spectral": True}},
    "lecam": {"regularizers": {"lecam": {"name": "lecam", "weight": 0.3, "start": 300}}},
    "instance_noise": {"augmentation": {"instance_noise": {"name": "instance_noise", "std": 0.1, "kimg": 96.0}}},
}


def configuration(loss: str, regularizer: str, seed: int, steps: int) -> ConfigDict:
    """The recipe of `configs/ring.py` made small, with this loss and this regularizer."""
    config = configs.load(str(RECIPE))
    config.seed, config.batch_size, config.total_kimg = seed, BATCH_SIZE, steps * BATCH_SIZE / 1000
    config.latent.dim = 2
    config.generator.width = config.discriminator.width = WIDTH
    config.optimizers.generator.learning_rate = config.optimizers.discriminator.learning_rate = LEARNING_RATE
    config.average.ema.half_life_kimg = 10.0
    config.loss, config.regularizers = loss, {}
    for section, changes in REGULARIZERS[regularizer].items():
        config[section] = {**config[section], **changes}
    configs.validate(config)
    return config


@functools.cache
def mixture(layout: str) -> tuple[data.Source, list[Batches]]:
    """The points of one layout, and the batches of every seed."""
    source = data.open({"name": "toy", "layout": layout})
    return source, [Batches(source, BATCH_SIZE, seed) for seed in range(SEEDS)]


def compile_steps(experiment: Experiment) -> Callable:
    """The steps of `python -m jaxgan.main`, mapped over seeds: (states, batches, data) -> states."""
    steps, due = make_steps(experiment.method), tuple(phase.name for phase in experiment.method.phases)
    mapped = jax.vmap(lambda state, feed, points: steps(state, feed, points, due)[0], in_axes=(0, 0, None))
    return compilation.jit(mapped, donate_argnums=0)


def train(experiment: Experiment, state: TrainState, batches: Sequence[Batches], compiled: Callable) -> TrainState:
    """Trains all seeds at once, each on batches of its own: stacked states of step 0 -> those of the last step."""
    feeds = [Feed(each, experiment.method.num_slots, experiment.parallel) for each in batches]
    for step in range(0, experiment.total_steps, STEPS_PER_CALL):
        count = min(STEPS_PER_CALL, experiment.total_steps - step)
        state = compiled(state, stack([feed.steps(step, count) for feed in feeds]), feeds[0].data)
    return state


def stack(states: Sequence[PyTree]) -> PyTree:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


def measure(experiment: Experiment, state: TrainState, source: data.Source) -> dict[str, float | bool]:
    """What the averaged weights of one seed make, in modes of `source`."""
    points = experiment.generate(experiment.weights(state), range(NUM_SAMPLES))
    sides = Sides(real=ArraySample(source.arrays[0]), fake=ArraySample(points))
    values = METRICS["modes"](source.info).compute(sides, np.random.default_rng(0))
    return {name: round(value, 5) for name, value in values.items()} | {"finite": bool(np.isfinite(points).all())}


def run_cell(loss: str, regularizer: str, steps: int, path: Path) -> dict[str, Any]:
    """Trains and measures one loss with one regularizer, every layout and seed, and writes what came of it."""
    compilation.enable_cache()
    start = time.monotonic()
    # Layouts differ in their points alone: one program and one set of states of step 0 serve them all.
    experiments = [Experiment(configuration(loss, regularizer, seed, steps), mixture(LAYOUTS[0])[0].info)
                   for seed in range(SEEDS)]
    first, initial = experiments[0], stack([experiment.initial_state() for experiment in experiments])
    compiled, layouts = compile_steps(first), {}
    for layout in LAYOUTS:
        source, batches = mixture(layout)
        states = train(first, trees.copy(initial), batches, compiled)
        found = [measure(first, jax.tree.map(lambda leaf, seed=seed: leaf[seed], states), source)
                 for seed in range(SEEDS)]
        layouts[layout] = {name: [values[name] for values in found] for name in found[0]}
    cell = {"loss": loss, "regularizer": regularizer, "layouts": layouts,
            "seconds": round(time.monotonic() - start, 1), "settings": settings(loss, regularizer, steps)}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(cell) + "\n")
    partial.replace(path)
    return cell


def settings(loss: str, regularizer: str, steps: int) -> dict[str, Any]:
    """All that decides a cell: one made with other settings is out of date."""
    config = configuration(loss, regularizer, 0, steps)
    chosen = {section: value for section, value in json.loads(configs.to_json(config)).items() if section in SECTIONS}
    return {"steps": steps, "seeds": SEEDS, "samples": NUM_SAMPLES} | chosen


def read_cell(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.exists() else None


def cell_path(folder: Path, loss: str, regularizer: str) -> Path:
    return folder / "cells" / f"{loss}-{regularizer}.json"


def run_cells(chosen: list[tuple[str, str]], steps: int, folder: Path, workers: int) -> None:
    """Runs the cells that are missing or out of date, one a process."""
    due = [pair for pair in chosen if (read_cell(cell_path(folder, *pair)) or {"settings": None})["settings"]
           != settings(*pair, steps)]
    progress(f"{len(chosen) - len(due)} of {len(chosen)} cells are finished.")
    if not due:
        return
    # A process a core with one thread each: these matrices are too small to share.
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false"
    start = time.monotonic()
    with ProcessPoolExecutor(min(workers, len(due)), get_context("spawn")) as pool:
        running = [pool.submit(run_cell, *pair, steps, cell_path(folder, *pair)) for pair in due]
        try:
            for done, future in enumerate(as_completed(running), start=1):
                cell = future.result()
                left = (time.monotonic() - start) * (len(due) - done) / done
                progress(f"{done}/{len(due)} {cell['loss']}, {cell['regularizer']}: {report.summary(cell)} "
                         f"({cell['seconds']:.0f} s; about {left / 60:.0f} min left)")
        finally:
            pool.shutdown(cancel_futures=True)  # else leaving early would first run whatever waits


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def choose(text: str) -> list[tuple[str, str]]:
    """`--only=LOSS,REGULARIZER`."""
    loss, _, regularizer = text.partition(",")
    for name, known in ((loss, LOSSES), (regularizer, list(REGULARIZERS))):
        if name not in known:
            raise InputError(f"--only={text}: there is no {name!r} here. {suggest(name, known)}")
    return [(loss, regularizer)]


def main(arguments: list[str]) -> None:
    os.environ["JAX_PLATFORMS"] = "cpu"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="LOSS,REGULARIZER", help="one cell instead of all that are missing")
    parser.add_argument("--steps", type=int, help="a shorter run, to try this script; nothing is recorded then")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    options = parser.parse_args(arguments)
    everything = list(itertools.product(LOSSES, REGULARIZERS))
    chosen = choose(options.only) if options.only else everything
    if options.steps:
        with tempfile.TemporaryDirectory() as folder:
            run_cells(chosen, options.steps, Path(folder), options.workers)
        return
    run_cells(chosen, STEPS, HERE / "results", options.workers)
    cells = [cell for pair in everything if (cell := read_cell(cell_path(HERE / "results", *pair)))]
    machine = f"{report.cpu()}, {os.cpu_count()} cores, Python {platform.python_version()}, jax {jax.__version__}"
    report.write(cells, list(REGULARIZERS), LOSSES, machine)


if __name__ == "__main__":
    command.run(main)
