"""For 100 to 2,000 images: light networks, DiffAugment (Zhao et al. 2020) and LeCam (Tseng et al. 2021).

    python -m jaxgan.main --config=configs/few_shot.py:folder:my/photos

The networks, R1 and Adam are those of configs/dcgan.py: small, because what is learned by heart is learned by a
discriminator with room for it. Everything it sees, real or made, is changed by colour, shift and cutout, and LeCam
holds its logits near what the other kind of image has been getting. Images of a folder are brought to 64×64, larger
ones by --config.data.resolution=128; others keep their size. Neither the networks nor the numbers of the two papers,
which are for BigGAN and StyleGAN2; nor FastGAN (Liu et al. 2021), which was made for few images and is not here.

Weights of another run are the other way to need fewer images; FreezeD (Mo et al. 2020) keeps the discriminator's first
layers as they were:

    --config.init_from=outputs/few_shot-others --config.optimizers.discriminator.freeze=down1

ADA, which finds out by itself how often to augment, in the place of DiffAugment:

    --config.augmentation="{'ada': {'name': 'ada', 'adjust_kimg': 100.0}}"

`experiments/few_shot` compares them on 388 X-rays, and finds small networks with R1 enough for a short training there:
--config.augmentation={} leaves augmentation out. Choose the checkpoint by looking: scores against training images
reward copies, so the run's own, of pixels, says when it collapses and not when it is best.

On a laptop: `configs/few_shot.py:tiny`, on digits, or `tiny:DATA`.

`experiments/zoo` trained the tiny variant on 25,600 images of MNIST: FD 15.7, precision 0.37, recall 0.10.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "folder:images"):
    data, small = variant(arg)
    config = default()
    config.data = {"resolution": 64} | data if data["name"] == "folder" else data
    config.total_kimg, config.batch_size = 400.0, 32
    config.latent = {"name": "normal", "dim": 64}
    config.generator = {"name": "dcgan", "width": 32, "embed_dim": 8}  # as in configs/dcgan.py
    config.discriminator = {"name": "dcgan", "width": 32, "norm": "none", "embed_dim": 8}
    config.augmentation = {"diffaugment": "diffaugment"}
    config.regularizers = {"r1": {"name": "r1", "gamma": 0.3},
                           "lecam": {"name": "lecam", "weight": 0.3, "start": 1000}}
    rate = {"name": "cosine", "start": 1e-3, "end": 1e-4}
    adam = {"name": "adam", "learning_rate": rate, "b1": 0.0, "b2": 0.99}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    config.average.ema = {"name": "exponential", "half_life_kimg": 20.0, "rampup": 0.1}
    config.sample_every, config.checkpoint_every, config.evaluate_every = 500, 1000, 1000
    config.metrics = ("fd_pixels",)
    if small:
        config.regularizers.r1.gamma, config.regularizers.lecam.start = 1.0, 200
        config = tiny(config, width=32)
    return config
