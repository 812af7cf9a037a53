"""Six ways of training one small pair of networks on StackedMNIST: `small.py:METHOD`. See README.md."""

from jaxgan.config import default

RESOLUTION, WIDTH, BATCH = 16, 32, 32
PAIRED = {"": {}, "_r1": {"r1": "r1"}, "_r1_r2": {"r1": "r1", "r2": "r2"}}  # R3GAN's loss: its penalties, and without
METHODS = ("dcgan", "wgan_gp", "sngan", *(f"relativistic{name}" for name in PAIRED))


def get_config(arg: str):
    config = default()
    # Without labels: the modes are to be found, not asked for.
    config.data = {"name": "stacked_mnist", "resolution": RESOLUTION, "labels": False}
    config.batch_size, config.total_kimg = BATCH, 640.0
    config.latent = {"name": "normal", "dim": 64}
    config.generator = {"name": "dcgan", "width": WIDTH}
    config.discriminator = {"name": "dcgan", "width": WIDTH, "norm": "none"}
    config.regularizers, config.average = {}, {}
    rate, betas = 2e-4, (0.0, 0.9)
    if arg == "dcgan":
        config.discriminator.norm, betas = "batch", (0.5, 0.999)
    elif arg == "wgan_gp":
        config.loss, config.num_critic = "wasserstein", 5
        config.regularizers = {"gp": {"name": "gradient_penalty", "gamma": 10.0}}
    elif arg == "sngan":
        config.loss, config.discriminator.spectral = "hinge", True
    else:
        config.loss, betas = "relativistic_paired", (0.0, 0.99)
        config.regularizers = {name: {"name": term, "gamma": 1.0}
                               for name, term in PAIRED[arg.removeprefix("relativistic")].items()}
    adam = {"name": "adam", "learning_rate": rate, "b1": betas[0], "b2": betas[1]}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    config.log_every, config.sample_every, config.checkpoint_every = 200, 2000, 2000
    config.evaluate_every, config.metrics, config.health_every = 0, (), 0
    return config
