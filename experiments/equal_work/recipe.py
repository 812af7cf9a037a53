"""What both sides train: `recipe.py:dcgan:mnist`, `recipe.py:sngan:cifar10` and so on. See README.md."""

from jaxgan.config import data_argument, default

RESOLUTION = {"dcgan": 32, "sngan": 16}
KIMG = {"dcgan": 64.0, "sngan": 48.0}


def get_config(arg: str):
    recipe, _, data = arg.partition(":")
    config = default()
    config.data = data_argument(data) | {"resolution": RESOLUTION[recipe], "labels": False}
    config.batch_size, config.total_kimg = 32, KIMG[recipe]
    if recipe == "dcgan":  # Radford et al. 2016, a quarter as wide
        config.latent = {"name": "uniform", "dim": 100}
        config.generator = {"name": "dcgan", "width": 16}
        config.discriminator = {"name": "dcgan", "width": 16, "norm": "batch"}
        config.average = {}
        adam = {"name": "adam", "learning_rate": 2e-4, "b1": 0.5, "b2": 0.999}
    else:  # Miyato et al. 2018, an eighth as wide; D:G and learning rate those of the tiny variant
        config.latent = {"name": "normal", "dim": 128}
        config.generator, config.discriminator = ({"name": "resnet", "width": 8} for _ in range(2))
        config.loss, config.num_critic = "hinge", 2
        config.average = {"ema": {"name": "exponential", "half_life_kimg": 5.0, "rampup": 0.1}}
        rate = {"name": "linear", "start": 1e-3, "end": 0.0}
        adam = {"name": "adam", "learning_rate": rate, "b1": 0.0, "b2": 0.9}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    return config
