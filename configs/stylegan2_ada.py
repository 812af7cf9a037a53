"""StyleGAN2-ADA (Karras et al. 2020, "Training generative adversarial networks with limited data"): StyleGAN2 whose
discriminator sees everything augmented, as often as its own overfitting asks for.

    python -m jaxgan.main --config=configs/stylegan2_ada.py

ADA's blit, geometric and colour transforms (bgc), with a probability that moves by at most 1 in 500,000 images towards
a mean sign of 0.6 of the logits of real images; the rest as in configs/stylegan2.py.

| argument | data | batch | rate | gamma | half-life | images | published FID |
|---|---|---|---|---|---|---|---|
| cifar | tfds:cifar10 | 64 | 2.5e-3 | 0.01 | 500,000 | 100 million | 2.42 with labels, 2.92 without |
| paper256 | folder:ffhq | 64 | 2.5e-3 | 1 | 20,000 | 25 million | 3.81, mirrored |
| paper512 | folder:afhq | 64 | 2.5e-3 | 0.5 | 20,000 | 25 million | |
| paper1024 | folder:ffhq | 32 | 2e-3 | 2 | 10,000 | 25 million | |
| auto128 | folder:images | 64 | 2.5e-3 | 0.0512 | 20,000 | 25 million | |

`cifar` has 512 channels at every size, two mapping layers, no shortcuts in D, a group of 32, and neither path length
nor style mixing, although G's rate and β keep the correction for path length. It also stands for DATA of one's own at
32 pixels. At any other size `auto64` to `auto1024` follow the rules of the authors' code for eight accelerators, with a
gamma of 0.0002 pixels / batch; they have two mapping layers, the papers' presets eight. All take `:DATA`. Everything is
float32; `--config.generator.dtype=bfloat16`, likewise the discriminator's, narrows all maps but the smallest, where the
authors' code has float16 in the four largest.

On a laptop: `configs/stylegan2_ada.py:tiny`, on digits, or `tiny:DATA`.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 162.0, precision 0.00, recall 0.00.
"""

import re
from typing import NamedTuple

from jaxgan.config import data_argument, default, tiny, variant


class Preset(NamedTuple):
    """width: at the image's size. stddev_group: of the minibatch standard deviation. simple: what CIFAR-10 has."""

    data: str
    resolution: int
    width: int
    batch_size: int
    learning_rate: float
    gamma: float
    half_life_kimg: float
    rampup: float
    stddev_group: int
    mapping_layers: int
    total_kimg: float = 25_000.0
    simple: bool = False


PRESETS = {
    "cifar": Preset("cifar10", 32, 512, 64, 2.5e-3, 0.01, 500.0, 0.05, 32, 2, 100_000.0, simple=True),
    "paper256": Preset("folder:ffhq", 256, 64, 64, 2.5e-3, 1.0, 20.0, 0.0, 8, 8),
    "paper512": Preset("folder:afhq", 512, 64, 64, 2.5e-3, 0.5, 20.0, 0.0, 8, 8),
    "paper1024": Preset("folder:ffhq", 1024, 32, 32, 2e-3, 2.0, 10.0, 0.0, 4, 8),
}
TINY = Preset("digits", 16, 8, 32, 2.5e-3, 0.01, 5.0, 0.1, 4, 2, 64.0, simple=True)


def auto(size: int) -> Preset:
    """The authors' rules for a size they have not tuned, on eight accelerators."""
    batch = min(8 * min(4096 // size, 32), 64)
    base = 32_768 if size >= 512 else 16_384
    return Preset("folder:images", size, min(base // size, 512), batch, 2e-3 if size >= 1024 else 2.5e-3,
                  0.0002 * size**2 / batch, batch * 10 / 32, 0.05, 4, 2)


def get_config(arg: str = "cifar"):
    name, _, data = arg.partition(":")
    size = re.fullmatch(r"auto(\d+)", name)
    if size or name in PRESETS:
        preset = auto(int(size[1])) if size else PRESETS[name]
        mirror = name.startswith("paper")
        return recipe(preset, data_argument(data or preset.data) | {"resolution": preset.resolution, "mirror": mirror})
    data, small = variant(arg)
    if not small:
        return recipe(PRESETS["cifar"], data)
    config = tiny(recipe(TINY, data), TINY.width)
    config.latent.dim = config.generator.w_dim = 64
    config.generator.max_width = config.discriminator.max_width = 32
    config.discriminator.mapping_layers = 2
    config.augmentation.ada.adjust_kimg = 20.0
    return config


def recipe(preset: Preset, data: dict):
    config = default()
    config.data = data
    config.batch_size, config.total_kimg = preset.batch_size, preset.total_kimg
    config.latent.dim = 512
    config.generator = {"name": "stylegan2", "width": preset.width, "max_width": 512, "w_dim": 512,
                        "mapping_layers": preset.mapping_layers, "style_mixing": 0.0 if preset.simple else 0.9}
    config.discriminator = {"name": "stylegan2", "width": preset.width, "max_width": 512, "mapping_layers": 8,
                            "architecture": "orig" if preset.simple else "resnet", "stddev_group": preset.stddev_group}
    config.loss = "non_saturating"
    config.regularizers = {"r1": {"name": "r1", "gamma": preset.gamma, "every": 16}}
    config.augmentation = {"ada": {"name": "ada", "preset": "bgc", "target": 0.6, "interval": 4, "adjust_kimg": 500.0}}
    adam = {"name": "adam", "learning_rate": preset.learning_rate, "b1": 0.0, "b2": 0.99, "eps": 1e-8}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    if preset.simple:
        config.optimizers.generator.update(learning_rate=preset.learning_rate * 4 / 5, b2=0.99 ** (4 / 5))
    else:
        config.regularizers.path_length = {"name": "path_length", "weight": 2.0, "every": 4}
    config.average = {"ema": {"name": "exponential", "half_life_kimg": preset.half_life_kimg, "rampup": preset.rampup}}
    return config
