"""An MLP GAN on a mixture of Gaussians in the plane: the ring of 8, or the grid of 25 as `configs/ring.py:grid`.

    python -m jaxgan.main --config=configs/ring.py

The classic picture of mode collapse (Metz et al. 2017; Srivastava et al. 2017), in seconds on a CPU. `samples/` holds
scatter plots: real points in grey, generated ones on top. `metrics.jsonl` counts the modes found, the share of samples
within three standard deviations of one, and the reverse KL divergence over modes. Made for a laptop: half a minute
on two CPU cores.
"""

from jaxgan.catalogue import suggest
from jaxgan.config import default
from jaxgan.errors import InputError

LAYOUTS = ("ring", "grid")


def get_config(arg: str = "ring"):
    if arg not in LAYOUTS:
        raise InputError(f"configs/ring.py has no data called {arg!r}. {suggest(arg, LAYOUTS)}")
    config = default()
    config.data = {"name": "toy", "layout": arg}
    config.total_kimg = 1024.0
    config.batch_size = 256
    config.latent = {"name": "normal", "dim": 8}
    config.generator = {"name": "mlp", "width": 128, "depth": 3, "output": "linear"}
    config.discriminator = {"name": "mlp", "width": 128, "depth": 3}
    config.regularizers = {"r1": {"name": "r1", "gamma": 0.1}}
    config.optimizers.generator = {"name": "adam", "learning_rate": 1e-3, "b1": 0.0, "b2": 0.99}
    config.optimizers.discriminator = {"name": "adam", "learning_rate": 1e-3, "b1": 0.0, "b2": 0.99}
    config.average.ema.half_life_kimg = 20.0
    config.steps_per_call = 50
    config.log_every = 50
    config.sample_every = 250
    config.checkpoint_every = 1000
    config.evaluate_every = 250
    config.metrics = ("modes",)
    return config
