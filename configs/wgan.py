"""WGAN (Arjovsky et al. 2017): a critic whose weights are clipped, and the difference of its means as the loss.

    python -m jaxgan.main --config=configs/wgan.py

Algorithm 1 with its numbers: clipping at 0.01, RMSProp at 5e-5, five updates of the critic to one of G on batches of
64; DCGAN networks with BatchNorm in both, whose gains are clipped as well, and z of 100, as in the authors' code.
Labels are left out, as there; --config.data.labels=true gives them to both networks, as in configs/dcgan.py.
Differences: that code gives the critic 100 updates to each of the first 25 of G and to every 500th from then on, here
it is always five. The paper trains on LSUN for no stated length; 100,000 updates of G is what its successors take.
Published on CIFAR-10, with other networks: FID 55.2 (Lucic et al. 2018), 42.6 (Miyato et al. 2018, table 2).

On a laptop: `configs/wgan.py:tiny`, on digits, or `tiny:DATA`.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 10.6, precision 0.46, recall 0.63.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "cifar10"):
    data, small = variant(arg)
    config = default()
    config.data = data | {"labels": False}
    config.batch_size, config.num_critic = 64, 5
    config.total_kimg = 32_000.0
    config.latent.dim = 100
    config.generator = {"name": "dcgan", "width": 64}
    config.discriminator = {"name": "dcgan", "width": 64}
    config.loss = "wasserstein"
    config.regularizers = {"clip": {"name": "weight_clip", "limit": 0.01}}
    rmsprop = {"name": "rmsprop", "learning_rate": 5e-5, "decay": 0.99}
    config.optimizers = {"generator": dict(rmsprop), "discriminator": dict(rmsprop)}
    config.average = {}
    if small:
        for player in ("generator", "discriminator"):
            config.optimizers[player].learning_rate = 1e-3
        config.num_critic = 2
        config = tiny(config)
    return config
