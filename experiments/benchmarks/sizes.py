"""The recipes at sizes that people train, cut to what two processor cores do in a few seconds a step: digits at 32×32
in colour stand in for the data, and a step has one turn of the discriminator.

    python experiments/benchmarks/training.py --configs experiments/benchmarks/sizes.py:sngan

| argument | generator, discriminator | batch |
|---|---|---|
| dcgan | the network of the DCGAN paper (Radford et al. 2016), BatchNorm in both | 64 |
| dcgan_r1 | the same with R1 at every step, and no norm in the discriminator | 64 |
| dragan | DCGAN with DRAGAN's penalty around the data | 64 |
| sngan | SNGAN's ResNets, 128 channels in both | 64 |
| sagan | SNGAN's, spectral normalization in both, attention at 16×16 | 64 |
| wgan_gp | WGAN-GP's ResNets, 128 channels in both | 64 |
| r3gan | R3GAN with R1 and R2, 192 channels where its CIFAR-10 networks have 768 | 16 |
| stylegan2 | StyleGAN2, 128 channels at every size, R1 and path length every 4 steps | 32 |
"""

from pathlib import Path

from jaxgan import config as configs

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
BASES = {"dcgan_r1": "dcgan.py:digits", "stylegan2": "stylegan2.py:paper256:digits"}  # where it is not NAME.py:digits
PLAYERS = ("generator", "discriminator")
UNLABELLED = ("dcgan", "dcgan_r1", "dragan", "wgan_gp", "stylegan2")


def get_config(arg: str = "dcgan"):
    config = configs.load(f"{CONFIGS}/{BASES.get(arg, f'{arg}.py:digits')}")
    config.data = {"name": "digits", "resolution": 32, "channels": 3, "labels": arg not in UNLABELLED}
    config.num_critic, config.steps_per_call = 1, 2
    config.conditioning, config.augmentation = {}, {}
    if arg in ("sngan", "sagan", "wgan_gp"):
        config.generator.width, config.discriminator.width = 32, 64  # a quarter and half of the channels
    else:
        config.batch_size = {"r3gan": 16, "stylegan2": 32}.get(arg, 64)
        for player in PLAYERS:
            config[player].update({"r3gan": {"width": 192, "dtype": "float32"},
                                   "stylegan2": {"width": 128, "max_width": 128}}.get(arg, {"width": 64}))
    if arg == "dcgan":
        config.regularizers, config.discriminator.norm = {}, "batch"
    if arg == "stylegan2":
        for term in config.regularizers.values():
            term.every = 4
    return config
