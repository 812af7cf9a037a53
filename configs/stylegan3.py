"""StyleGAN3 (Karras et al. 2021, "Alias-free generative adversarial networks"): what is generated moves as one.

    python -m jaxgan.main --config=configs/stylegan3.py

The logistic loss and R1 every 16 steps, no path length and no mixed styles; Adam with β = (0, 0.99), rates of 2.5e-3
for G and 2e-3 for D, StyleGAN2's discriminator, minibatch standard deviation in groups of 4, samples from an average of
the weights. The argument is a configuration, `t` (equivariant to translation) or `r` (to rotation too), and a preset:

| argument | data | batch | gamma of t, r | ADA | images | published FID of t, r |
|---|---|---|---|---|---|---|
| t-ffhqu256 | folder:ffhqu | 64 | 1, 1 | no | 25 million | 4.62, 4.50 |
| t-ffhq1024 | folder:ffhq | 32 | 32.8, 32.8 | no | 25 million | 2.79, 3.07 |
| t-afhqv2 | folder:afhqv2 | 32 | 8.2, 16.4 | yes | 25 million | 4.04, 4.40 |
| t-metfaces | folder:metfaces | 32 | 6.6, 3.3 | yes | 5 million | 15.11, 15.33 |
| t-metfacesu | folder:metfacesu | 32 | 16.4, 6.6 | yes | 5 million | 18.75, 18.75 |
| t-512 | folder:images | 32 | 8, 8 | yes | 25 million | |

All are mirrored but the last, which stands for any size: the authors advise a gamma in proportion to the pixels, and
to try a half and twice of it. All take `:DATA`. `t-ffhqu256` has half of the width and a rate of 2.5e-3 for D as well;
MetFaces start from a network for FFHQ, which `--config.init_from=RUN` names, and then want no blur and a rampup of 0.
`r` has twice the channels in G, and blurs what D sees at first. Everything is float32; with
`--config.generator.dtype=bfloat16 --config.generator.float32_stages=3`, and D's likewise, it is nearly as narrow as the
authors' float16 at 1024 pixels. A difference: moving averages in G take in the batches of its own updates, not of D's.

On a laptop: `configs/stylegan3.py:tiny`, on digits, or `tiny:DATA`, with a G of four layers and 12 channels: four
minutes.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 37.2, precision 0.31, recall 0.00.
"""

import re
from typing import NamedTuple

from jaxgan.config import data_argument, default, tiny, variant
from jaxgan.errors import InputError


class Preset(NamedTuple):
    """width: of D at the image's size, and of G in configuration t. gammas: of t and r."""

    data: str
    resolution: int | None
    batch_size: int
    width: int
    gammas: tuple[float, float]
    ada: bool
    mirror: bool = True
    discriminator_rate: float = 2e-3
    total_kimg: float = 25_000.0


PRESETS = {
    "ffhqu256": Preset("folder:ffhqu", 256, 64, 64, (1.0, 1.0), ada=False, discriminator_rate=2.5e-3),
    "ffhq1024": Preset("folder:ffhq", 1024, 32, 32, (32.8, 32.8), ada=False),
    "afhqv2": Preset("folder:afhqv2", 512, 32, 64, (8.2, 16.4), ada=True),
    "metfaces": Preset("folder:metfaces", 1024, 32, 32, (6.6, 3.3), ada=True, total_kimg=5_000.0),
    "metfacesu": Preset("folder:metfacesu", 1024, 32, 32, (16.4, 6.6), ada=True, total_kimg=5_000.0),
}
TINY = Preset("digits", 16, 32, 12, (0.1, 0.1), ada=False, mirror=False, discriminator_rate=2.5e-3, total_kimg=64.0)


def advised(size: int) -> Preset:
    """What the authors advise for data of one's own."""
    gamma = 8.0 * (size / 512) ** 2
    return Preset("folder:images", size, 32, 32_768 // size, (gamma, gamma), ada=True, mirror=False)


def get_config(arg: str = "t-ffhqu256"):
    found = re.fullmatch(r"([tr])-(\w+)(?::(.+))?", arg)
    if found:
        configuration, name, data = found.groups()
        if name not in PRESETS and not name.isdecimal():
            raise InputError(f"There is no preset {name!r}: {', '.join(PRESETS)}, or a size in pixels.")
        preset = advised(int(name)) if name.isdecimal() else PRESETS[name]
        data = data_argument(data or preset.data) | {"resolution": preset.resolution, "mirror": preset.mirror}
        return recipe(preset, data, configuration == "r")
    data, small = variant(arg)
    if not small:
        return recipe(advised(256), data, rotation=False)
    config = tiny(recipe(TINY, data, rotation=False), TINY.width)
    config.latent.dim = config.generator.w_dim = 64
    config.generator.max_width, config.discriminator.max_width = 12, 32
    config.discriminator.width = 8
    config.generator.num_layers, config.generator.margin = 4, 2
    config.discriminator.mapping_layers = 2
    return config


def recipe(preset: Preset, data: dict, rotation: bool):
    config = default()
    config.data = data
    config.batch_size, config.total_kimg = preset.batch_size, preset.total_kimg
    config.latent.dim = 512
    wider = 2 if rotation else 1
    config.generator = {"name": "stylegan3", "rotation": rotation, "width": wider * preset.width,
                        "max_width": wider * 512, "w_dim": 512, "mapping_layers": 2,
                        "magnitude_decay": 0.5 ** (preset.batch_size / 20_000)}
    config.discriminator = {"name": "stylegan3", "width": preset.width, "max_width": 512, "mapping_layers": 8,
                            "stddev_group": 4}
    config.loss = "non_saturating"
    config.regularizers = {"r1": {"name": "r1", "gamma": preset.gammas[rotation], "every": 16}}
    blur = {"name": "blur", "sigma": 10.0, "kimg": preset.batch_size * 200 / 32}
    ada = {"name": "ada", "preset": "bgc", "target": 0.6, "interval": 4, "adjust_kimg": 500.0}
    # They act in the order of their names here: the blur comes first.
    config.augmentation = ({"blur": blur} if rotation else {}) | ({"transforms": ada} if preset.ada else {})
    adam = {"name": "adam", "learning_rate": 2.5e-3, "b1": 0.0, "b2": 0.99, "eps": 1e-8}
    config.optimizers = {"generator": dict(adam),
                         "discriminator": adam | {"learning_rate": preset.discriminator_rate}}
    config.average = {"ema": {"name": "exponential", "half_life_kimg": preset.batch_size * 10 / 32, "rampup": 0.05}}
    return config
