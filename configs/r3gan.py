"""R3GAN (Huang et al. 2024, "The GAN is dead; long live the GAN! A modern GAN baseline"): a relativistic loss with R1
and R2 at every step, and plain residual networks without a norm.

    python -m jaxgan.main --config=configs/r3gan.py

Five numbers follow a cosine over the first images and then stay: learning rate, β₂, the penalties' gamma, the half-life
of the average, and the chance of the augmentation (ADA's transforms, colour at half strength, and cutout, unadapted).
D and G see separate real batches, each fake beside a real image of its label. Mirrored images, Adam with β₁ = 0.

| argument | data | batch | gamma | augmentation | half-life | published FID |
|---|---|---|---|---|---|---|
| cifar10 | tfds:cifar10 | 512 | 0.05 to 0.005 | 0.55 | 5 million | 1.96 after 250 million images |
| ffhq64 | folder:ffhq | 256 | 2 to 0.2 | 0.3 | 0.5 million | 1.95 |
| ffhq256 | folder:ffhq | 256 | 150 to 15 | 0.3 | 0.5 million | 2.75 |
| imagenet32 | tfds:imagenet_resized/32x32 | 4,096 | 0.5 to 0.05 | 0.5 | 50 million | 1.27 |
| imagenet64 | tfds:imagenet2012 | 4,096 | 1 to 0.1 | 0.4 | 50 million | 2.09 after 1,000 million |

The cosines are 20 million images long, 200 million on ImageNet. `cifar10` also stands for any DATA of its own, as does
`ffhq64:DATA`. Difference: the lengths of the FFHQ runs, and of ImageNet's at 32 pixels, are set here to 250 and 1,000
million. The authors' CIFAR-10 run took four days on eight L40s.

On a laptop: `configs/r3gan.py:tiny`, on digits, or `tiny:DATA`. It needs its wide last stage: with a discriminator of
16 features in the place of 64, each class collapses to nearly one image.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 34.3, precision 0.40, recall 0.01.
"""

from typing import NamedTuple

from jaxgan.config import data_argument, default, tiny, variant


class Preset(NamedTuple):
    """gamma: at the start; a tenth of it in the end. multipliers: of the generator, the smallest maps first."""

    data: str
    resolution: int
    batch_size: int
    gamma: float
    augmentation: float
    half_life_kimg: float
    cosine_kimg: float = 20_000.0
    total_kimg: float = 250_000.0
    width: int = 768
    multipliers: tuple[int, ...] | None = None
    group_width: int = 16


IMAGENET = {"cosine_kimg": 200_000.0, "total_kimg": 1_000_000.0, "width": 1536, "group_width": 32}
PRESETS = {
    "cifar10": Preset("cifar10", 32, 512, 0.05, 0.55, 5_000.0),
    "ffhq64": Preset("folder:ffhq", 64, 256, 2.0, 0.3, 500.0, width=384, multipliers=(2, 2, 2, 2, 1)),
    "ffhq256": Preset("folder:ffhq", 256, 256, 150.0, 0.3, 500.0, width=96, multipliers=(8, 8, 8, 8, 4, 2, 1)),
    "imagenet32": Preset("tfds:imagenet_resized/32x32", 32, 4096, 0.5, 0.5, 50_000.0, **IMAGENET),
    "imagenet64": Preset("tfds:imagenet2012", 64, 4096, 1.0, 0.4, 50_000.0, **IMAGENET),
}
TINY = Preset("digits", 16, 32, 0.5, 0.2, 5.0, cosine_kimg=32.0, width=8, multipliers=(8, 4, 1))
STRENGTHS = dict.fromkeys(("brightness", "contrast", "lumaflip", "hue", "saturation"), 0.5) | {"cutout": 1.0}


def get_config(arg: str = "cifar10"):
    name, _, data = arg.partition(":")
    if name in PRESETS:
        preset = PRESETS[name]
        return recipe(preset, data_argument(data or preset.data) | {"resolution": preset.resolution, "mirror": True})
    data, small = variant(arg)
    if not small:
        return recipe(PRESETS["cifar10"], data | {"mirror": True})
    config = recipe(TINY, data)
    average = config.average
    config = tiny(config, TINY.width)
    config.average = average
    config.augmentation.ada.preset = "color"  # warps take as long to compile as the rest to train
    for player in ("generator", "discriminator"):
        config[player].blocks, config[player].dtype = 1, "float32"
        config.optimizers[player].learning_rate.update(start=1e-3, end=2.5e-4)
    return config


def recipe(preset: Preset, data: dict):
    def cosine(start: float, end: float) -> dict:
        return {"name": "cosine", "start": start, "end": end, "kimg": preset.cosine_kimg}

    config = default()
    config.data = data
    config.batch_size, config.total_kimg = preset.batch_size, preset.total_kimg
    config.latent.dim = 64
    config.loss = "relativistic_paired"
    config.regularizers = {name: {"name": name, "gamma": cosine(preset.gamma, preset.gamma / 10)}
                           for name in ("r1", "r2")}
    for player, order in (("generator", 1), ("discriminator", -1)):
        config[player] = {"name": "r3gan", "width": preset.width, "group_width": preset.group_width,
                          "multipliers": preset.multipliers and preset.multipliers[::order],
                          "float32_stages": 1, "dtype": "bfloat16"}
        config.optimizers[player] = {"name": "adam", "learning_rate": cosine(2e-4, 5e-5), "b1": 0.0,
                                     "b2": cosine(0.9, 0.99)}
    half_life = cosine(0.0, preset.half_life_kimg)
    config.average = {"ema": {"name": "exponential", "half_life_kimg": half_life, "rampup": 0.0}}
    config.augmentation = {"ada": {"name": "ada", "preset": "bgc", "p": cosine(0.0, preset.augmentation),
                                   "strengths": STRENGTHS}}
    return config
