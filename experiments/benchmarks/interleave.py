"""Fair timing of programs that do the same work: long-lived workers that take turns, one running while the others wait.

A worker is a process of its own (two numerical libraries in one process would share threads and memory). What
disturbs a machine over minutes disturbs all contestants alike, since each has a turn in every round; the order of
turns is reversed in every second round.
"""

import importlib
import multiprocessing
import os
import platform
import statistics
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from jaxgan.errors import InputError

ONE_OF_SEVERAL = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # JAX takes most of a GPU's memory at once otherwise
BUSY = 0.5  # load average from which a machine is not quiet
PAUSE = 0.3  # seconds between turns: thread pools spin a while after their last work


class Contestant(NamedTuple):
    """`module:function` called with `arguments` in its own process gives (run, facts).

    run(steps) does that many steps, waits for the results and returns a number to look at, such as a loss.
    environment: variables of its process.
    """

    prepare: str
    arguments: Mapping[str, Any]
    environment: Mapping[str, str] = {}


class Turn(NamedTuple):
    """One timed turn. cpu_seconds: processor time of all threads; value: what `run` returned."""

    steps: int
    seconds: float
    cpu_seconds: float
    value: float


class WorkerError(RuntimeError):
    """A worker failed; the message is its traceback."""


class Worker:
    """A process that prepares a contestant once, then runs steps when told to. It begins with a first turn of `steps`,
    which compiles; `facts` say under "seconds_to_first_turn" how long all that took, from the start of the process.
    """

    def __init__(self, contestant: Contestant, steps: int):
        started = time.perf_counter()
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, contestant), daemon=True)
        with _environment(ONE_OF_SEVERAL | dict(contestant.environment)):
            self._process.start()
        theirs.close()
        try:
            self.facts: dict[str, Any] = self._receive()
            self.turn(steps)
        except BaseException:
            self.close()
            raise
        self.facts["seconds_to_first_turn"] = time.perf_counter() - started

    def turn(self, steps: int) -> Turn:
        """Runs `steps` steps."""
        self._connection.send(steps)
        return Turn(steps, *self._receive())

    def close(self) -> None:
        """Ends the process."""
        self._connection.close()
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.terminate()

    def _receive(self) -> Any:
        try:
            kind, value = self._connection.recv()
        except EOFError:
            self._process.join()
            raise WorkerError(f"The worker died with exit code {self._process.exitcode}.") from None
        if kind == "refused":
            raise value
        if kind == "failed":
            raise WorkerError(value)
        return value


def _serve(connection: Connection, contestant: Contestant) -> None:
    try:
        module, _, function = contestant.prepare.partition(":")
        run, facts = getattr(importlib.import_module(module), function)(**contestant.arguments)
        connection.send(("done", facts))
        while True:
            steps = connection.recv()
            started, cpu_started = time.perf_counter(), time.process_time()
            value = run(steps)
            connection.send(("done", (time.perf_counter() - started, time.process_time() - cpu_started, value)))
    except (EOFError, KeyboardInterrupt):
        return
    except InputError as error:
        connection.send(("refused", error))
    except Exception:
        connection.send(("failed", traceback.format_exc()))


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """What a process that starts inside inherits."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def compete(contestants: Mapping[str, Contestant], *, rounds: int, steps: int, report: Callable[[str], None],
            seconds: float = 0) -> tuple[dict[str, dict[str, Any]], dict[str, list[Turn]]]:
    """(facts, turns) by contestant, after one untimed round that compiles and warms up.

    seconds: a turn is so many times `steps` that the slowest contestant takes about so long, which one more untimed
    round finds out; 0: `steps` once.
    """
    workers: dict[str, Worker] = {}
    try:
        for name, contestant in contestants.items():
            report(f"preparing {name}")
            workers[name] = Worker(contestant, steps)
        if seconds:
            slowest = max(worker.turn(steps).seconds for worker in workers.values())
            steps *= max(1, round(seconds / slowest))
        turns: dict[str, list[Turn]] = {name: [] for name in workers}
        for number in range(rounds):
            for name in list(workers)[::-1 if number % 2 else 1]:
                time.sleep(PAUSE)
                turns[name].append(workers[name].turn(steps))
            report(f"round {number + 1}/{rounds}: " + ", ".join(
                f"{name} {1000 * turns[name][-1].seconds / steps:.1f}" for name in workers) + " ms a step")
        return {name: worker.facts for name, worker in workers.items()}, turns
    finally:
        for worker in workers.values():
            worker.close()


def summary(turns: Mapping[str, Sequence[Turn]], units: int) -> dict[str, dict[str, float]]:
    """Rates by contestant; `units` is what one turn processed, in images say. cores: processors kept busy."""
    result = {}
    for name, done in turns.items():
        rates = [units / turn.seconds for turn in done]
        result[name] = {"median": statistics.median(rates), "lowest": min(rates), "highest": max(rates),
                        "cores": statistics.median(turn.cpu_seconds / turn.seconds for turn in done)}
    return result


def ratio(first: Sequence[Turn], second: Sequence[Turn]) -> dict[str, float]:
    """How many times faster `first` is than `second`: the median over rounds, and its spread over them."""
    ratios = [theirs.seconds / ours.seconds for ours, theirs in zip(first, second)]
    return {"median": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios)}


def machine() -> dict[str, Any]:
    """The processor, the cores this process may use, and the load others put on the machine (1-minute average)."""
    return {"cpu": _cpu_name(), "cores": _cores(), "system": platform.platform(),
            "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None}


def quiet_machine(report: Callable[[str], None]) -> dict[str, Any]:
    """`machine()`, which says so where others are using it."""
    found = machine()
    if (found["load_before"] or 0) > BUSY:
        report(f"The machine is busy (load {found['load_before']:.1f}): a ratio measured now is not worth quoting.")
    return found


def place(machine: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """What did the work, in words. facts: "device" and "device_kind", as `ours.prepare` gives them."""
    return f"{machine['cores']} cores, {machine['cpu']}" if facts["device"] == "cpu" else facts["device_kind"]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_name() -> str:
    table = Path("/proc/cpuinfo")
    if table.is_file():
        for line in table.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
