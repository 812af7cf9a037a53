"""What of a run stays the same when it is run in another way; see the README beside this.

    python -m experiments.reproducibility.run
"""

import argparse
import contextlib
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.campaign import Campaign, command, done, rows
from jaxgan import images
from jaxgan.runs import RunFolder
from jaxgan.training.checkpoints import Checkpoints

RECIPES = ("dcgan", "sngan", "r3gan", "stylegan2")
STEPS, BATCH, EVERY = 120, 32, 20
STOPS = (20, 40, 60, 80, 100)  # steps after which the resumed run is killed
ZERO = "0"


class Way(NamedTuple):
    """Another way to the same run. promised: whether it must give the same bits."""

    name: str
    promised: bool
    train: Callable[[str, Path], None]


def arguments(recipe: str, workdir: Path) -> list[str]:
    options = {"total_kimg": STEPS * BATCH / 1000, "batch_size": BATCH, "log_every": EVERY, "sample_every": EVERY,
               "checkpoint_every": EVERY, "evaluate_every": 0, "health_every": 0}
    turns = 2 if recipe == "sngan" else 1  # kimg count what D sees
    options["total_kimg"] *= turns
    return [f"--config=configs/{recipe}.py:tiny", f"--workdir={workdir}", "--quiet",
            *(f"--config.{name}={value}" for name, value in options.items())]


def straight(*more: str, devices: int = 1) -> Callable[[str, Path], None]:
    return lambda recipe, workdir: _ended(command("main", *arguments(recipe, workdir), *more, devices=devices))


def _ended(*processes) -> None:
    for process in processes:
        done(process)


def resumed(recipe: str, workdir: Path) -> None:
    """Killed as soon as each of STOPS has its checkpoint, and started again."""
    for step in STOPS:
        process = command("main", *arguments(recipe, workdir))
        while process.poll() is None and not (workdir / "checkpoints" / str(step)).exists():
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    straight()(recipe, workdir)


def two_processes(recipe: str, workdir: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    _ended(*[command("main", *arguments(recipe, workdir), f"--multihost=localhost:{port},{index}/2")
             for index in range(2)])


WAYS = (Way("again", True, straight()),
        Way(f"killed and resumed {len(STOPS)} times", True, resumed),
        Way("one step a compiled call", False, straight("--config.steps_per_call=1")),
        Way("2 devices", False, straight(devices=2)),
        Way("8 devices", False, straight(devices=8)),
        Way("2 processes of 1 device", False, two_processes),
        Way("8 devices, parameters in shares", False, straight("--config.parallel=fsdp", devices=8)))


def difference(one: Path, other: Path) -> dict[str, float]:
    """Between two runs' last states and samples."""
    (first, rest), (second, other_rest) = last(one), last(other)
    apart = [np.abs(a.astype(np.float64) - b.astype(np.float64)) for a, b in zip(first, second, strict=True)]
    size = np.sqrt(sum(np.square(leaf.astype(np.float64)).sum() for leaf in first))
    pictures = [images.load_png(folder / "samples" / f"step{STEPS:08}.png").astype(int) for folder in (one, other)]
    tiles = np.abs(pictures[0] - pictures[1])
    return {"bits": all(np.array_equal(a, b) for a, b in zip(first + rest, second + other_rest, strict=True)),
            "relative": float(np.sqrt(sum(np.square(leaf).sum() for leaf in apart)) / size),
            "pixel_max": int(tiles.max()), "pixel_mean": float(tiles.mean())}


def last(workdir: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The weights of both players at the last step, and the rest of the state."""
    with contextlib.closing(Checkpoints(RunFolder(workdir).checkpoints, read_only=True)) as checkpoints:
        step = checkpoints.choose("latest")
        if step != STEPS:
            raise RuntimeError(f"{workdir} ended at step {step}")
        state = checkpoints.restore_plain(step)
    weights = [state["players"][player].pop("params") for player in ("generator", "discriminator")]
    return tuple([np.asarray(leaf) for leaf in jax.tree.leaves(part)] for part in (weights, state))


def measure(recipe: str, scratch: Path) -> dict[str, Any]:
    """All ways of one recipe, against the plain run."""
    straight()(recipe, scratch / "plain")
    found = {}
    for index, way in enumerate(WAYS):
        way.train(recipe, scratch / str(index))
        found[way.name] = difference(scratch / "plain", scratch / str(index))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recipes", nargs="+", default=RECIPES)
    campaign, found = Campaign(__file__), {}
    for recipe in parser.parse_args().recipes:
        with tempfile.TemporaryDirectory() as scratch:
            settings = {"steps": STEPS, "batch": BATCH, "stops": STOPS, "ways": [way.name for way in WAYS]}
            found[recipe] = campaign.cell(recipe, settings, lambda: measure(recipe, Path(scratch)))  # noqa: B023
    campaign.publish(table(found))


def table(found: dict[str, dict[str, Any]]) -> str:
    body = [[way.name, "the same bits" if way.promised else "rounding apart", *(said(found[recipe][way.name])
                                                                      for recipe in found)] for way in WAYS]
    return rows(["run in another way", "promised", *found], body)


def said(apart: dict[str, Any]) -> str:
    if apart["bits"] and not apart["pixel_max"]:
        return ZERO
    return f"{apart['relative']:.0e}, {apart['pixel_mean']:.1f} ({apart['pixel_max']})"


if __name__ == "__main__":
    main()
