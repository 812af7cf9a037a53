"""StyleGAN2 (Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN"): a style for every layer.

    python -m jaxgan.main --config=configs/stylegan2.py

The logistic loss, R1 every 16 steps, path length in w every 4, styles of two latents in nine of ten images, Adam with
β = (0, 0.99) corrected for the lazy terms, minibatch standard deviation, samples from an average of the weights.

| argument | data | batch | rate | gamma | half-life | images | published FID |
|---|---|---|---|---|---|---|---|
| cifar | tfds:cifar10 | 64 | 2.5e-3 | 0.01 | 500,000 | 12.8 million | 3.78 with labels, by PyTorch-StudioGAN |
| paper256 | folder:ffhq | 64 | 2.5e-3 | 1 | 20,000 | 25 million | |
| paper1024 | folder:ffhq | 32 | 2e-3 | 10 | 10,000 | 25 million | 2.84 (the paper's configuration F) |

`cifar` is the setting of the paper on limited data (Karras et al. 2020, table 5 of its appendix) without its
augmentation: 512 channels at every size, two mapping layers, no shortcuts in D, a group of 32, and neither path length
nor style mixing, although G's rate and β keep the correction for path length. It stands for DATA of one's own, too;
`paper256:DATA` is the other. FFHQ is mirrored. All is float32; `--config.generator.dtype=bfloat16`, likewise the
discriminator's, narrows all maps but the smallest, where the authors' code has float16 in the four largest.

On a laptop: `configs/stylegan2.py:tiny`, on digits, or `tiny:DATA`: over two minutes, of which
compiling is one. All ten come out right there, with little variety.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 41.2, precision 0.73, recall 0.00.
"""

from typing import NamedTuple

from jaxgan.config import data_argument, default, tiny, variant


class Preset(NamedTuple):
    """width: at the image's size. stddev_group: of the minibatch standard deviation."""

    data: str
    resolution: int
    width: int
    batch_size: int
    learning_rate: float
    gamma: float
    half_life_kimg: float
    total_kimg: float
    stddev_group: int


PRESETS = {
    "cifar": Preset("cifar10", 32, 512, 64, 2.5e-3, 0.01, 500.0, 12_800.0, 32),
    "paper256": Preset("folder:ffhq", 256, 64, 64, 2.5e-3, 1.0, 20.0, 25_000.0, 8),
    "paper1024": Preset("folder:ffhq", 1024, 32, 32, 2e-3, 10.0, 10.0, 25_000.0, 4),
}
TINY = Preset("digits", 16, 8, 32, 2.5e-3, 0.1, 5.0, 64.0, 4)


def get_config(arg: str = "cifar"):
    name, _, data = arg.partition(":")
    if name in PRESETS:
        preset = PRESETS[name]
        data = data_argument(data or preset.data) | {"resolution": preset.resolution, "mirror": name != "cifar"}
        return recipe(preset, data, simple=name == "cifar")
    data, small = variant(arg)
    if not small:
        return recipe(PRESETS["cifar"], data, simple=True)
    config = tiny(recipe(TINY, data, simple=False), TINY.width)
    config.latent.dim = config.generator.w_dim = 64
    config.generator.max_width = config.discriminator.max_width = 32
    config.generator.mapping_layers = config.discriminator.mapping_layers = 2
    for term in config.regularizers.values():
        term.every = 8  # of one rhythm: one program less to compile
    return config


def recipe(preset: Preset, data: dict, simple: bool):
    """simple: what the authors leave out for CIFAR-10."""
    config = default()
    config.data = data
    config.batch_size, config.total_kimg = preset.batch_size, preset.total_kimg
    config.latent.dim = 512
    config.generator = {"name": "stylegan2", "width": preset.width, "max_width": 512, "w_dim": 512,
                        "mapping_layers": 2 if simple else 8, "style_mixing": 0.0 if simple else 0.9}
    config.discriminator = {"name": "stylegan2", "width": preset.width, "max_width": 512, "mapping_layers": 8,
                            "architecture": "orig" if simple else "resnet", "stddev_group": preset.stddev_group}
    config.loss = "non_saturating"
    config.regularizers = {"r1": {"name": "r1", "gamma": preset.gamma, "every": 16}}
    adam = {"name": "adam", "learning_rate": preset.learning_rate, "b1": 0.0, "b2": 0.99, "eps": 1e-8}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    if simple:
        config.optimizers.generator.update(learning_rate=preset.learning_rate * 4 / 5, b2=0.99 ** (4 / 5))
    else:
        config.regularizers.path_length = {"name": "path_length", "weight": 2.0, "every": 4}
    config.average = {"ema": {"name": "exponential", "half_life_kimg": preset.half_life_kimg,
                              "rampup": 0.05 if simple else 0.0}}
    return config
