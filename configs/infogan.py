"""InfoGAN (Chen et al. 2016): codes in z that can be read off the image, and so come to mean something.

    python -m jaxgan.main --config=configs/infogan.py

The paper's MNIST recipe (appendix C.1), without labels: z of 62 entries of noise, a code of ten classes and two
continuous ones, a DCGAN of 64 and 128 channels with BatchNorm, the recogniser on D's features with a hidden layer of
128, Adam at 1e-3 for G and 2e-4 for D with β = (0.5, 0.999); from the authors' code batches of 128, 5,000 updates,
weight 1 for all codes and a fixed variance of the continuous ones. Differences: no dense layers of 1,024 units in G and
D, no BatchNorm in the recogniser, normal noise instead of uniform. Published: no score but the error of the code of ten
classes as a classifier of MNIST, 5 %.

On a laptop: `configs/infogan.py:tiny`, on digits, or `tiny:DATA`.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 12.6, precision 0.36, recall 0.21.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "mnist"):
    data, small = variant(arg)
    config = default()
    config.data = data | {"labels": False}
    config.batch_size = 128
    config.total_kimg = 640.0
    config.latent = {"name": "info", "dim": 74, "codes": (10, 1, 1)}
    config.generator = {"name": "dcgan", "width": 64}
    config.discriminator = {"name": "dcgan", "width": 64}
    config.loss = "non_saturating"
    config.conditioning = {"info": {"name": "info", "weight": 1.0, "continuous_weight": 1.0, "learn_variance": False,
                                    "hidden": 128}}
    adam = {"name": "adam", "b1": 0.5, "b2": 0.999}
    config.optimizers = {"generator": adam | {"learning_rate": 1e-3}, "discriminator": adam | {"learning_rate": 2e-4}}
    config.average = {}
    if small:
        config.discriminator.norm = "none"  # with BatchNorm it wins, and G makes one image a class of the code
        config.optimizers.discriminator.learning_rate = 5e-4
        config = tiny(config, width=32)
    return config
