"""A training run from a config to its folder: what `jaxgan.main` does, as a function."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgan import data, images, processes
from jaxgan.data.pipeline import Batches
from jaxgan.evaluation import TrainingJudge
from jaxgan.experiment import Experiment
from jaxgan.runs import RunFolder
from jaxgan.training import transfer
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.feed import Feed
from jaxgan.training.logging import MetricsWriter, Progress, read_metrics
from jaxgan.training.loop import Hooks, Trainer
from jaxgan.training.profiling import Profiler
from jaxgan.training.state import TrainState

NUM_TILES = 64     # images of the fixed-seed grid
NUM_POINTS = 2000  # points of the fixed-seed scatter


def train(config: Mapping[str, Any], workdir: str | Path, quiet: bool = False, profile: bool = False,
          devices=None) -> str:
    """Trains or resumes the run in `workdir`; returns a few lines that say what was written where. profile: writes a
    trace of a few steps there.

    Raises InputError where config, data and folder do not fit; Interrupted, after a checkpoint, on SIGTERM or Ctrl-C.
    """
    folder = RunFolder(workdir)
    folder.check_config(config)
    try:
        return _train(folder, config, quiet, profile, devices)
    finally:
        folder.publish()


def _train(folder: RunFolder, config: Mapping[str, Any], quiet: bool, profile: bool, devices) -> str:
    source = data.open(config["data"])
    experiment = Experiment(config, source.info, devices)
    batches = Batches(source, config["batch_size"], config["seed"], jax.process_index(), jax.process_count())
    # Weights that do not fit are refused before anything is written.
    first = None if folder.checkpoints.exists() else first_state(experiment)
    processes.wait("folder checked")
    if processes.is_first():
        folder.prepare(config, source.info)
    processes.wait("folder prepared")
    with ExitStack() as stack:
        checkpoints = stack.enter_context(closing(Checkpoints(folder.checkpoints, folder.publish)))
        steps = checkpoints.steps()
        state, origin = ((checkpoints.restore(steps[-1], experiment.abstract_state()), []) if steps
                         else first or first_state(experiment))
        step = int(state.step)
        if step >= experiment.total_steps:
            return f"{folder.name} is finished: {step:,} steps, {config['total_kimg']:g} thousand images."
        progress = stack.enter_context(Progress(experiment.total_steps, step, experiment.method.images_per_step,
                                                quiet or not processes.is_first()))
        record = silent
        if processes.is_first():
            record = stack.enter_context(MetricsWriter(folder.metrics_file, step if step else None)).write
        studio = Studio(experiment, batches, folder)
        progress.note("\n".join([greeting(experiment, source, folder, step), *origin]))
        if not step:
            studio.draw(state)
        store = experiment.stored_averages(folder.averages)
        hooks = Hooks(sample=studio.draw, evaluate=judged(experiment, source), record=record,
                      keep=lambda state: store.save(int(state.step), state.averages))
        if profile:
            profiler = stack.enter_context(closing(Profiler(folder.profile)))
            hooks = hooks._replace(begin=profiler.before)
        feed = Feed(batches, experiment.method.num_slots, experiment.parallel)
        Trainer(experiment, feed, checkpoints, hooks, progress).run(state)
    return studio.finish() if processes.is_first() else ""


def silent(step: int, metrics: Mapping[str, Any]) -> None:
    """What a process records that is not the first."""


def judged(experiment: Experiment, source: data.Source) -> Callable[[TrainState], tuple[dict, float | None]]:
    """The hook that scores a state. What its metrics need is made ready now, so that it is not found missing later."""
    judge = TrainingJudge(experiment, source)
    if experiment.config["evaluate_every"]:
        judge.prepare()
    return lambda state: judge.evaluate(experiment.weights(state))


def first_state(experiment: Experiment) -> tuple[TrainState, list[str]]:
    """The state of step 0, begun from `config.init_from` as far as its weights fit, and what is to be said of those."""
    config, state = experiment.config, experiment.initial_state()
    if not config["init_from"]:
        return state, []
    folder = RunFolder(config["init_from"])
    info = folder.info()
    with closing(Checkpoints(folder.checkpoints, read_only=True)) as source:
        step = source.choose(config["init_checkpoint"])
        weights = source.restore_plain(step)
    state, fits = transfer.transfer(state, weights, channels=(info.shape[-1], experiment.info.shape[-1]),
                                    classes=(info.num_classes, experiment.info.num_classes))
    return state, [f"Starting from {folder.name}, step {step:,}:", transfer.describe(fits)]


def greeting(experiment: Experiment, source: data.Source, folder: RunFolder, step: int) -> str:
    """What is about to be trained, on what, and how to look at it."""
    info, config = source.info, experiment.config
    height, width, channels = info.shape
    kind = "points" if info.kind == "point" else f"images of {height}×{width}×{channels}"
    classes = f", {info.num_classes} classes" if info.num_classes else ""
    lines = [f"{'Resuming' if step else 'Training'} {folder.name}: {len(source):,} {kind} from {info.name}{classes}; "
             f"{experiment.total_steps:,} steps of {config['batch_size']} on {experiment.parallel.mesh.size} "
             f"{experiment.parallel.mesh.devices.flat[0].device_kind} device(s)."]
    lines += [f"Skipped {len(info.skipped)} files of the data:"] * bool(info.skipped)
    lines += [f"  {reason}" for reason in info.skipped[:10]]
    lines += [f"  … and {len(info.skipped) - 10} more: see {folder.environment_file}"] * (len(info.skipped) > 10)
    return "\n".join(lines)


class Studio:
    """Draws, scores and shows what the generator makes of the fixed seeds."""

    def __init__(self, experiment: Experiment, batches: Batches, folder: RunFolder):
        self.experiment, self.batches, self.folder = experiment, batches, folder

    def real(self, count: int) -> np.ndarray:
        """The first `count` real examples, as the data come."""
        return self.batches.gather(np.arange(min(count, self.batches.num_examples)))["image"]

    def draw(self, state: TrainState) -> None:
        """Writes the fixed-seed picture of this step."""
        step = int(state.step)
        title = f"step {step:,} · {step * self.experiment.method.images_per_step / 1000:g} thousand images"
        picture = self.picture(state, title)
        if processes.is_first():
            images.save_png(picture, self.folder.samples / f"step{step:08d}.png")

    def picture(self, state: TrainState, title: str) -> np.ndarray:
        """A grid of seeds 0 to 63; for points a scatter of seeds 0 to 1,999 over real ones."""
        weights = self.experiment.weights(state)
        if self.experiment.info.kind == "point":
            points = self.experiment.generate(weights, range(NUM_POINTS)).reshape(NUM_POINTS, -1)
            return images.scatter(points, self.real(NUM_POINTS).reshape(-1, points.shape[1]), title)
        return images.grid(self.experiment.generate(weights, range(NUM_TILES)), columns=8, title=title)

    def finish(self) -> str:
        """Writes the animation and the curves; says where everything is."""
        from jaxgan.reporting.curves import draw_curves  # matplotlib: most of a second, and wanted only now
        pictures = sorted(self.folder.samples.glob("step*.png"))
        animation, curves = self.folder.samples / "training.gif", self.folder.samples / "curves.png"
        name = self.folder.name
        images.save_gif([images.load_png(path) for path in pictures], animation)
        draw_curves(read_metrics(self.folder.metrics_file), curves, self.folder.path.name)
        return "\n".join([
            f"Done. Everything is in {name}:",
            f"  first and last picture   {name}/samples/{pictures[0].name}  {name}/samples/{pictures[-1].name}",
            f"  animation and curves     {name}/samples/{animation.name}  {name}/samples/{curves.name}",
            f"  metrics, checkpoints     {name}/metrics.jsonl  {name}/checkpoints",
            f"More images: python -m jaxgan.sample --workdir={name} --seeds=0-63 --output=samples.png",
        ])
