"""Runs the README's main command from nothing, and lets a classifier judge what comes out; see the README beside this.

    python experiments/first_run/run.py
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import SVC

from jaxgan import data, images

HERE = Path(__file__).resolve().parent
MARKS = "<!-- written by run.py: begin -->", "<!-- written by run.py: end -->"
NUM_SAMPLES = 1000
NUM_HELD_OUT = 397  # of the 1,797 real digits; the classifier learns from the other 1,400


def train(workdir: Path, cache: Path, total_kimg: str | None) -> tuple[float, float]:
    """Runs the main command with an empty compilation cache: (seconds, peak memory in GiB)."""
    options = [] if total_kimg is None else [f"--config.total_kimg={total_kimg}"]
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "JAX_PLATFORMS": "cpu"}
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "jaxgan.main", "--config=configs/dcgan.py", f"--workdir={workdir}", *options],
                   check=True, env=environment, cwd=HERE.parents[1])
    return time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def first_steps(workdir: Path, cache: Path) -> float:
    """Seconds from the shell to the log line of the first ten steps: imports, initialisation, the grid of step 0."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "JAX_PLATFORMS": "cpu"}
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "jaxgan.main", "--config=configs/dcgan.py", "--quiet",
                                f"--workdir={workdir}", "--config.log_every=10", "--config.evaluate_every=0"],
                               env=environment, cwd=HERE.parents[1], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    log = workdir / "metrics.jsonl"
    while not (log.exists() and log.stat().st_size):
        if process.poll() is not None:
            raise RuntimeError("the run ended before its first log line")
        time.sleep(0.02)
    seconds = time.monotonic() - start
    process.terminate()
    process.wait()
    return seconds


def sample(workdir: Path, output: Path) -> tuple[np.ndarray, np.ndarray]:
    """A thousand samples of the last checkpoint and the labels they were asked for."""
    subprocess.run([sys.executable, "-m", "jaxgan.sample", f"--workdir={workdir}", f"--seeds=0-{NUM_SAMPLES - 1}",
                    f"--output={output}"], check=True, cwd=HERE.parents[1])
    arrays = np.load(output)
    return arrays["images"], arrays["labels"]


def judge(fake: np.ndarray, labels: np.ndarray) -> dict:
    """What a support vector machine trained on real digits says of the samples, and of real digits it has not seen."""
    real, classes = data.open({"name": "digits"}).arrays
    order = np.random.default_rng(0).permutation(len(real))
    seen, held_out = order[NUM_HELD_OUT:], order[:NUM_HELD_OUT]
    flat = real.reshape(len(real), -1) / 255
    classifier = CalibratedClassifierCV(SVC(C=10.0), ensemble=False).fit(flat[seen], classes[seen])
    sure = classifier.predict_proba(fake.reshape(len(fake), -1) / 255)
    sure_real = classifier.predict_proba(flat[held_out])
    found = sure.argmax(1)
    nearest = nearest_distance(fake, real)
    return {
        "accuracy_on_held_out_real": float((sure_real.argmax(1) == classes[held_out]).mean()),
        "median_confidence_real": float(np.median(sure_real.max(1))),
        "share_above_0.9_real": float((sure_real.max(1) > 0.9).mean()),
        "samples_per_class": np.bincount(found, minlength=10).tolist(),
        "median_confidence": float(np.median(sure.max(1))),
        "share_above_0.9": float((sure.max(1) > 0.9).mean()),
        "first_64_above_0.9": int((sure[:64].max(1) > 0.9).sum()),
        "share_of_the_class_asked_for": float((found == labels).mean()),
        "pixel_spread_within_class": spread(fake, labels),
        "pixel_spread_within_class_real": spread(real, classes),
        "median_distance_to_nearest_real": float(np.median(nearest)),
    }


def spread(pictures: np.ndarray, labels: np.ndarray) -> float:
    """Mean over classes of the root of the mean pixel variance, pixels in [0, 1]: 0 where every class has collapsed."""
    flat = pictures.reshape(len(pictures), -1) / 255
    return float(np.mean([np.sqrt(flat[labels == c].var(0).mean()) for c in range(10)]))


def nearest_distance(fake: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Root mean square pixel distance of each sample to its nearest real digit."""
    a, b = (x.reshape(len(x), -1) / 255 for x in (fake, real))
    squared = (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)[None]
    return np.sqrt(np.maximum(squared.min(1), 0) / a.shape[1])


def draw(workdir: Path, output: Path) -> None:
    """The first and the last grid side by side."""
    pictures = sorted((workdir / "samples").glob("step*.png"))
    first, last = (images.load_png(path) for path in (pictures[0], pictures[-1]))
    gap = np.full((first.shape[0], 24, first.shape[2]), 255, np.uint8)
    images.save_png(np.concatenate([first, gap, last], axis=1), output)


def report(results: dict) -> str:
    """The table of the README."""
    judged = results["judged"]
    rows = [
        ("wall time of the main command, empty compilation cache", f"{results['seconds']:.0f} s"),
        ("peak memory", f"{results['peak_memory_gib']:.2f} GiB"),
        ("from the shell to the log line of the first ten steps, cold / cached compilation (median of 5)",
         f"{results['first_steps_cold_seconds']:.1f} s / {results['first_steps_warm_seconds']:.1f} s"),
        ("classifier's accuracy on held-out real digits", f"{judged['accuracy_on_held_out_real']:.1%}"),
        ("classes among 1,000 samples, fewest to most",
         f"{sum(map(bool, judged['samples_per_class']))}: {min(judged['samples_per_class'])} "
         f"to {max(judged['samples_per_class'])}"),
        ("median confidence, samples / held-out real",
         f"{judged['median_confidence']:.3f} / {judged['median_confidence_real']:.3f}"),
        ("share with confidence above 0.9, samples / held-out real",
         f"{judged['share_above_0.9']:.1%} / {judged['share_above_0.9_real']:.1%}"),
        ("of the grid's 64, with confidence above 0.9", str(judged["first_64_above_0.9"])),
        ("samples of the class asked for", f"{judged['share_of_the_class_asked_for']:.1%}"),
        ("spread of pixels within a class, samples / real",
         f"{judged['pixel_spread_within_class']:.3f} / {judged['pixel_spread_within_class_real']:.3f}"),
    ]
    lines = ["| what | measured |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows)]
    return "\n".join([*lines, "", f"On {results['cpu']}, {results['cores']} cores, Python {results['python']}."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--total_kimg", help="a shorter run, to try this script; nothing is recorded then")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        seconds, memory = train(scratch / "run", scratch / "cache", arguments.total_kimg)
        cold = first_steps(scratch / "cold", scratch / "cold_cache")
        warm = float(np.median([first_steps(scratch / f"warm{i}", scratch / "cold_cache") for i in range(5)]))
        fake, labels = sample(scratch / "run", scratch / "samples.npz")
        cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                    if line.startswith("model name")), platform.processor()) if Path("/proc/cpuinfo").exists() else ""
        results = {"seconds": seconds, "peak_memory_gib": memory, "first_steps_cold_seconds": cold,
                   "first_steps_warm_seconds": warm, "judged": judge(fake, labels), "cpu": cpu,
                   "cores": os.cpu_count(), "python": platform.python_version()}
        print(report(results))
        if arguments.total_kimg:
            return
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / "results.json").write_text(json.dumps(results, indent=2) + "\n")
        draw(scratch / "run", HERE / "results" / "first_and_last.png")
        readme = HERE / "README.md"
        before, after = readme.read_text().split(MARKS[0])[0], readme.read_text().split(MARKS[1])[1]
        readme.write_text(f"{before}{MARKS[0]}\n{report(results)}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
