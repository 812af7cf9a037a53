"""SSGAN (Chen et al. 2019): without labels, D learns by how much an image was rotated, and forgets less for it.

    python -m jaxgan.main --config=configs/ssgan.py

The paper's method on SNGAN's CIFAR-10 ResNets (256 channels in G, 128 in D, spectrally normalised): the rotation loss
at weight 1 for D on real images and 0.2 for G on fakes. The rest is what Mimicry (Lee & Town 2020) trained with: hinge
loss, z of 128, five updates of D to one of G on batches of 64, Adam with a rate that falls linearly from 2e-4 to 0 and
β = (0, 0.9), 100,000 updates of G, no average. Difference: every image is rotated once, where they rotate a quarter of
the batch all four ways. Published: FID 14.65 by Mimicry (50,000 samples against the training set), which has 16.77 for
SNGAN without labels.

On a laptop: `configs/ssgan.py:tiny`, on digits, or `tiny:DATA`; with DCGAN's networks, D's spectrally normalised, which
without labels learn digits in a third of the ResNets' time.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 8.6, precision 0.57, recall 0.74.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "cifar10"):
    data, small = variant(arg)
    config = default()
    config.data = data | {"labels": False}
    config.batch_size, config.num_critic = 64, 5
    config.total_kimg = 32_000.0
    config.latent.dim = 128
    config.generator = {"name": "resnet", "width": 64}
    config.discriminator = {"name": "resnet", "width": 64}
    config.loss = "hinge"
    config.conditioning = {"rotation": {"name": "rotation", "weight": 1.0, "generator_weight": 0.2, "spectral": True}}
    rate = {"name": "linear", "start": 2e-4, "end": 0.0}
    adam = {"name": "adam", "learning_rate": rate, "b1": 0.0, "b2": 0.9}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    config.average = {}
    if small:
        config.num_critic = 1
        config.generator, config.discriminator = {"name": "dcgan"}, {"name": "dcgan", "norm": "none", "spectral": True}
        for player in ("generator", "discriminator"):
            config.optimizers[player].learning_rate.start = 1e-3
        config = tiny(config, width=32)
    return config
