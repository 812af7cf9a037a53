"""LSGAN (Mao et al. 2017): a discriminator that regresses, with least squares, on 1 for real and 0 for fake.

    python -m jaxgan.main --config=configs/lsgan.py

a = 0 and b = c = 1 (eq. 9). From the authors' code for LSUN: z of 1,024 entries uniform on [-1, 1), Adam at 1e-3 with
β₁ = 0.5 for both, batches of 64, one update of D to one of G; D is a DCGAN's. Differences: their G, for 112×112, has
three further convolutions, here it is a DCGAN's too; the length is PyTorch-StudioGAN's for CIFAR-10, 200,000 updates,
where their code has 1,000,000. Labels are left out, as there; with --config.data.labels=true both networks read them as
in configs/dcgan.py, and this loss then lets G forget z: one picture a class. Published on CIFAR-10, with other
networks: FID 87.1 (Lucic et al. 2018), 67.2 (PyTorch-StudioGAN, 10,000 samples against the test set).

On a laptop: `configs/lsgan.py:tiny`, on digits, or `tiny:DATA`.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 7.8, precision 0.52, recall 0.74.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "cifar10"):
    data, small = variant(arg)
    config = default()
    config.data = data | {"labels": False}
    config.batch_size = 64
    config.total_kimg = 12_800.0
    config.latent = {"name": "uniform", "dim": 1024}
    config.generator = {"name": "dcgan", "width": 64}
    config.discriminator = {"name": "dcgan", "width": 64}
    config.loss = {"name": "least_squares", "a": 0.0, "b": 1.0, "c": 1.0}
    adam = {"name": "adam", "learning_rate": 1e-3, "b1": 0.5, "b2": 0.999}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    config.average = {}
    if small:
        config.latent.dim = 64
        config = tiny(config)
    return config
