"""CycleGAN (Zhu et al. 2017, "Unpaired image-to-image translation using cycle-consistent adversarial networks").

    python -m jaxgan.main --config=configs/cyclegan.py:folder:my/animals
    python -m jaxgan.enhance --workdir=outputs/cyclegan-folder-my-animals --direction=AtoB --input=my/horses \
        --output=zebras

A folder with a subfolder of each kind of images, any number of each; or any other data with classes. Where there are
more than two, as in the authors' sets, --config.data.classes="('trainA', 'trainB')" names A and B.

ResNets of 9 blocks, a discriminator of patches of 70×70 pixels for each kind, least squares, cycle consistency at a
weight of 10 and the identity at half of that (both half as large here, as our least squares are), Adam at 2e-4 with
β = (0.5, 0.999), batches of one, kernels from N(0, 0.02²); 200 epochs of the 1,334 zebras at 256×256, mirrored, at a
rate that falls to 0 over the second half. Departures: the discriminators see the newest images alone, not a history of
50; images are not cut at random from larger ones; an average of the weights.

On a laptop: `configs/cyclegan.py:tiny`, on threes and eights among the digits, or `tiny:DATA`.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "folder:horse2zebra"):
    data, small = variant(arg)
    if data["name"] == "folder" and not small:
        data |= {"resolution": 256, "mirror": True}
    config = default()
    config.data = {"name": "unpaired", "of": data}
    if data["name"] == "digits":
        config.data.classes = ("3", "8")
    config.batch_size, config.total_kimg = 1, 267.0
    config.latent.dim = 1  # not read
    config.generator = {"name": "cyclegan", "width": 64, "blocks": 9}
    config.discriminator = {"name": "cyclegan", "width": 64}
    config.loss = "least_squares"
    config.regularizers = {"cycle": {"name": "cycle", "weight": 5.0}, "identity": {"name": "identity", "weight": 2.5}}
    config.average = {"ema": {"name": "exponential", "half_life_kimg": 1.0, "rampup": 0.05}}
    if small:
        config = tiny(config, 8)
        config.generator.blocks = 2
    falling = {"name": "linear", "start": 2e-4, "end": 0.0, "hold_kimg": config.total_kimg / 2}
    adam = {"name": "adam", "learning_rate": falling, "b1": 0.5, "b2": 0.999}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    return config
