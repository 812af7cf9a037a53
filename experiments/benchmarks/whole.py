"""Recipes as they are published, but for their data: digits of their size in colour, which every machine has.

    python experiments/benchmarks/fusing.py --configs experiments/benchmarks/whole.py:biggan
    python experiments/benchmarks/training.py --configs experiments/benchmarks/whole.py:stylegan2

| argument | what | batch |
|---|---|---|
| dcgan | DCGAN at 64×64 as in its paper, BatchNorm in both | 128 |
| sngan | SNGAN's CIFAR-10 | 64 |
| biggan | BigGAN's CIFAR-10 | 64 |
| stylegan2 | StyleGAN2 at 256×256, with the widths of its paper | 64 |
| r3gan | R3GAN's CIFAR-10, in float32 | 512 |

They are for accelerators: on two processor cores a step of the last two takes minutes.
"""

from pathlib import Path

from jaxgan import config as configs

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
BASES = {"stylegan2": "stylegan2.py:paper256"}  # where it is not NAME.py
SIDES = {"dcgan": 64, "stylegan2": 256}


def get_config(arg: str = "dcgan"):
    config = configs.load(f"{CONFIGS}/{BASES.get(arg, f'{arg}.py')}")
    config.data = {"name": "digits", "resolution": SIDES.get(arg, 32), "channels": 3,
                   "labels": arg not in ("dcgan", "stylegan2")}
    if arg == "dcgan":
        config.batch_size, config.regularizers = 128, {}
        config.generator.width = config.discriminator.width = 128
        config.discriminator.norm = "batch"
    if arg == "r3gan":  # PyTorch's twin has no other
        config.generator.dtype = config.discriminator.dtype = "float32"
    return config
