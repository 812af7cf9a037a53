"""How well ten unseen digits come back from latents; see the README beside this.

    python experiments/inversion/run.py --config.data.dir=FOLDER
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results"
MARKS = "<!-- written by run.py: begin -->", "<!-- written by run.py: end -->"
RUNS = {"dcgan": ("z",), "stylegan2": ("w", "w+")}  # recipe -> spaces to look in
NUM = 10


def command(*arguments: str) -> None:
    """Runs `python -m jaxgan.…`."""
    subprocess.run([sys.executable, "-m", *arguments], check=True, cwd=ROOT,
                   env=os.environ | {"JAX_PLATFORMS": "cpu"})


def measure(folder: Path, options: list[str]) -> list[dict]:
    """Trains both recipes on MNIST, small, and projects test digits into the spaces of each."""
    found = []
    for recipe, spaces in RUNS.items():
        run = folder / recipe
        command("jaxgan.main", f"--config=configs/{recipe}.py:tiny:mnist", f"--workdir={run}", "--quiet", *options)
        for space in spaces:
            output = folder / f"{recipe}-{space}"
            command("jaxgan.invert", f"--workdir={run}", "--images=mnist:test", f"--num={NUM}", f"--space={space}",
                    f"--output={output}")
            psnr = [entry["psnr"] for entry in json.loads((output / "invert.json").read_text())["projections"]]
            found.append({"recipe": recipe, "space": space, "psnr": psnr})
            shutil.copy(output / "projections.png", RESULTS / f"{recipe}-{space.replace('+', 'plus')}.png")
    return found


def table(results: list[dict]) -> str:
    """The README's table."""
    lines = ["| run | space | PSNR, mean of ten | lowest – highest |", "|---|---|---|---|"]
    for result in results:
        psnr = np.asarray(result["psnr"])
        lines.append(f"| {result['recipe']}:tiny:mnist | {result['space']} | {psnr.mean():.1f} dB "
                     f"| {psnr.min():.1f} – {psnr.max():.1f} |")
    return "\n".join(lines)


def main() -> None:
    _, options = argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_known_args()
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), options)
    (RESULTS / "psnr.json").write_text(json.dumps(results, indent=1) + "\n")
    readme = HERE / "README.md"
    pattern = re.compile(f"({re.escape(MARKS[0])}\n).*({re.escape(MARKS[1])})", re.DOTALL)
    readme.write_text(pattern.sub(lambda match: f"{match[1]}{table(results)}\n{match[2]}", readme.read_text()))
    print(table(results))


if __name__ == "__main__":
    main()
