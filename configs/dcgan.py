"""DCGAN (Radford et al. 2016, "Unsupervised representation learning with deep convolutional GANs"), at any size.

    python -m jaxgan.main --config=configs/dcgan.py
"""

from jaxgan.config import data_argument, default


def get_config(arg: str = "digits"):
    config = default()
    config.data = data_argument(arg)
    config.total_kimg = 200.0
    config.generator = {"name": "dcgan", "width": 32}
    config.discriminator = {"name": "dcgan", "width": 32}
    config.evaluate_every = 1000
    config.metrics = ("fd_pixels",)
    return config
