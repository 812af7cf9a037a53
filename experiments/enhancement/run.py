"""Whether a small network beats bicubic interpolation on unseen images; see the README beside this.

    TFDS_DATA_DIR=FOLDER python experiments/enhancement/run.py
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

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results"
MARKS = "<!-- written by run.py: begin -->", "<!-- written by run.py: end -->"
SMALL = ("degradation={'small': 'downsample'}", "data.split=train[:10000]", "total_kimg=32", "generator.width=24",
         "generator.blocks=3", "discriminator.width=8", "discriminator.levels=2", "regularizers.pixel.weight=1000.0",
         "regularizers.r1.every=8", "optimizers.generator.learning_rate.start=2e-3",
         "optimizers.discriminator.learning_rate.start=2e-3", "average.ema.half_life_kimg=1.0", "health_every=0",
         "sample_every=0", "log_every=50", "checkpoint_every=500", "metrics=()")
NUM = 1000  # test images


def command(*arguments: str) -> None:
    """Runs `python -m jaxgan.…`."""
    subprocess.run([sys.executable, "-m", *arguments], check=True, cwd=ROOT,
                   env=os.environ | {"JAX_PLATFORMS": "cpu"})


def table(found: dict) -> str:
    """The README's table."""
    lines = [f"| {found['images']:,} test images | PSNR | SSIM |", "|---|---|---|"]
    for method, name in (("interpolated", "bicubic interpolation"), ("made", "the network")):
        lines.append(f"| {name} | {found[method]['psnr']:.2f} dB | {found[method]['ssim']:.4f} |")
    lines += ["", f"Nearer than interpolation in PSNR on {found['better']:.1%} of them, after {found['step']:,} steps."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, help="a run trained so already, to be measured alone")
    arguments, options = parser.parse_known_args()
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        run, output = arguments.run or Path(folder, "run"), Path(folder, "measured")
        if not arguments.run:
            command("jaxgan.main", "--config=configs/super_resolution.py:cifar10", f"--workdir={run}", "--quiet",
                    *(f"--config.{text}" for text in SMALL), *options)
        command("jaxgan.enhance", f"--workdir={run}", "--measure=cifar10:test", f"--num={NUM}", f"--output={output}")
        found = json.loads((output / "scores.json").read_text())
        shutil.copy(output / "before_after.png", RESULTS / "given_bicubic_made_true.png")
    del found["run"]
    (RESULTS / "scores.json").write_text(json.dumps(found, indent=1) + "\n")
    readme = HERE / "README.md"
    pattern = re.compile(f"({re.escape(MARKS[0])}\n).*({re.escape(MARKS[1])})", re.DOTALL)
    readme.write_text(pattern.sub(lambda match: f"{match[1]}{table(found)}\n{match[2]}", readme.read_text()))
    print(table(found))


if __name__ == "__main__":
    main()
