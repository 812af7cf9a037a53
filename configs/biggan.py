"""BigGAN (Brock et al. 2019): one embedding of the label for all layers, chunks of z to every block, attention.

    python -m jaxgan.main --config=configs/biggan.py

The CIFAR-10 recipe, which the paper leaves open, is PyTorch-StudioGAN's: 96 as the base width, z of 80 in four chunks
of 20, a shared embedding of 128, attention at 16×16, spectral normalization in both networks, the hinge loss, five
updates of D to one of G on batches of 64, mirrored images, Adam at 2e-4 with β = (0.5, 0.999), 100,000 updates of G,
samples from an average of decay 0.9999 an update. Differences: the average has a ramp where theirs starts after 1,000
updates, and D has no in-place ReLU on its shortcuts (see models/biggan.py). Published: FID 4.16 by StudioGAN (50,000
samples against the training set), 8.03 of the same weights with 10,000 against the test set; 14.73 by the paper.

`configs/biggan.py:imagenet` is the paper's ImageNet at 128×128 (appendix C; read as tfds:imagenet2012): z of 120,
batches of 2,048, two updates of D to one of G, 5e-5 for G and 2e-4 for D with β = (0, 0.999), the orthogonal
regularizer at 1e-4, and 165,000 updates, after which the paper's training collapses. Published: FID 8.7 ± 0.6,
Inception Score 98.8 ± 3. It needs dozens of accelerators (the paper has 128 to 512 TPU cores).

On a laptop: `configs/biggan.py:tiny`, on digits, or `tiny:DATA`.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 5.5, precision 0.63, recall 0.40.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "cifar10"):
    if arg == "imagenet":
        return imagenet()
    data, small = variant(arg)
    config = default()
    config.data = data if small else data | {"mirror": True}
    config.batch_size, config.num_critic = 64, 5
    config.total_kimg = 32_000.0
    config.latent.dim = 80
    config.generator = {"name": "biggan", "width": 96, "embed_dim": 128}
    config.discriminator = {"name": "biggan", "width": 96}
    config.loss = "hinge"
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


def imagenet():
    config = get_config("tfds:imagenet2012")
    config.data.resolution, config.data.mirror = 128, False
    config.batch_size, config.num_critic = 2048, 2
    config.total_kimg = 675_840.0
    config.latent.dim = 120
    config.regularizers = {"orthogonal": {"name": "orthogonal", "weight": 1e-4}}
    for player, rate in (("generator", 5e-5), ("discriminator", 2e-4)):
        config.optimizers[player] = {"name": "adam", "learning_rate": rate, "b1": 0.0, "b2": 0.999}
    config.average.ema.half_life_kimg = 28_390.0  # 6,931 updates of 4,096
    return config
