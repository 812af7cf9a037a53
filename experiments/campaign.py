"""What the scripts of these folders share; they are started as modules, `python -m experiments.NAME.run`."""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
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
        path, settings = self.results / "cells" / f"{name}.json", json.loads(json.dumps(settings))
        if path.exists() and (kept := json.loads(path.read_text()))["settings"] == settings:
            return kept["found"]
        print(f"== {name}", file=sys.stderr, flush=True)
        found = json.loads(json.dumps(measure()))
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {"settings": settings, "found": found, "machine": machine()}
        path.write_text(json.dumps(record, indent=1) + "\n")
        return found

    def publish(self, text: str) -> None:
        """Puts this where the README beside the script has its two marks, and prints it."""
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


def rows(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Mean ± standard deviation (n − 1)."""
    around = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):,.{digits}f}{around}"


def machine() -> str:
    """The processor and its cores, in words."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} cores"
