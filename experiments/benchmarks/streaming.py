"""What reading costs: photographs that stream from a folder, against the same images held in memory.

    python experiments/benchmarks/streaming.py [--images=N] [--side=S] [--rounds=R] [--output=DIR]
"""

import argparse
import datetime
import itertools
import json
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

import interleave
import jax
import numpy as np
import page
from PIL import Image

from jaxgan import config as config_lib
from jaxgan import data
from jaxgan.data.pipeline import Batches
from jaxgan.data.source import MEMORY_LIMIT
from jaxgan.experiment import Experiment
from jaxgan.training.feed import Feed
from jaxgan.training.shares import Shares
from jaxgan.training.update import make_steps

HERE = Path(__file__).resolve().parent
BATCH, STEPS_A_CALL, CALLS_AHEAD = 64, 4, 2
CALLS = 12  # a turn: more batches than are read ahead, which happens while it is the other one's turn
SECONDS = 4  # a round of reading alone
WIDTHS = {"narrow": 4, "wide": 32}  # of a DCGAN: a step shorter than reading its images, and one that is longer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000, help="JPEG files that are made for it (default: 2,000)")
    parser.add_argument("--side", type=int, default=256, help="pixels a side of the files (default: 256)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each case (default: 5)")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder for streaming.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_photographs(Path(folder), options.images, options.side)
        result = {"images": options.images, "side": options.side, "batch": BATCH,
                  "reading": reading(folder, options.rounds),
                  "training": {name: training(folder, width, options.rounds) for name, width in WIDTHS.items()},
                  "date": datetime.date.today().isoformat(), "machine": interleave.machine()}
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "streaming.json").write_text(json.dumps(result, indent=1) + "\n")
    print(text(result))
    page.write("streaming.py", text(result), options.output)


def make_photographs(folder: Path, count: int, side: int) -> None:
    """JPEGs with the sizes of photographs: smooth noise with some grain."""
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).resize((side, side), Image.BICUBIC)
        grain = rng.normal(0, 8, (side, side, 1))
        image = np.clip(np.asarray(coarse, np.float32) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{number:05}.jpg", quality=90)


def batches(folder: str, streamed: bool, side: int | None = None) -> Batches:
    limit = 0 if streamed else MEMORY_LIMIT  # a small set is treated as one that does not fit
    with mock.patch("jaxgan.data.source.MEMORY_LIMIT", limit):
        source = data.open({"name": "folder", "path": folder} | ({"resolution": side} if side else {}))
    return Batches(source, BATCH, 0, memory_limit=limit)


def reading(folder: str, rounds: int) -> list[float]:
    """Images a second that come out of the stream, at the size of the files, a round; the first one is not counted,
    which has what was read ahead."""
    stream, rates = batches(folder, True).stream(0), []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        count = sum(1 for _ in itertools.takewhile(lambda _: time.perf_counter() - begun < SECONDS, stream))  # noqa: B023
        rates.append(count * BATCH / (time.perf_counter() - begun))
    return rates[1:]


def training(folder: str, width: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds a step, held and streamed in turn, and the share of the time that the host spent on reading."""
    config = config_lib.load(f"{HERE.parents[1] / 'configs' / 'dcgan.py'}:folder:{folder}", [
        "data.resolution=64", f"generator.width={width}", f"discriminator.width={width}", f"batch_size={BATCH}"])
    runs = {name: Run(config, batches(folder, name == "streamed", 64)) for name in ("held", "streamed")}
    found: dict[str, list[float]] = {name: [] for name in ("held", "streamed", "waiting")}
    for _ in range(rounds):
        for name, run in runs.items():
            milliseconds, waiting = run.turn()
            found[name].append(milliseconds)
            if name == "streamed":
                found["waiting"].append(waiting)
    return found


class Run:
    """Training as `training.loop` has it: the host reads on while the device works."""

    def __init__(self, config, fed: Batches):
        info = data.open(config["data"]).info
        self.experiment = Experiment(config, info)
        self.feed = Feed(fed, self.experiment.method.num_slots, self.experiment.parallel)
        self.steps = self.experiment.parallel.compile(make_steps(self.experiment.method))
        self.state, self.step = self.experiment.initial_state(), 0
        self.turn()  # compiles

    def turn(self, calls: int = CALLS) -> tuple[float, float]:
        """Milliseconds a step over some calls, and the share spent on reading."""
        shares, running, begun = Shares(), [], time.perf_counter()
        for _ in range(calls):
            with shares.of("input"):
                fed = self.feed.steps(self.step, STEPS_A_CALL)
            self.state, metrics = self.steps(self.state, fed, self.feed.data, due=("d", "g"))
            self.step += STEPS_A_CALL
            running.append(metrics)
            if len(running) > CALLS_AHEAD:
                jax.block_until_ready(running.pop(0))
        jax.block_until_ready(running)
        seconds = time.perf_counter() - begun
        return 1000 * seconds / (calls * STEPS_A_CALL), shares.mark()["time/input"]


def text(result: dict) -> str:
    """What the README says."""
    side, machine, rate = result["side"], result["machine"], statistics.median(result["reading"])
    lines = [f"Reading alone: {rate:,.0f} JPEG files of {side}×{side} a second "
             f"({min(result['reading']):,.0f} – {max(result['reading']):,.0f}), {rate / machine['cores']:,.0f} a core.",
             "", f"| DCGAN 64×64, batch {result['batch']}, of width | held, ms a step | streamed | ratio | waiting |",
             "|---|---|---|---|---|"]
    for name, found in result["training"].items():
        ratios = [streamed / held for held, streamed in zip(found["held"], found["streamed"], strict=True)]
        lines.append(f"| {WIDTHS[name]} | {statistics.median(found['held']):.0f} | "
                     f"{statistics.median(found['streamed']):.0f} | {statistics.median(ratios):.2f} "
                     f"({min(ratios):.2f} – {max(ratios):.2f}) | {statistics.median(found['waiting']):.0%} |")
    return "\n".join([*lines, "", f"{machine['cpu']}, {machine['cores']} cores, which decode and train at once here; "
                                  f"{result['date']}."])


if __name__ == "__main__":
    main()
