"""pix2pix (Isola et al. 2017, "Image-to-image translation with conditional adversarial networks"): images from images.

    python -m jaxgan.main --config=configs/pix2pix.py:pairs:my/facades
    python -m jaxgan.main --config=configs/pix2pix.py:folder:my/photos
    python -m jaxgan.enhance --workdir=outputs/pix2pix-pairs-my-facades --input=my/plans --output=translated

`pairs:PATH` is a folder of pairs: subfolders `given` and `wanted`, or `A` and `B`, with files of one name, or one file
for both, side by side as the authors' sets have them (--config.data.reverse=true: the left is to be made from the
right). Of any other images the lines are drawn, and the images made from those; grey ones coloured instead:
--config.degradation="{'grey': 'grey'}".

A U-Net of eight levels, a discriminator of patches of 70×70 pixels that sees both images, L1 at a weight of 100, the
logistic loss, Adam at 2e-4 with β = (0.5, 0.999), batches of one, kernels from N(0, 0.02²), dropout; 200 epochs of the
400 façades at 256×256, mirrored, at a rate that falls to 0 over the second half. Departures: dropout in training alone;
images are not cut at random from larger ones; an average of the weights.

On a laptop: `configs/pix2pix.py:tiny`, on the edges of digits, or `tiny:DATA`.
"""

from jaxgan.config import default, tiny, variant


def get_config(arg: str = "pairs:facades"):
    data, small = variant(arg)
    config = default()
    config.data = data
    if data["name"] != "pairs":
        config.degradation = {"lines": "edges"}
    if data["name"] in ("pairs", "folder") and not small:
        config.data.update(resolution=256, mirror=True)
    config.batch_size, config.total_kimg = 1, 80.0
    config.latent.dim = 1  # not read
    config.generator = {"name": "pix2pix", "width": 64}
    config.discriminator = {"name": "pix2pix", "width": 64}
    config.regularizers = {"pixel": {"name": "pixel", "weight": 100.0}}
    config.average = {"ema": {"name": "exponential", "half_life_kimg": 1.0, "rampup": 0.05}}
    if small:
        config = tiny(config)
    falling = {"name": "linear", "start": 2e-4, "end": 0.0, "hold_kimg": config.total_kimg / 2}
    adam = {"name": "adam", "learning_rate": falling, "b1": 0.5, "b2": 0.999}
    config.optimizers = {"generator": dict(adam), "discriminator": dict(adam)}
    return config
