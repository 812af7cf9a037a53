"""CR-GAN (Zhang et al. 2020): BigGAN with a discriminator that should not care about a flip or a small shift.

    python -m jaxgan.main --config=configs/cr_gan.py

The paper's consistency term: weight 10, a flip with probability one half and a shift of up to 4 of 32 pixels, real
images only. The rest is PyTorch-StudioGAN's BigGAN for CIFAR-10, as in configs/biggan.py, on mirrored images. Published
with labels: FID 11.48 by the paper with its own BigGAN, 3.16 by StudioGAN (50,000 samples against the training set);
the paper's 14.56 is a ResNet without labels. For digits or text, where a flip changes what is seen:
--config.data.mirror=false --config.regularizers.cr.flip=false.

On a laptop: `configs/cr_gan.py:tiny`, on digits, or `tiny:DATA`.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 8.6, precision 0.40, recall 0.78.
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
    config.regularizers = {"cr": {"name": "cr", "weight": 10.0, "flip": True, "shift": 0.125}}
    adam = {"name": "adam", "learning_rate": 2e-4, "b1": 0.5, "b2": 0.999}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    # 0.9999 an update of G halves in 6,931 updates, each worth 320 real images.
    config.average = {"ema": {"name": "exponential", "half_life_kimg": 2218.0, "rampup": 0.5}}
    if small:
        config.num_critic, config.regularizers.cr.flip = 2, False
        config.generator, config.discriminator = {"name": "resnet"}, {"name": "resnet"}  # BigGAN is slower
        for player in ("generator", "discriminator"):
            config.optimizers[player].learning_rate = 1e-3
        config = tiny(config, width=8)
    return config
