"""The network of the DCGAN paper (Radford et al. 2016) at 32×32, as both sides of the comparison train it."""

from jaxgan.config import data_argument, default


def get_config(arg: str = "digits"):
    config = default()
    config.data = data_argument(arg) | {"resolution": 32, "labels": False}
    config.latent = {"name": "normal", "dim": 100}
    config.generator = {"name": "dcgan", "width": 64}
    config.discriminator = {"name": "dcgan", "width": 64}
    return config
