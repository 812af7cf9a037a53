"""DCGAN for small images of any kind, after Radford et al. 2016, with what has been learned since.

    python -m jaxgan.main --config=configs/dcgan.py

The paper's networks, made conditional where the data have labels. Departures: no BatchNorm in the discriminator but an
R1 penalty (Mescheder et al. 2018), Adam with β₁ = 0, β₂ = 0.99 and a learning rate that falls, and samples from an
average of the generator's weights (Karras et al. 2018). With these, a few thousand steps on 1,797 digits are enough.
The paper's own form is

    --config.regularizers={} --config.discriminator.norm=batch --config.optimizers.generator=adam
    --config.optimizers.discriminator=adam --config.generator.width=64 --config.discriminator.width=64

Data by argument: `configs/dcgan.py:mnist`, `:cifar10`, `:folder:PATH`, `:npz:PATH`, `:tfds:NAME`; without one, the
handwritten digits of scikit-learn at 28×28. Made for a laptop: `experiments/first_run` has the time on two CPU cores
and what a classifier says of the samples. On an accelerator, or for colour and larger images, train wider and longer:
--config.generator.width=64 --config.discriminator.width=64 --config.total_kimg=5000.

`configs/dcgan.py:tiny`, or `tiny:DATA`, is smaller still: 16×16, to compare with the tiny variants of other recipes.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 1.9, precision 0.61, recall 0.77.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "digits"):
    data, small = variant(arg)
    config = default()
    config.data = data
    config.total_kimg, config.batch_size = 112.0, 32
    config.latent = {"name": "normal", "dim": 64}
    config.generator = {"name": "dcgan", "width": 32, "embed_dim": 8}  # 32 drown z on MNIST: an image a class
    config.discriminator = {"name": "dcgan", "width": 32, "norm": "none", "embed_dim": 8}
    config.regularizers = {"r1": {"name": "r1", "gamma": 0.3}}
    rate = {"name": "cosine", "start": 1e-3, "end": 1e-4}  # over the whole run, however long it is made
    adam = {"name": "adam", "learning_rate": rate, "b1": 0.0, "b2": 0.99}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    config.average.ema = {"name": "exponential", "half_life_kimg": 20.0, "rampup": 0.1}
    config.log_every = 100
    config.sample_every = 200
    config.checkpoint_every = 500
    config.evaluate_every = 1750
    config.metrics = ("fd_pixels",)
    if small:
        config.regularizers.r1.gamma = 1.0  # fewer pixels, a larger penalty; 0.3 lets every class collapse here
        for adam in config.optimizers.values():
            adam.learning_rate.update(start=3e-3, end=3e-4)  # right for short runs: experiments/stabilisers
        config = tiny(config, width=32)
    return config
