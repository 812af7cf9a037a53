"""Time and memory of precision, recall, density and coverage between large sets of features.

    python experiments/benchmarks/prdc.py [--num=N] [--dim=D] [--output=DIR]
"""

import argparse
import datetime
import json
import resource
import sys
import time
from pathlib import Path

import interleave
import numpy as np
import page

from jaxgan.metrics.prdc import precision_recall_density_coverage

HERE = Path(__file__).resolve().parent
RANK = 64  # of what the features have in common, as those of networks do


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=50_000, help="features a side (default: 50,000)")
    parser.add_argument("--dim", type=int, default=2048, help="numbers a feature (default: 2,048)")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder for prdc.json")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((RANK, options.dim), np.float32)
    sides = [features(options.num, spread, mixing, rng) for spread in (1.0, 1.05)]
    machine, before = interleave.machine(), peak()
    started, cpu = time.perf_counter(), time.process_time()
    values = precision_recall_density_coverage(*sides, 5)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    result = {"num": options.num, "dim": options.dim, "values": values, "seconds": seconds, "cpu_seconds": cpu,
              "peak_bytes": peak(), "peak_bytes_before": before,
              "bytes_of_features": sum(side.nbytes for side in sides),
              "date": datetime.date.today().isoformat(), "machine": machine}
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "prdc.json").write_text(json.dumps(result, indent=1) + "\n")
    print(sentence(result))
    page.write("prdc.py", sentence(result), options.output)


def features(num: int, spread: float, mixing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positive, with a common part of low rank; made a few at a time, which keeps the peak of memory for the metric."""
    made = np.empty((num, mixing.shape[1]), np.float32)
    for start in range(0, num, 1000):
        part = made[start:start + 1000]
        common = rng.standard_normal((len(part), RANK), np.float32) @ mixing * np.float32(0.3 / 8)
        part[:] = np.maximum(0.4 + common + np.float32(0.2 * spread) * rng.standard_normal(part.shape, np.float32), 0)
    return made


def peak() -> int:
    """The most memory this process has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def sentence(result: dict) -> str:
    machine, gib = result["machine"], 2**30
    return (f"{result['num']:,} × {result['dim']:,} features a side: {result['seconds']:.0f} s "
            f"({result['cpu_seconds']:.0f} of processor time), {result['peak_bytes'] / gib:.1f} GiB at the most, of "
            f"which {result['bytes_of_features'] / gib:.1f} are the features themselves. {machine['cpu']}, "
            f"{machine['cores']} cores; {result['date']}.")


if __name__ == "__main__":
    main()
