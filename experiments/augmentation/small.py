"""The small GANs of this experiment: `small.py:digits:PATH` or `small.py:xrays:PATH`, an .npz. See README.md."""

from jaxgan.config import default

TOTAL_KIMG, BATCH, WIDTH = 48.0, 32, 32
GAMMAS = {"digits": 1.0, "xrays": 0.3}  # of R1, those of configs/dcgan.py: the fewer pixels, the larger


def get_config(arg: str):
    kind, _, path = arg.partition(":")
    config = default()
    config.data = {"name": "npz", "path": path}
    config.batch_size, config.total_kimg = BATCH, TOTAL_KIMG
    config.latent = {"name": "normal", "dim": 64}
    config.generator = {"name": "dcgan", "width": WIDTH, "embed_dim": 8}
    config.discriminator = {"name": "dcgan", "width": WIDTH, "norm": "none", "embed_dim": 8}
    config.regularizers = {"r1": {"name": "r1", "gamma": GAMMAS[kind]}}
    rate = {"name": "cosine", "start": 3e-3, "end": 3e-4}
    adam = {"name": "adam", "learning_rate": rate, "b1": 0.0, "b2": 0.99}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    config.average.ema = {"name": "exponential", "half_life_kimg": 5.0, "rampup": 0.1}
    config.log_every, config.sample_every, config.checkpoint_every = 100, 500, 500
    config.evaluate_every, config.metrics, config.health_every = 0, (), 0
    return config
