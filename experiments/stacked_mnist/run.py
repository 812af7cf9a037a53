"""How many of StackedMNIST's 1,000 modes does a small GAN find? See the README beside this.

    TFDS_DATA_DIR=FOLDER python -m experiments.stacked_mnist.run
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from experiments.campaign import Campaign, command, done, rows, spread
from experiments.stacked_mnist.small import METHODS, RESOLUTION
from jaxgan import config as configs
from jaxgan import data, images

CONFIG = Path(__file__).parent / "small.py"
NUM_FAKES = 26_000
SEEDS = (0, 1, 2)
NAMES = {"dcgan": "DCGAN", "wgan_gp": "WGAN-GP", "sngan": "SNGAN", "relativistic": "relativistic loss alone",
         "relativistic_r1": "relativistic, R1", "relativistic_r1_r2": "relativistic, R1 and R2 (R3GAN's)"}


def real_images(path: Path) -> Path:
    """Stacked digits with their labels, as a file for `jaxgan.evaluate`."""
    if not path.exists():
        found = data.open({"name": "stacked_mnist", "resolution": RESOLUTION, "num_examples": NUM_FAKES, "seed": 1})
        arrays = found.arrays
        np.savez(path, images=arrays.images, labels=arrays.labels)
    return path


def measure(method: str, seed: int, scratch: Path, real: Path) -> dict[str, Any]:
    workdir, fakes, scores = scratch / "run", scratch / "fakes.npz", scratch / "scores.json"
    done(command("main", f"--config={CONFIG}:{method}", f"--workdir={workdir}", f"--config.seed={seed}", "--quiet"))
    done(command("sample", f"--workdir={workdir}", f"--seeds=0-{NUM_FAKES - 1}", f"--output={fakes}"))
    done(command("evaluate", f"--fake={fakes}", f"--real={real}", "--metrics=stacked_modes", "--draws=1",
                 f"--json={scores}"))
    values = {result["short"]: result["value"] for result in json.loads(scores.read_text())["results"]}
    with np.load(fakes) as arrays:
        images.save_png(images.grid(arrays["images"][:64], columns=16), Path(__file__).parent / "results" /
                        f"{method}_{seed}.png")
    return values


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    body = [[NAMES[method], spread([each["modes"] for each in seeds], 1),
             spread([each["reverse_kl"] for each in seeds], 3)] for method, seeds in found.items()]
    return rows(["method", "modes of 1,000", "reverse KL, nats"], body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    seeds, campaign, found = parser.parse_args().seeds, Campaign(__file__), {}
    campaign.results.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as shared:
        for seed in seeds:
            for method in METHODS:
                settings = {"config": configs.load(f"{CONFIG}:{method}").to_dict(), "fakes": NUM_FAKES}
                with tempfile.TemporaryDirectory() as scratch:
                    found.setdefault(method, []).append(campaign.cell(
                        f"{method}_{seed}", settings,
                        lambda: measure(method, seed, Path(scratch), real_images(Path(shared, "real.npz")))))  # noqa: B023
                campaign.publish(table(found))


if __name__ == "__main__":
    main()
