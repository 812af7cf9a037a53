"""Super-resolution after SRGAN (Ledig et al. 2017), ESRGAN (Wang et al. 2018) and Real-ESRGAN (Wang et al. 2021).

    python -m jaxgan.main --config=configs/super_resolution.py:folder:my/photos --config.data.resolution=128
    python -m jaxgan.main --config=configs/super_resolution.py
    python -m jaxgan.enhance --workdir=outputs/super_resolution-cifar10 --input=small.png --output=large

Small images are made from the data on the fly, by blur, bicubic down-sampling, noise and JPEG, each of random strength;
the generator learns the way back. Twice the size unless --config.degradation.small.factor=4. Of bicubic down-sampling
alone, as SRGAN and ESRGAN have it: --config.degradation="{'small': 'downsample'}".

SRResNet's 16 blocks of 64 channels (ESRGAN: --config.generator.block=rrdb --config.generator.blocks=23) without
BatchNorm, Adam at 1e-4, batches of 16. Departures: the distance of pixels, L1 as in ESRGAN, is weighted as in pix2pix,
and there is none of VGG's features; a discriminator of patches that is given the small image, R1, an average of the
weights. More faithful and less crisp with a larger --config.regularizers.pixel.weight.

On a laptop: `configs/super_resolution.py:tiny`, on digits, or `tiny:DATA`.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "cifar10"):
    data, small = variant(arg)
    config = default()
    config.data = data
    config.batch_size, config.total_kimg = 16, 3200.0
    config.latent.dim = 1  # not read
    config.degradation = {
        "lens": {"name": "blur", "sigma": (0.0, 1.0)},
        "small": {"name": "downsample", "factor": 2},
        "grain": {"name": "noise", "levels": (0.0, 5.0)},
        "file": {"name": "jpeg", "quality": (75, 100)},
    }
    config.generator = {"name": "srgan", "width": 64, "blocks": 16}
    config.discriminator = {"name": "srgan", "width": 64}
    config.regularizers = {"pixel": {"name": "pixel", "weight": 100.0}, "r1": {"name": "r1", "gamma": 0.1, "every": 4}}
    adam = {"name": "adam", "learning_rate": {"name": "cosine", "start": 1e-4, "end": 1e-6}, "b1": 0.0, "b2": 0.99}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    if small:
        config = tiny(config)
        config.generator.blocks = config.discriminator.levels = 2
        for player in ("generator", "discriminator"):
            config.optimizers[player].learning_rate.start = 1e-3
    return config
