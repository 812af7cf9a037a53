"""LeCam-GAN (Tseng et al. 2021): BigGAN for few data, its logits held near what the other kind of image gets.

    python -m jaxgan.main --config=configs/lecam.py

The authors' numbers for CIFAR-10: the regularizer at 0.3, from 1,000 updates of G on, against averages of decay 0.99;
BigGAN without attention or shared embedding, 256 channels in both, N(0, 0.02²) as the start, z of 128, spectral
normalization in both, the hinge loss, four updates of D to one of G on batches of 50, Adam at 2e-4 with β = (0, 0.999),
samples from an average of decay 0.9999 an update, mirrored images, 1,000 epochs. Differences: their code has a decay of
0.9 for the logits where the paper has 0.99, and starts the average of the weights after 1,000 updates; here it has
a ramp. Published: FID 8.46 with DiffAugment (10,000 samples, on all of CIFAR-10). The method is for less: train on a
tenth with --config.data.split=train[:10%], and with --config.augmentation.diffaugment=diffaugment, as the paper does.

On a laptop: `configs/lecam.py:tiny`, on digits, or `tiny:DATA`.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 2.6, precision 0.75, recall 0.37.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "cifar10"):
    data, small = variant(arg)
    config = default()
    config.data = data if small else data | {"mirror": True}
    config.batch_size, config.num_critic = 50, 4
    config.total_kimg = 50_000.0
    config.latent.dim = 128
    network = {"name": "resnet", "width": 64, "spectral": True, "spectral_eps": 1e-8, "initializer": "normal"}
    config.generator = dict(network)
    config.discriminator = network | {"multipliers": (4, 4, 4, 4)}
    config.loss = "hinge"
    config.regularizers = {"lecam": {"name": "lecam", "weight": 0.3, "decay": 0.99, "start": 1000}}
    adam = {"name": "adam", "learning_rate": 2e-4, "b1": 0.0, "b2": 0.999}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    # 0.9999 an update of G halves in 6,931 updates, each worth 200 real images.
    config.average = {"ema": {"name": "exponential", "half_life_kimg": 1386.0, "rampup": 0.5}}
    if small:
        config.num_critic, config.regularizers.lecam.start = 2, 100
        for player in ("generator", "discriminator"):
            config.optimizers[player].learning_rate = 1e-3
        config = tiny(config, width=8)
    return config
