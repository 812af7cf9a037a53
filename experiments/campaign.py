"""What the scripts of these folders share; they are started as modules, `python -m experiments.NAME.run`."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- written by run.py: begin -->", "<!-- written by run.py: end -->"


class Campaign:
    """An experiment in cells. `file`: the `__file__` of its script."""

    def __init__(self, file: str):
        self.folder = Path(file).resolve().parent
        self.results = self.folder / "results"

    def cell(self, name: str, settings: Mapping[str, Any], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """`results/cells/NAME.json` where that was measured with these settings; else it is measured now, and kept."""
        if (kept := self.kept(name, settings)) is not None:
            return kept
        print(f"== {name}", file=sys.stderr, flush=True)
        found = json.loads(json.dumps(measure()))
        path = self._cell(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {"settings": settings, "found": found, "machine": machine()}
        path.write_text(json.dumps(record, indent=1) + "\n")
        return found

    def kept(self, name: str, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """What a cell found, if it has been measured with these settings."""
        path = self._cell(name)
        if path.exists() and (record := json.loads(path.read_text()))["settings"] == json.loads(json.dumps(settings)):
            return record["found"]
        return None

    def _cell(self, name: str) -> Path:
        return self.results / "cells" / f"{name}.json"

    def publish(self, text: str, pictures: Mapping[str, str] | None = None) -> None:
        """Puts this where the README beside the script has its two marks, and prints it. pictures: names in results,
        with what they show; those that are there are shown below."""
        shown = [f"![{words}](results/{name})" for name, words in (pictures or {}).items()
                 if (self.results / name).exists()]
        text = "\n\n".join([text, *shown])
        readme = self.folder / "README.md"
        before, _, rest = readme.read_text().partition(BEGIN)
        readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")
        print(text)


def command(name: str, *arguments: str, devices: int = 1, **variables: str) -> subprocess.Popen:
    """`python -m jaxgan.NAME` on a CPU that passes for so many devices, started in the repository."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags} | variables
    return subprocess.Popen([sys.executable, "-m", f"jaxgan.{name}", *map(str, arguments)], cwd=ROOT, env=environment,
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def done(process: subprocess.Popen) -> str:
    """What a command printed, when it has ended well. Raises RuntimeError with what it said if it has not."""
    out, said = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(process.args)} ended with {process.returncode}: {said[-2000:]}")
    return out


@contextmanager
def clock(facts: dict[str, Any], name: str) -> Iterator[None]:
    """Adds the seconds inside, those of the clock and those of all processors, to facts[name]."""
    wall, processor = time.perf_counter(), time.process_time()
    yield
    spent = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - processor}
    facts[name] = {key: value + (facts[name][key] if name in facts else 0) for key, value in spent.items()}


def rows(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Mean ± standard deviation (n − 1)."""
    around = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):,.{digits}f}{around}"


def plain_numbers(axis: Any) -> None:
    """On a logarithmic axis of a figure: 1, 2, 3 and 5 of every decade, not powers of ten."""
    from matplotlib.ticker import LogLocator

    axis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("{x:g}")


def machine() -> str:
    """The processor and its cores, in words."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} cores"
