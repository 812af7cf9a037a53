"""A training run from a config to its folder: what `jaxgan.main` does, as a function."""

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgan import catalogue, data, images, portraits, processes
from jaxgan.data.pipeline import Batches
from jaxgan.errors import InputError
from jaxgan.evaluation import TrainingJudge
from jaxgan.experiment import Experiment
from jaxgan.inputs import HELD_OUT
from jaxgan.runs import RunFolder
from jaxgan.training import live, transfer
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.health import Doctor
from jaxgan.training.logging import MetricsWriter, Progress, read_metrics
from jaxgan.training.loop import Hooks, Trainer
from jaxgan.training.profiling import Profiler
from jaxgan.training.state import TrainState
from jaxgan.typing import PyTree

FRAMES = 200      # of the animation, at most: they are in memory all at once
NUM_TILES = 64     # images of the fixed-seed grid
NUM_ROWS = 16      # of them, where images are made from images
NUM_POINTS = 2000  # points of the fixed-seed scatter


def train(config: Mapping[str, Any], workdir: str | Path, quiet: bool = False, profile: bool = False,
          devices=None, allow_change: bool = False, source: data.Source | None = None) -> str:
    """Trains or resumes the run in `workdir`; returns a few lines that say what was written where. profile: writes a
    trace of a few steps there. allow_change: the config may differ from the one it was trained by so far.
    source: the config's data, where they are open already.

    Raises InputError where config, data and folder do not fit; Interrupted, after a checkpoint, on SIGTERM or Ctrl-C;
    Diverged where numbers that are not finite keep coming back.
    """
    live.check(config["log"])
    folder = RunFolder(workdir)
    with folder.held() as warning:
        tell(warning)
        changed = folder.check_config(config, allow_change)
        try:
            return _train(folder, config, source or data.open(config["data"]), changed, quiet, profile, devices)
        finally:
            folder.publish()


def _train(folder: RunFolder, config: Mapping[str, Any], source: data.Source, changed: bool, quiet: bool,
           profile: bool, devices) -> str:
    experiment = Experiment(config, source.info, devices, examples=lambda: source)
    if changed and experiment.method.privacy:
        raise InputError("What a private run has spent is counted by its config, which must stay as it is: train in "
                         "another folder.")
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
        state, origin = first if first and not steps else last_state(checkpoints, experiment)
        step = int(state.step)
        if changed and processes.is_first():
            folder.change_config(config, step)
        studio = Studio(experiment, batches, folder, source)
        if step >= experiment.total_steps:
            said = f"{folder.name} is finished: {step:,} steps, {config['total_kimg']:g} thousand images."
            return said if studio.is_finished() or not processes.is_first() else f"{said}\n{studio.finish(state)}"
        progress = stack.enter_context(Progress(experiment.total_steps, step, experiment.method.images_per_step,
                                                quiet or not processes.is_first()))
        writer = Silent()
        if processes.is_first():
            writer = stack.enter_context(MetricsWriter(folder.metrics_file, step if step else None))
            studio.watchers = stack.enter_context(closing(live.Live(config, folder.path, step)))
        progress.note("\n".join([greeting(experiment, source, folder, step), *origin]))
        if not step:
            studio.draw(state)
        store = experiment.stored_averages(folder.averages)

        def back() -> TrainState:
            state, _ = last_state(checkpoints, experiment)
            writer.rewind(int(state.step))
            return state

        def record(step: int, values: Mapping[str, Any]) -> None:
            values = {**values, **spent(experiment, step)}
            writer.write(step, values)
            studio.watchers.write(step, values)

        hooks = Hooks(sample=studio.draw, evaluate=judged(experiment, source), record=record,
                      keep=lambda state: store.save(int(state.step), state.averages), back=back,
                      examine=examined(experiment, source, batches, folder, progress.note))
        if profile:
            profiler = stack.enter_context(closing(Profiler(folder.profile)))
            hooks = hooks._replace(begin=profiler.before)
        state = Trainer(experiment, experiment.feed(batches), checkpoints, hooks, progress).run(state)
    return studio.finish(state) if processes.is_first() else ""


class Silent:
    """What a process tells that is not the first."""

    def write(self, step: int, metrics: Mapping[str, Any]) -> None: ...
    def rewind(self, step: int) -> None: ...
    def draw(self, step: int, picture: np.ndarray) -> None: ...


def spent(experiment: Experiment, step: int) -> dict[str, float]:
    """What a private run has spent, for its log."""
    private = experiment.method.privacy
    return {"privacy/epsilon": private.epsilon_at(step), "privacy/delta": private.delta} if private else {}


def last_state(checkpoints: Checkpoints, experiment: Experiment) -> tuple[TrainState, list[str]]:
    """The last checkpoint that is whole, or where there is none, the state of step 0 and what is to be said of it."""
    state, damage = checkpoints.newest(experiment.abstract_state())
    tell("\n".join(damage))
    return first_state(experiment) if state is None else (state, [])


def tell(warning: str) -> None:
    """Says on stderr what is not as it should be, however quiet the run."""
    if warning and processes.is_first():
        print(f"warning: {warning}", file=sys.stderr, flush=True)


def examined(experiment: Experiment, source: data.Source, batches: Batches, folder: RunFolder,
             note: Callable[[str], None]) -> Callable:
    """The hook that looks for signs of failure; nothing is read for it where config.health_every is 0."""
    config, unseen = experiment.config, None
    if not config["health_every"]:
        return lambda state, logged: ({}, {})
    try:
        if found := held_out(config["data"], source):
            unseen = Batches(found, config["batch_size"], config["seed"], jax.process_index(), jax.process_count(),
                             memory_limit=0)
    except InputError as error:
        note(f"No held-out images are watched: {error}")
    history = read_metrics(folder.metrics_file) if processes.is_first() else []
    return Doctor(experiment.parts, experiment.parallel, experiment.method.images_per_step, batches, unseen,
                  history).examine


def held_out(spec: Mapping[str, Any], source: data.Source) -> data.Source | None:
    """The split of the run's data that is for testing, where there is one that is not trained on."""
    name, arguments = catalogue.split_spec(spec, "data")
    used = arguments.get("split", "train")
    split = next((split for split in HELD_OUT if split in source.info.splits and split != used), None)
    return data.open({"name": name, **arguments, "split": split}) if split else None


def judged(experiment: Experiment, source: data.Source) -> Callable[[TrainState], tuple[dict, float | None]]:
    """The hook that scores a state. What its metrics need is made ready now, so that it is not found missing later."""
    judge = TrainingJudge(experiment, source)
    if experiment.config["evaluate_every"]:
        judge.prepare()
    return lambda state: judge.evaluate(experiment.weights(state))


def first_state(experiment: Experiment) -> tuple[TrainState, list[str]]:
    """The state of step 0, begun from `config.init_from` as far as its weights fit, and what is to be said of those."""
    config = experiment.config
    if not config["init_from"]:
        return experiment.parallel.gather(experiment.initial_state()), []
    folder = RunFolder(config["init_from"])
    info, state = folder.info(), experiment.parallel.gather(experiment.initial_state())
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
    if private := experiment.method.privacy:
        lines.append(f"Private: epsilon {private.epsilon_at(experiment.total_steps):.3g} at delta {private.delta:g} at "
                     f"the end, by noise {private.noise:.3g}; see jaxgan.privacy.statement for what that covers.")
    lines += [f"Skipped {len(info.skipped)} files of the data:"] * bool(info.skipped)
    lines += [f"  {reason}" for reason in info.skipped[:10]]
    lines += [f"  … and {len(info.skipped) - 10} more: see {folder.environment_file}"] * (len(info.skipped) > 10)
    return "\n".join(lines)


class Studio:
    """Draws, scores and shows what the generator makes of the fixed seeds."""

    def __init__(self, experiment: Experiment, batches: Batches, folder: RunFolder, source: data.Source):
        self.experiment, self.batches, self.folder, self.source = experiment, batches, folder, source
        self.watchers: live.Live | Silent = Silent()
        self.animation, self.curves = folder.samples / "training.gif", folder.samples / "curves.png"
        self.report = folder.path / "report.html"

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
            self.watchers.draw(step, picture)

    def picture(self, state: TrainState, title: str) -> np.ndarray:
        """A grid of seeds 0 to 63; for points a scatter of seeds 0 to 1,999 over real ones."""
        weights = self.experiment.weights(state)
        if self.experiment.info.kind == "point":
            points = self.experiment.generate(weights, range(NUM_POINTS)).reshape(NUM_POINTS, -1)
            return images.scatter(points, self.real(NUM_POINTS).reshape(-1, points.shape[1]), title)
        if self.experiment.info.label_kind == "image":
            return self.translated(weights, title)
        return images.grid(self.experiment.generate(weights, range(NUM_TILES)), columns=8, title=title)

    def translated(self, weights: PyTree, title: str) -> np.ndarray:
        """Images beside what they were made from, and beside the truth where there is one."""
        given = self.experiment.draw_labels(range(NUM_ROWS))
        made = self.experiment.generate(weights, range(NUM_ROWS), given)
        if getattr(self.experiment.parts.networks["generator"], "two_way", False):
            (first, second), (to_first, to_second) = (np.split(np.asarray(both), 2, axis=1) for both in (given, made))
            return images.side_by_side([first, to_second, second, to_first], title + " · given, made; the other way")
        return images.side_by_side([given, made, self.real(NUM_ROWS)], title + " · given, made, true")

    def is_finished(self) -> bool:
        """Whether what `finish` writes is there; it is not where the process was killed while drawing."""
        return all(path.exists() for path in (self.animation, self.curves, self.report))

    def page(self, state: TrainState) -> str:
        """Writes the run's page and says where it is, or why there is none: that fails no run."""
        try:
            portrait = portraits.of_folder(self.folder)
            if jax.process_count() == 1:  # several make images only together, and just the first is here
                model = portraits.Model(self.experiment, self.experiment.weights(state), self.source)
                portrait = portraits.with_images(portrait, model)
            portraits.write([portrait], self.report)
        except Exception as error:
            return f"  no page                  {type(error).__name__}: {error}"
        return f"  all of it as a page      {self.folder.name}/{self.report.name}"

    def finish(self, state: TrainState) -> str:
        """Writes the animation and the curves; says where everything is."""
        from jaxgan.reporting.curves import draw_curves  # matplotlib: most of a second, and wanted only now
        pictures = sorted(self.folder.samples.glob("step*.png"))
        name = self.folder.name
        shown = sorted({round(index) for index in np.linspace(0, len(pictures) - 1, FRAMES)})
        images.save_gif([images.load_png(pictures[index]) for index in shown], self.animation)
        draw_curves(read_metrics(self.folder.metrics_file), self.curves, self.folder.path.name)
        return "\n".join([
            f"Done. Everything is in {name}:",
            f"  first and last picture   {name}/samples/{pictures[0].name}  {name}/samples/{pictures[-1].name}",
            f"  animation and curves     {name}/samples/{self.animation.name}  {name}/samples/{self.curves.name}",
            f"  metrics, checkpoints     {name}/metrics.jsonl  {name}/checkpoints",
            self.page(state),
            f"More images: python -m jaxgan.sample --workdir={name} --seeds=0-63 --output=samples.png",
        ])
