"""ACGAN (Odena et al. 2017): the discriminator also names the class, and both players want it named right.

    python -m jaxgan.main --config=configs/acgan.py

The paper's CIFAR-10 recipe (appendix A, table 2): a DCGAN generator of 384, 192 and 96 channels whose input of 110 is
100 of noise and 10 for the class, BatchNorm, D learning the labels of fakes as well as of real images, Adam at 2e-4
(of 1e-4, 2e-4 and 3e-4) with β = (0.5, 0.999), 50,000 updates of batches of 100, no average. Differences: kernels of
4×4 where the paper's G has 5×5, a learned embedding of the class in place of one-hot, and as D the mirror of G, where
the paper's has six convolutions of 16 to 512 channels with dropout 0.5. Published: Inception Score 8.25 ± 0.07 by the
paper; FID 33.39 of a modified one (ResNets, hinge loss, fakes' labels not learned) by PyTorch-StudioGAN.

On a laptop: `configs/acgan.py:tiny`, on digits, or `tiny:DATA`.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 8.4, precision 0.54, recall 0.19.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "cifar10"):
    data, small = variant(arg)
    config = default()
    config.data = data
    config.batch_size = 100
    config.total_kimg = 5_000.0
    config.latent.dim = 100
    config.generator = {"name": "dcgan", "width": 96, "embed_dim": 10}
    config.discriminator = {"name": "dcgan", "width": 96}
    config.loss = "non_saturating"
    config.conditioning = {"classifier": {"name": "auxiliary_classifier", "train_on_fake": True}}
    adam = {"name": "adam", "learning_rate": 2e-4, "b1": 0.5, "b2": 0.999}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    config.average = {}
    if small:
        # With BatchNorm in D, or where the label weighs more than this, G makes one image a class.
        config.discriminator.norm = "none"
        config.generator.embed_dim, config.conditioning.classifier.generator_weight = 4, 0.1
        config.optimizers.generator.learning_rate, config.optimizers.discriminator.learning_rate = 1e-3, 5e-4
        config = tiny(config, width=32)
    return config
