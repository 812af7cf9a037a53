"""Whether a small network beats bicubic interpolation on unseen images; see the README beside this.

    TFDS_DATA_DIR=FOLDER python -m experiments.enhancement.run
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from experiments.campaign import Campaign, command, done, rows

SMALL = ("degradation={'small': 'downsample'}", "data.split=train[:10000]", "total_kimg=32", "generator.width=24",
         "generator.blocks=3", "discriminator.width=8", "discriminator.levels=2", "regularizers.pixel.weight=1000.0",
         "regularizers.r1.every=8", "optimizers.generator.learning_rate.start=2e-3",
         "optimizers.discriminator.learning_rate.start=2e-3", "average.ema.half_life_kimg=1.0", "health_every=0",
         "sample_every=0", "log_every=50", "checkpoint_every=500", "metrics=()")
NUM = 1000  # test images


def table(found: dict) -> str:
    """The README's table."""
    head = [f"{found['images']:,} test images", "PSNR", "SSIM", "perceptual distance"]
    body = [[name, f"{found[method]['psnr']:.2f} dB", f"{found[method]['ssim']:.4f}",
             f"{found[method]['perceptual']:.4f}"]
            for method, name in (("interpolated", "bicubic interpolation"), ("made", "the network"))]
    return (f"{rows(head, body)}\n\nNearer than interpolation in PSNR on {found['better']:.1%} of them, after "
            f"{found['step']:,} steps.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, help="a run trained so already, to be measured alone")
    arguments, options = parser.parse_known_args()
    campaign = Campaign(__file__)
    campaign.results.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        run, output = arguments.run or Path(folder, "run"), Path(folder, "measured")
        if not arguments.run:
            done(command("main", "--config=configs/super_resolution.py:cifar10", f"--workdir={run}", "--quiet",
                         *(f"--config.{text}" for text in SMALL), *options))
        done(command("enhance", f"--workdir={run}", "--measure=cifar10:test", f"--num={NUM}", f"--output={output}"))
        found = json.loads((output / "scores.json").read_text())
        shutil.copy(output / "before_after.png", campaign.results / "given_bicubic_made_true.png")
    del found["run"]
    (campaign.results / "scores.json").write_text(json.dumps(found, indent=1) + "\n")
    campaign.publish(table(found))


if __name__ == "__main__":
    main()
