"""WGAN-GP (Gulrajani et al. 2017): a critic asked for a gradient of norm 1 between real and generated images.

    python -m jaxgan.main --config=configs/wgan_gp.py

The authors' ResNets for CIFAR-10: 128 channels in both, BatchNorm in G, no normalization in the critic, He
initialization; λ = 10, five updates of the critic to one of G on batches of 64, Adam with β = (0, 0.9) at 2e-4 falling
linearly to 0 over 100,000 updates of G. Labels come in as there: class-conditional BatchNorm in G, and an auxiliary
classifier beside the critic, weighted 1 for the critic and 0.1 for G. Without labels, --config.conditioning={}.
Differences: G's batches have 64 images too, where theirs have 128; the critic's features are summed over positions
where theirs are averaged. Published: Inception Score 7.86 without labels, 8.42 with; FID 29.3 without labels (Heusel
et al. 2017), 22.3 with 256 channels in G (mimicry, 50,000 samples against 50,000).

On a laptop: `configs/wgan_gp.py:tiny`, on digits, or `tiny:DATA`.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 11.1, precision 0.42, recall 0.61.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "cifar10"):
    data, small = variant(arg)
    config = default()
    config.data = data
    config.batch_size, config.num_critic = 64, 5
    config.total_kimg = 32_000.0
    config.latent.dim = 128
    config.generator = {"name": "resnet", "width": 32, "initializer": "he"}
    config.discriminator = {"name": "resnet", "width": 64, "spectral": False, "initializer": "he"}
    config.loss = "wasserstein"
    config.regularizers = {"gp": {"name": "gradient_penalty", "gamma": 10.0}}
    config.conditioning = {"ac": {"name": "auxiliary_classifier", "weight": 1.0, "generator_weight": 0.1}}
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
