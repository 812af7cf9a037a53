"""SAGAN (Zhang et al. 2019): SNGAN with self-attention, spectral normalization in G as well, and two rates.

    python -m jaxgan.main --config=configs/sagan.py

The paper's training: the hinge loss, class-conditional BatchNorm and projection, Adam with β = (0, 0.9), 1e-4 for G and
4e-4 for D, one update of D to one of G. The paper trains on ImageNet at 128×128; the networks for CIFAR-10 are
PyTorch-StudioGAN's, SNGAN's with attention at 16×16 in both, and so are the batches of 64 and the 32 million real
images, which StudioGAN shows in five updates of D to one of G. Published: FID 18.65 on ImageNet by the paper; 10.35 on
CIFAR-10 by StudioGAN (50,000 samples against the training set; 2e-4 and β = (0.5, 0.999) for both).
At other sizes attention follows the largest map below the image's, up to 64×64; the paper finds 32×32 best at 128:
--config.generator.attention=32 --config.discriminator.attention=32.

On a laptop: `configs/sagan.py:tiny`, on digits, or `tiny:DATA`.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 7.8, precision 0.49, recall 0.67.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "cifar10"):
    data, small = variant(arg)
    config = default()
    config.data = data
    config.batch_size = 64
    config.total_kimg = 32_000.0
    config.latent.dim = 128
    config.generator = {"name": "resnet", "width": 64, "spectral": True, "attention": None}
    config.discriminator = {"name": "resnet", "width": 64, "attention": None}
    config.loss = "hinge"
    adam = {"name": "adam", "b1": 0.0, "b2": 0.9}
    config.optimizers = {"generator": adam | {"learning_rate": 1e-4}, "discriminator": adam | {"learning_rate": 4e-4}}
    config.average = {}
    if small:
        config.optimizers.generator.learning_rate = 3e-4
        config.optimizers.discriminator.learning_rate = 1.2e-3
        config = tiny(config, width=8)
    return config
