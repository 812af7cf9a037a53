"""BigGAN-deep (Brock et al. 2019, appendix B): bottleneck blocks, twice as many, all of z and the label in each.

    python -m jaxgan.main --config=configs/biggan_deep.py

The CIFAR-10 recipe, which the paper leaves open, is PyTorch-StudioGAN's: 128 as the base width, 512 channels in all
blocks, two blocks a resolution, z of 128, a shared embedding of 128, attention at 16×16, and for the rest that of
configs/biggan.py: hinge loss, five updates of D to one of G on batches of 64, mirrored images, Adam at 2e-4 with
β = (0.5, 0.999), 100,000 updates of G, an average of decay 0.9999 an update, here with a ramp instead of a start after
1,000. StudioGAN's tables give no score for it.

`configs/biggan_deep.py:imagenet` is the paper's ImageNet at 128×128 (appendix C; read as tfds:imagenet2012): batches
of 2,048, two updates of D to one of G, 5e-5 for G and 2e-4 for D with β = (0, 0.999), the orthogonal regularizer at
1e-4. Its length is StudioGAN's 200,000 updates. Published: FID 5.7 ± 0.3, Inception Score 124.5 ± 2 by the paper,
which StudioGAN reports it could not reproduce.

On a laptop: `configs/biggan_deep.py:tiny`, on digits, or `tiny:DATA`; one block a resolution, for two take minutes to
compile on a CPU.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 32.6, precision 0.44, recall 0.04.
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
    config.latent.dim = 128
    config.generator = {"name": "biggan_deep", "width": 128, "depth": 2, "embed_dim": 128}
    config.discriminator = {"name": "biggan_deep", "width": 128, "depth": 2}
    if arg == "cifar10":
        config.discriminator.multipliers = (4, 4, 4, 4)  # as wide as G
    config.loss = "hinge"
    adam = {"name": "adam", "learning_rate": 2e-4, "b1": 0.5, "b2": 0.999}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    # 0.9999 an update of G halves in 6,931 updates, each worth 320 real images.
    config.average = {"ema": {"name": "exponential", "half_life_kimg": 2218.0, "rampup": 0.5}}
    if small:
        config.num_critic = 2
        config.generator.depth = config.discriminator.depth = 1
        for player in ("generator", "discriminator"):
            config.optimizers[player].learning_rate = 1e-3
        config = tiny(config, width=16)
    return config


def imagenet():
    config = get_config("tfds:imagenet2012")
    config.data.resolution, config.data.mirror = 128, False
    config.batch_size, config.num_critic = 2048, 2
    config.total_kimg = 819_200.0
    config.regularizers = {"orthogonal": {"name": "orthogonal", "weight": 1e-4}}
    for player, rate in (("generator", 5e-5), ("discriminator", 2e-4)):
        config.optimizers[player] = {"name": "adam", "learning_rate": rate, "b1": 0.0, "b2": 0.999}
    config.average.ema.half_life_kimg = 28_390.0  # 6,931 updates of 4,096
    return config
