"""A differentially private GAN, after "Private GANs, Revisited" (Bie, Kamath, Zhang 2022; TMLR 2023).

    python -m jaxgan.main --config=configs/dp_gan.py:mnist --config.seed=SECRET

DP-SGD on the discriminator, and many of its steps to one of the generator. The paper's numbers for MNIST at epsilon 10:
delta 1e-5, clipping norm 1, noise 1, expected batches of 128 Poisson-sampled examples, 450,000 steps of the
discriminator, 50 to one of the generator, Adam at 2e-4 with β₁ = 0.5, β₂ = 0.999, a conditional DCGAN without
normalization, latents of 128. The authors' code lists FID 19.4 and 93.0 % downstream accuracy for this, 13.3 and 94.4 %
where the number of steps adapts to how often the discriminator is right; the paper's best are 13.0 and 95.0 %. Not
trained here.

Departures: the networks are this library's DCGAN, the generator without BatchNorm as in the paper; the number of steps
does not adapt, since here a step is the same program every time; a real image and the fake beside it are one example,
clipped together; samples come from an average of the weights, which costs no privacy.

config.privacy has noise or epsilon, or both: with `noise=None` the least noise is found with which the run, at its
length, stays within epsilon; with both it ends where the budget is spent. `jaxgan.privacy.statement` says what the
numbers cover. The seed gives the noise away to whoever knows it: choose your own, and keep it and the checkpoints to
yourself. Any data, by argument, as in configs/dcgan.py; small sets need a larger epsilon or give noise.

`configs/dp_gan.py:tiny`, or `tiny:DATA`, is small, for a laptop: 16×16, five steps to one of the generator, the noise
found for epsilon 10 on 64,000 images. With 1,797 digits that is little signal.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 55.6, precision 0.90, recall 0.00.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "mnist"):
    data, small = variant(arg)
    config = default()
    config.data = data
    config.batch_size, config.num_critic = 128, 50
    config.total_kimg = 450_000 * 128 / 1000
    config.privacy = {"name": "dp_sgd", "clip": 1.0, "noise": 1.0, "epsilon": 10.0, "delta": 1e-5}
    config.latent = {"name": "normal", "dim": 128}
    config.generator = {"name": "dcgan", "width": 128, "norm": "none"}
    config.discriminator = {"name": "dcgan", "width": 128, "norm": "none"}
    adam = {"name": "adam", "learning_rate": 2e-4, "b1": 0.5, "b2": 0.999}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    config.steps_per_call = 1  # of 51 updates
    config.log_every, config.sample_every, config.checkpoint_every, config.health_every = 20, 200, 200, 200
    if small:
        config.num_critic = 5
        config = tiny(config)
        config.privacy.noise = None
        for optimizer in config.optimizers.values():
            optimizer.learning_rate = 1e-3
    config.evaluate_every = config.max_rollbacks = 0
    return config
