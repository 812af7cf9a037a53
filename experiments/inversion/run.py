"""How well ten unseen digits come back from latents; see the README beside this.

    python -m experiments.inversion.run --config.data.dir=FOLDER
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from experiments.campaign import Campaign, command, done, rows

RUNS = {"dcgan": ("z",), "stylegan2": ("w", "w+")}  # recipe -> spaces to look in
NUM = 10


def measure(folder: Path, results: Path, options: list[str]) -> list[dict]:
    """Trains both recipes on MNIST, small, and projects test digits into the spaces of each."""
    found = []
    for recipe, spaces in RUNS.items():
        run = folder / recipe
        done(command("main", f"--config=configs/{recipe}.py:tiny:mnist", f"--workdir={run}", "--quiet", *options))
        for space in spaces:
            output = folder / f"{recipe}-{space}"
            done(command("invert", f"--workdir={run}", "--images=mnist:test", f"--num={NUM}", f"--space={space}",
                         f"--output={output}"))
            psnr = [entry["psnr"] for entry in json.loads((output / "invert.json").read_text())["projections"]]
            found.append({"recipe": recipe, "space": space, "psnr": psnr})
            shutil.copy(output / "projections.png", results / f"{recipe}-{space.replace('+', 'plus')}.png")
    return found


def table(results: list[dict]) -> str:
    """The README's table."""
    body = []
    for result in results:
        psnr = np.asarray(result["psnr"])
        body.append([f"{result['recipe']}:tiny:mnist", result["space"], f"{psnr.mean():.1f} dB",
                     f"{psnr.min():.1f} – {psnr.max():.1f}"])
    return rows(["run", "space", "PSNR, mean of ten", "lowest – highest"], body)


def main() -> None:
    _, options = argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_known_args()
    campaign = Campaign(__file__)
    campaign.results.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), campaign.results, options)
    (campaign.results / "psnr.json").write_text(json.dumps(results, indent=1) + "\n")
    campaign.publish(table(results))


if __name__ == "__main__":
    main()
