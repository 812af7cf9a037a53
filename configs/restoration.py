"""Restoration: noise and JPEG undone, or holes filled, by the networks of super-resolution at one size.

    python -m jaxgan.main --config=configs/restoration.py:folder:my/photos --config.data.resolution=128
    python -m jaxgan.enhance --workdir=outputs/restoration-folder-my-photos --input=old.jpg --output=restored

What is undone is chosen by --config.degradation: here grain and JPEG of random strength, made of the data on the fly.
For holes, as in Context Encoders (Pathak et al. 2016), with what is transparent in a picture as its holes:
--config.degradation="{'holes': 'holes'}".

Networks and numbers are those of `configs/super_resolution.py`, which has their papers: a generator that adds to what
it is given, begun near the identity, and a discriminator of patches that sees both.

On a laptop: `configs/restoration.py:tiny`, on digits, or `tiny:DATA`.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "cifar10"):
    data, small = variant(arg)
    config = default()
    config.data = data
    config.batch_size, config.total_kimg = 16, 3200.0
    config.latent.dim = 1  # not read
    config.degradation = {
        "grain": {"name": "noise", "levels": (0.0, 30.0)},
        "file": {"name": "jpeg", "quality": (30, 100)},
    }
    config.generator = {"name": "srgan", "width": 64, "blocks": 16}
    config.discriminator = {"name": "srgan", "width": 64}
    config.regularizers = {"pixel": {"name": "pixel", "weight": 100.0}, "r1": {"name": "r1", "gamma": 0.1, "every": 4}}
    adam = {"name": "adam", "learning_rate": {"name": "cosine", "start": 1e-4, "end": 1e-6}, "b1": 0.0, "b2": 0.99}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    if small:
        config = tiny(config)
        config.generator.blocks = config.discriminator.levels = 2
        for player in ("generator", "discriminator"):
            config.optimizers[player].learning_rate.start = 1e-3
    return config
