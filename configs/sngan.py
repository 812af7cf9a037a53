"""SNGAN (Miyato et al. 2018): ResNets, a spectrally normalised discriminator, the hinge loss.

    python -m jaxgan.main --config=configs/sngan.py

The paper's CIFAR-10 recipe (appendix B.2 and table 4; length and decay from its code): 256 channels in G, 128 in D,
five updates of D to one of G, Adam with a rate that falls linearly from 2e-4 to 0 and β = (0, 0.9), 50,000 updates of G
on batches of 64; where there are labels, class-conditional BatchNorm and a projection discriminator (Miyato & Koyama
2018). Differences: G's batches have 64 images too, where the paper's have 128. Published: FID 21.7 without labels
(5,000 samples), and 9.01 with, by PyTorch-StudioGAN after 100,000 updates (50,000 samples against the training set).

On a laptop: `configs/sngan.py:tiny`, on digits, or `tiny:DATA`.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 7.9, precision 0.47, recall 0.73.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "cifar10"):
    data, small = variant(arg)
    config = default()
    config.data = data
    config.batch_size, config.num_critic = 64, 5
    config.total_kimg = 16_000.0
    config.latent.dim = 128
    config.generator = {"name": "resnet", "width": 64}
    config.discriminator = {"name": "resnet", "width": 64}
    config.loss = "hinge"
    rate = {"name": "linear", "start": 2e-4, "end": 0.0}
    adam = {"name": "adam", "learning_rate": rate, "b1": 0.0, "b2": 0.9}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    config.average = {}
    if small:
        config.num_critic = 2
        for player in ("generator", "discriminator"):
            config.optimizers[player].learning_rate.start = 1e-3
        config = tiny(config, width=8)
    return config
