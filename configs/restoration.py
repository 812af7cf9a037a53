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

from jaxgan.config import load


def get_config(arg: str = "cifar10"):
    config = load(f"super_resolution:{arg}")
    config.degradation = {
        "grain": {"name": "noise", "levels": (0.0, 30.0)},
        "file": {"name": "jpeg", "quality": (30, 100)},
    }
    return config
