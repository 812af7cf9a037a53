"""The loop around the compiled steps: what happens when, and nothing that runs inside a step."""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from jaxgan.training import memory
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.feed import Feed
from jaxgan.training.numerics import FINITE, Call, Diverged, Fault, Watch, advice
from jaxgan.training.phases import next_segment
from jaxgan.training.shares import Shares
from jaxgan.training.signals import Interrupted, StopRequest
from jaxgan.training.state import TrainState
from jaxgan.training.update import make_steps
from jaxgan.typing import PyTree

CALLS_AHEAD = 2
LONG = 1.0  # seconds of a call from which the host waits for each: it gains nothing then, and a stop could not wait


class Monitor(Protocol):
    """Where progress is shown. `paused()` is a context whose time does not count as training."""

    def update(self, step: int, metrics: Mapping[str, float] | None = None) -> None: ...
    def note(self, text: str) -> None: ...
    def paused(self): ...
    @property
    def images_per_second(self) -> float | None: ...


class Cadence(NamedTuple):
    """Steps between two events of a kind; 0: only at the end."""

    log: int
    sample: int
    checkpoint: int
    evaluate: int
    average: int
    health: int


class Hooks(NamedTuple):
    """What the loop calls with a state as one device holds it.

    sample(state): draws the fixed-seed grid. evaluate(state) -> (metrics, score or None). record(step, values): logs.
    keep(state): stores the averages. back() -> the last good state, with whatever was logged after it undone.
    examine(state, values) -> (metrics, findings by name): looks for signs of failure; `values` is what was just logged.
    begin(call, state): told before each call of the compiled steps.
    """

    sample: Callable[[TrainState], None]
    evaluate: Callable[[TrainState], tuple[dict[str, float], float | None]]
    record: Callable[[int, dict[str, Any]], None]
    keep: Callable[[TrainState], None]
    back: Callable[[], TrainState]
    examine: Callable[[TrainState, Mapping[str, float]], tuple[dict[str, float], dict[str, str]]]
    begin: Callable[[int, TrainState], None] = lambda call, state: None


class Window:
    """Metrics since the last log line. They stay on the device until `mean` is asked for."""

    def __init__(self):
        self.calls: list[Call] = []

    def add(self, call: Call) -> None:
        self.calls.append(call)

    def fetch(self) -> list[Call]:
        """The calls with their metrics on the host, where they stay."""
        self.calls = jax.device_get(self.calls)
        return self.calls

    def mean(self) -> dict[str, float]:
        """Mean over steps of each metric, over the steps that had it; empties the window."""
        calls, self.calls = self.fetch(), []
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        for _, count, metrics in calls:
            for name, value in metrics.items():
                if not name.endswith(FINITE):
                    sums[name] = sums[name] + count * float(value) if name in sums else count * float(value)
                    counts[name] = counts[name] + count if name in counts else count
        return {name: sums[name] / counts[name] for name in sorted(sums)}


class Trainer:
    """Runs an experiment from a state to the end of its config."""

    def __init__(self, experiment, feed: Feed, checkpoints: Checkpoints, hooks: Hooks, monitor: Monitor):
        self.experiment, self.feed, self.checkpoints = experiment, feed, checkpoints
        self.hooks, self.monitor = hooks, monitor
        self.parallel, self.method = experiment.parallel, experiment.method
        self.cadence = Cadence(*(experiment.config[f"{name}_every"] for name in Cadence._fields))
        self.steps = self.parallel.compile(make_steps(self.method))
        self.window, self.shares, self.watch = Window(), Shares(), Watch(self.method.phases)
        self.running: deque[tuple[int, PyTree]] = deque()
        self.arrived = time.monotonic()  # when the last call ended
        self.ahead = CALLS_AHEAD
        self.skipped, self.failures = 0, 0  # steps' worth of data; failures since the last checkpoint
        self.told: dict[str, str] = {}  # of a failure, until the next line of the log

    def run(self, state: TrainState) -> TrainState:
        """Trains on from `state`; returns the last one as one device holds it, checkpointed.

        Raises Interrupted, after a checkpoint, when the process is asked to stop; Diverged when numbers that are not
        finite keep coming back.
        """
        step, total = int(state.step), self.experiment.total_steps
        self.skipped = int(state.skipped)
        state = self.parallel.place(state)
        with StopRequest(CALLS_AHEAD + 1) as stop:
            calls = itertools.count()
            while step < total:
                call = next(calls)
                self.hooks.begin(call, state)
                state, step = self._call(state, step, total)
                done, stopping = step == total, stop.due(call)
                if stopping or any(is_due(step, every, done) for every in self.cadence):
                    if fault := self._fault(state, step):
                        state, step = self._back(step, fault)
                    else:
                        score = self._events(state, step, done)
                        stopping = stopping or stop.due(call)  # events take long
                        if is_due(step, self.cadence.checkpoint, done) or score is not None or stopping:
                            self._save(state, score)
                if stopping and not done:
                    raise Interrupted(step)
        self.monitor.note(self.shares.total())
        return self.parallel.gather(state)

    def _save(self, state: TrainState, score: float | None) -> None:
        with self._aside("checkpoint"):
            self.checkpoints.save(self.parallel.gather(state), score)
            memory.give_back()
        self.failures = 0

    def _fault(self, state: TrainState, step: int) -> Fault | None:
        """What is not finite. Looked for before a state is shown, scored or kept: in between nothing waits for it."""
        with self.shares.of("update"):
            return self.watch.find(self.window.fetch(), self.parallel.gather(state), step)

    def _back(self, step: int, fault: Fault) -> tuple[TrainState, int]:
        """The last good state, from where the run goes on with the data that it would have read next.

        Failures are counted since the last checkpoint: so what follows from it is the same in a run that was killed.
        """
        with self._aside("checkpoint"):
            state = self.hooks.back()
        good, most = int(state.step), self.experiment.config["max_rollbacks"]
        self.failures += 1
        if self.failures > most:
            raise Diverged(advice(fault, self.failures, good))
        self.skipped += step - good
        text = (f"At step {step:,}, {fault.text}. Back to step {good:,}, and on past the data in between "
                f"({self.failures} of {most}).")
        self.monitor.note(text)
        self.told = {"finding/rollback": text}
        self.window, self.running = Window(), deque()
        return self.parallel.place(state.replace(skipped=jnp.int32(self.skipped))), good

    @contextmanager
    def _aside(self, what: str) -> Iterator[None]:
        """Work beside the training."""
        with self.monitor.paused(), self.shares.of(what):
            yield

    def _call(self, state: TrainState, step: int, total: int) -> tuple[TrainState, int]:
        """One compiled call. The host waits for the device only to stay near it: CALLS_AHEAD calls, or none if long."""
        limit = min(self.experiment.config["steps_per_call"], total - step)
        segment = next_segment(self.method.phases, step, self.cadence, limit)
        with self.shares.of("input"):
            fed = self.feed.steps(step + self.skipped, segment.count)
        with self.shares.of("update"):
            state, metrics = self.steps(state, fed, self.feed.data, due=segment.due)
            self.window.add(Call(step, segment.count, metrics))
            step += segment.count
            self.running.append((step, metrics))
            while len(self.running) > self.ahead:
                arrived, metrics = self.running.popleft()
                jax.block_until_ready(metrics)
                before, self.arrived = self.arrived, time.monotonic()
                self.ahead = CALLS_AHEAD if self.arrived - before < LONG else 0
                self.monitor.update(arrived)
        return state, step

    def _events(self, state: TrainState, step: int, done: bool) -> float | None:
        """What is due between two calls, checkpoints aside. Returns the score where the state was evaluated."""
        cadence, score, record = self.cadence, None, {}
        if is_due(step, cadence.log, done):
            with self.shares.of("update"):
                record = self.window.mean()
            self.running.clear()
            record |= self.shares.mark() | self.told | ({"skipped": self.skipped} if self.skipped else {})
            self.told = {}
            self.monitor.update(step, record)
            if (speed := self.monitor.images_per_second) is not None:  # none before the second line
                record["images_per_second"] = speed
        if cadence.evaluate and is_due(step, cadence.evaluate, done):
            with self._aside("evaluate"):
                values, score = self.hooks.evaluate(self.parallel.gather(state))
            record |= values
        if is_due(step, cadence.health, False):  # not for the last step's sake: one examination shows no sign
            with self._aside("health"):
                values, findings = self.hooks.examine(self.parallel.gather(state), record)
            record |= values | {f"finding/{name}": text for name, text in findings.items()}
            for text in findings.values():
                self.monitor.note(f"Step {step:,}: {text}")
        if record:
            self.hooks.record(step, {"kimg": step * self.method.images_per_step / 1000} | record)
        if is_due(step, cadence.sample, done):
            with self._aside("sample"):
                self.hooks.sample(self.parallel.gather(state))
        if cadence.average and is_due(step, cadence.average, done):
            with self._aside("average"):
                self.hooks.keep(self.parallel.gather(state))
        return score


def is_due(step: int, every: int, done: bool) -> bool:
    """Whether a cadence falls on this step; everything does on the last."""
    return done or bool(every and step % every == 0)
