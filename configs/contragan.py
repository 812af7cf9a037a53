"""ContraGAN (Kang & Park 2020): a discriminator that gathers images of one class and parts those of others.

    python -m jaxgan.main --config=configs/contragan.py

The CIFAR-10 recipe of the authors' PyTorch-StudioGAN: BigGAN (configs/biggan.py) whose projection head gives way to
the conditional contrastive loss, at weight 1 for both players and temperature 1, on embeddings of 512 entries; hinge
loss, five updates of D to one of G on batches of 64, mirrored images, Adam at 2e-4 with β = (0.5, 0.999), 100,000
updates of G, an average of decay 0.9999 an update, here with a ramp instead of a start after 1,000. Published by
StudioGAN: FID 8.07 (10,000 samples against the test set) and 6.01 (50,000 against the training set), but an
intra-class FID of 119.6 where BigGAN has 14.3: each player clusters its own images, and nothing says that a class of
fakes is the same class of real images.

On a laptop: `configs/contragan.py:tiny`, on digits, or `tiny:DATA`.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 11.5, precision 0.47, recall 0.29.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "cifar10"):
    data, small = variant(arg)
    config = default()
    config.data = data if small else data | {"mirror": True}
    config.batch_size, config.num_critic = 64, 5
    config.total_kimg = 32_000.0
    config.latent.dim = 80
    config.generator = {"name": "biggan", "width": 96, "embed_dim": 128}
    config.discriminator = {"name": "biggan", "width": 96}
    config.loss = "hinge"
    config.conditioning = {"contrast": {"name": "contrastive_2c", "temperature": 1.0, "dim": 512, "spectral": True}}
    adam = {"name": "adam", "learning_rate": 2e-4, "b1": 0.5, "b2": 0.999}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    # 0.9999 an update of G halves in 6,931 updates, each worth 320 real images.
    config.average = {"ema": {"name": "exponential", "half_life_kimg": 2218.0, "rampup": 0.5}}
    if small:
        config.num_critic = 2
        for player in ("generator", "discriminator"):
            config.optimizers[player].learning_rate = 1e-3
        config = tiny(config, width=8)
    return config
