"""GAT (Hyun et al. 2025, "Scalable GANs with Transformers"): plain vision transformers, a relativistic loss, R1 and R2.

    python -m jaxgan.main --config=configs/vit_gan.py:s

R1 and R2 by finite differences in every step, gamma 0.1 and a step of 0.01; Adam with β = (0, 0.99), whose learning
rate falls with the width, 2e-4 × 768 / width; batch 512, DiffAugment, mirrored images, 60 epochs of ImageNet.

| argument | width | depth | heads | rate | data |
|---|---|---|---|---|---|
| s | 384 | 12 | 6 | 4e-4 | tfds:imagenet_resized/32x32 |
| b | 768 | 12 | 12 | 2e-4 | the same |
| l | 1024 | 24 | 16 | 1.5e-4 | the same |
| xl | 1152 | 28 | 16 | 1.33e-4 | the same |

`s:DATA` and so on take other data, `DATA` alone is size s. The authors train on 32×32×4 latents of ImageNet at 256
pixels, where XL reaches an FID of 2.18. jaxgan has no encoder that makes such latents, and its data are images of 8
bits; so these are the published networks with their 256 tokens, on pixels, and no score of the paper is comparable. For
larger images raise `generator.patch` and `discriminator.patch`.

Differences besides: neither the guidance by noisy images of all depths nor the alignment with DINOv2 (see the model);
differences are central ones, with augmentations of their own, where the authors' are one-sided from the loss's own
logits; gradients are not clipped (theirs at a norm of 1); colour augmentation leaves a fourth channel alone.

On a laptop: `configs/vit_gan.py:tiny`, on digits, or `tiny:DATA`, with two blocks, patches of 4 and gamma 1: four
minutes. All ten can be read there, with the patches' borders in sight.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 34.1, precision 0.62, recall 0.00.
"""

from typing import NamedTuple

from jaxgan.config import data_argument, default, tiny, variant


class Preset(NamedTuple):
    """Of both networks."""

    width: int
    depth: int
    heads: int


PRESETS = {"s": Preset(384, 12, 6), "b": Preset(768, 12, 12), "l": Preset(1024, 24, 16), "xl": Preset(1152, 28, 16)}
TINY = Preset(48, 2, 3)


def get_config(arg: str = "cifar10"):
    name, _, data = arg.partition(":")
    if name in PRESETS:
        return recipe(PRESETS[name], data_argument(data or "tfds:imagenet_resized/32x32") | {"mirror": True})
    data, small = variant(arg)
    if not small:
        return recipe(PRESETS["s"], data | {"mirror": True})
    config = tiny(recipe(TINY, data), TINY.width)
    config.generator.images = 2
    for penalty in config.regularizers.values():
        penalty.gamma = 1.0
    config.augmentation = {}  # less to compile
    for player in ("generator", "discriminator"):
        config[player].patch, config[player].dtype = 4, "float32"
        config.optimizers[player].learning_rate = 1e-3
    return config


def recipe(preset: Preset, data: dict):
    config = default()
    config.data = data
    config.batch_size, config.total_kimg = 512, 76_870.0
    config.latent.dim = 64
    config.loss = "relativistic_paired"
    config.regularizers = {name: {"name": name, "gamma": 0.1, "epsilon": 0.01} for name in ("r1", "r2")}
    config.augmentation = {"diffaugment": {"name": "diffaugment"}}
    for player in ("generator", "discriminator"):
        config[player] = {"name": "vit", "width": preset.width, "depth": preset.depth, "heads": preset.heads,
                          "patch": 2, "remat": preset.depth > 12, "dtype": "bfloat16"}
        config.optimizers[player] = {"name": "adam", "learning_rate": 2e-4 * 768 / preset.width, "b1": 0.0, "b2": 0.99}
    # 0.999 a step halves in 692.8 steps of 512 images.
    config.average = {"ema": {"name": "exponential", "half_life_kimg": 355.0, "rampup": 0.0}}
    return config
