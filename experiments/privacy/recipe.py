"""`configs/dp_gan.py`, small, on MNIST: `recipe.py:EPSILON`, or `recipe.py:none` for the same without privacy."""

from jaxgan import config as configs


def get_config(arg: str):
    config = configs.load("dp_gan:tiny:mnist")
    config.batch_size, config.total_kimg = 128, 1024.0
    if arg == "none":
        config.privacy = {}
    else:
        config.privacy.epsilon = float(arg)
    config.log_every, config.sample_every, config.checkpoint_every, config.health_every = 20, 200, 800, 0
    return config
