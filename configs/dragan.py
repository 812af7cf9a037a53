"""DRAGAN (Kodali et al. 2017): the original game, and a critic asked for a gradient of norm 1 around real images.

    python -m jaxgan.main --config=configs/dragan.py

From the authors' code: λ = 10, images moved by uniform noise of up to half the standard deviation of the batch, Adam
at 1e-4 with β = (0.5, 0.9), one update of D to one of G, z of 100 uniform on [-1, 1), 200,000 updates. Differences:
that code has two-layer networks, for MNIST; here they are DCGAN's, with no BatchNorm in D, where it would mix the
examples whose gradients are penalised. Labels are left out, as there; --config.data.labels=true gives them to both
networks, as in configs/dcgan.py. Published on CIFAR-10, with other networks: FID 69.8 (Lucic et al. 2018).

On a laptop: `configs/dragan.py:tiny`, on digits, or `tiny:DATA`.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 11.8, precision 0.40, recall 0.39.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "cifar10"):
    data, small = variant(arg)
    config = default()
    config.data = data | {"labels": False}
    config.batch_size = 64
    config.total_kimg = 12_800.0
    config.latent = {"name": "uniform", "dim": 100}
    config.generator = {"name": "dcgan", "width": 64}
    config.discriminator = {"name": "dcgan", "width": 64, "norm": "none"}
    config.loss = "non_saturating"
    config.regularizers = {"dragan": {"name": "dragan", "gamma": 10.0, "spread": 0.5}}
    adam = {"name": "adam", "learning_rate": 1e-4, "b1": 0.5, "b2": 0.9}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    config.average = {}
    if small:
        for player in ("generator", "discriminator"):
            config.optimizers[player].learning_rate = 1e-3
        config = tiny(config)
    return config
