"""Trains for an hour with everything switched on, and watches the process from outside; see the README beside this.

    python experiments/soak/run.py

Reads /proc, so it needs Linux.
"""

import argparse
import itertools
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from scipy import stats

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results"
MARKS = "<!-- written by run.py: begin -->", "<!-- written by run.py: end -->"
OPTIONS = ("log_every=10", "sample_every=10", "checkpoint_every=10", "evaluate_every=20", "total_kimg=1e6",
           "metrics=({'name': 'fd', 'backbone': 'classifier', 'num_samples': 256}, "
           "{'name': 'fd_pixels', 'num_samples': 256})")
EVERY = 10.0     # seconds between two looks at the process
WARM_UP = 10.0   # minutes left out: compilation, and caches of the allocator and of Orbax filling up
BLOCKS = 10      # equal parts of the rest; their means are nearly independent, single looks are not
TICKS = os.sysconf("SC_CLK_TCK")  # of processor time, in a second
WATCHED = {"rss": "resident memory, MiB", "anonymous": "of it not file pages, MiB", "handles": "open file handles",
           "threads": "threads", "step": "CPU time of a step, all included, ms"}


class Trend(NamedTuple):
    """What became of a quantity: means of the first and last block, and the slope an hour with its 95 % interval."""

    first: float
    last: float
    slope: float
    low: float
    high: float


def look(pid: int, log: Path) -> dict[str, float]:
    """The process as it is now. Seconds are of its own processor time, which other work on the machine leaves be."""
    process = Path("/proc", str(pid))
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    times = (process / "stat").read_text().rpartition(")")[2].split()
    return {"rss": int(status["VmRSS"].split()[0]) / 1024, "anonymous": int(status["RssAnon"].split()[0]) / 1024,
            "handles": len(os.listdir(process / "fd")), "threads": int(status["Threads"]),
            "cpu": (int(times[11]) + int(times[12])) / TICKS, "step": last_step(log)}


def last_step(log: Path) -> int:
    """The step of the newest whole line of metrics.jsonl; 0 before there is one."""
    if not log.exists():
        return 0
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().split(b"\n")[:-1]
    return json.loads(lines[-1])["step"] if lines else 0


def watch(minutes: float, workdir: Path, cache: Path) -> tuple[list[dict[str, float]], int]:
    """Trains for so long, then sends SIGTERM: (looks, exit code)."""
    overrides = [f"--config.{option}" for option in OPTIONS]
    process = subprocess.Popen([sys.executable, "-m", "jaxgan.main", "--config=configs/dcgan.py:tiny", "--quiet",
                                f"--workdir={workdir}", *overrides], cwd=ROOT,
                               env=os.environ | {"JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(cache)})
    looks, start = [], time.monotonic()
    try:
        while (now := time.monotonic() - start) < 60 * minutes:
            if process.poll() is not None:
                raise RuntimeError(f"the run ended by itself, with {process.returncode}")
            looks.append({"minutes": now / 60} | look(process.pid, workdir / "metrics.jsonl"))
            time.sleep(EVERY)
        process.send_signal(signal.SIGTERM)
        return looks, process.wait(timeout=600)
    finally:
        process.kill()


def blocks(looks: Sequence[dict[str, float]], warm_up: float) -> dict[str, np.ndarray]:
    """Means of the blocks after the warm-up, by name, with `minutes` where they lie. `step` becomes milliseconds of
    processor time a step, with the sampling, evaluating and checkpointing of those steps in it."""
    kept = [entry for entry in looks if entry["minutes"] >= warm_up]
    parts = np.array_split(np.arange(len(kept)), BLOCKS)
    names = [name for name in WATCHED if name != "step"]
    means = {name: np.array([np.mean([kept[i][name] for i in part]) for part in parts]) for name in (*names, "minutes")}
    edges = [*(kept[part[0]] for part in parts), kept[-1]]
    means["step"] = np.array([1000 * (b["cpu"] - a["cpu"]) / (b["step"] - a["step"])
                              for a, b in itertools.pairwise(edges)])
    return means


def trend(minutes: np.ndarray, values: np.ndarray) -> Trend:
    """Least squares through the means of the blocks; the interval is Student's for as many."""
    fit = stats.linregress(minutes / 60, values)
    margin = stats.t.ppf(0.975, len(values) - 2) * fit.stderr
    return Trend(float(values[0]), float(values[-1]), float(fit.slope), float(fit.slope - margin),
                 float(fit.slope + margin))


def report(results: dict) -> str:
    """The table of the README."""
    lines = ["| | first block | last block | slope an hour | its 95 % interval | the same in % of the first "
             "| in the second half alone | in % |", "|---|---|---|---|---|---|---|---|"]
    for name, what in WATCHED.items():
        found, later = (Trend(**results[key][name]) for key in ("trends", "second_half"))
        share, rest = ([100 * value / each.first for value in (each.low, each.high)] for each in (found, later))
        lines.append(f"| {what} | {found.first:,.1f} | {found.last:,.1f} | {found.slope:+.2f} | "
                     f"{found.low:+.2f} to {found.high:+.2f} | {share[0]:+.1f} to {share[1]:+.1f} | "
                     f"{later.low:+.2f} to {later.high:+.2f} | {rest[0]:+.1f} to {rest[1]:+.1f} |")
    return "\n".join([*lines, "", (
        f"{results['minutes']:.0f} minutes, {results['steps']:,} steps, {results['pictures']:,} pictures, "
        f"{results['checkpoints']:,} checkpoints and {results['evaluations']:,} evaluations; the first "
        f"{results['warm_up']:.0f} minutes are left out. "
        f"Handles {results['handles'][0]} to {results['handles'][1]}, threads {results['threads'][0]} to "
        f"{results['threads'][1]}, highest memory {results['highest_mib']:,.0f} MiB. SIGTERM at the end: exit code "
        f"{results['exit_code']}. {results['cores']} cores ({results['cpu']}), shared with other work.")])


def draw(looks: Sequence[dict[str, float]], means: dict[str, np.ndarray], warm_up: float, output: Path) -> None:
    """Each quantity over the hour; the blocks that are judged on top."""
    figure, axes = plt.subplots(len(WATCHED) - 1, 1, figsize=(8, 9), sharex=True, layout="constrained")
    minutes = [entry["minutes"] for entry in looks]
    for panel, name in zip(axes, [name for name in WATCHED if name != "anonymous"]):
        if name != "step":
            panel.plot(minutes, [entry[name] for entry in looks], color="#b0b0b0", linewidth=0.8)
        panel.plot(means["minutes"], means[name], "o-", color="#2563c9", markersize=4)
        panel.axvspan(0, warm_up, color="#f2f2f2", zorder=0)
        panel.set_ylim(0, None)
        panel.set_title(WATCHED[name], loc="left", fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("minutes; grey: warm-up, left out")
    figure.savefig(output, dpi=100)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def summary(looks: list[dict[str, float]], warm_up: float, code: int) -> dict:
    """What the table says, as numbers. The second half has ten blocks of its own."""
    means, later = (blocks(looks, since) for since in (warm_up, looks[-1]["minutes"] / 2))
    steps = int(looks[-1]["step"])
    kept = [entry for entry in looks if entry["minutes"] >= warm_up]
    spans = {name: [min(entry[name] for entry in kept), max(entry[name] for entry in kept)]
             for name in ("handles", "threads")}
    return {"minutes": looks[-1]["minutes"], "steps": steps, "pictures": steps // 10, "checkpoints": steps // 10,
            "evaluations": steps // 20, "warm_up": warm_up, "exit_code": code, **spans,
            "highest_mib": max(entry["rss"] for entry in looks), "cores": os.cpu_count(), "cpu": processor(),
            "trends": {name: trend(means["minutes"], means[name])._asdict() for name in WATCHED},
            "second_half": {name: trend(later["minutes"], later[name])._asdict() for name in WATCHED}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--trial", action="store_true", help="print the table; record nothing")
    arguments = parser.parse_args()
    warm_up = min(WARM_UP, arguments.minutes / 3)
    with tempfile.TemporaryDirectory() as folder:
        looks, code = watch(arguments.minutes, Path(folder, "run"), Path(folder, "cache"))
    means = blocks(looks, warm_up)
    results = summary(looks, warm_up, code)
    print(report(results))
    if arguments.trial:
        return
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    columns = {name: [round(entry[name], 3) for entry in looks] for name in looks[0]}
    (RESULTS / "looks.json").write_text(json.dumps(columns) + "\n")
    draw(looks, means, warm_up, RESULTS / "soak.png")
    readme = HERE / "README.md"
    before, after = readme.read_text().split(MARKS[0])[0], readme.read_text().split(MARKS[1])[1]
    readme.write_text(f"{before}{MARKS[0]}\n{report(results)}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
