"""What a run's discriminator can say after training: how likely an image is real, by its calibrated logit."""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import numpy as np

from jaxgan.latents.sampling import variables_of
from jaxgan.typing import Array, DiscriminatorOutput, PyTree

NEWTON_STEPS = 50


def alone(network: nn.Module) -> Callable[[PyTree, Array, Array | None], DiscriminatorOutput]:
    """(weights, image [B, H, W, C], label [B, ...]) -> what the discriminator says of each image by itself.

    By itself, because one with a minibatch standard deviation sees a batch as a whole: what it said of an image would
    depend on which others came along.
    """
    def one(weights: PyTree, image: Array, label: Array | None) -> DiscriminatorOutput:
        label = None if label is None else label[None]
        output = network.apply(variables_of(weights), image[None], label, train=False)
        return jax.tree.map(lambda leaf: leaf[0], output)
    return jax.vmap(one, in_axes=(None, 0, 0))


class Calibration(NamedTuple):
    """log p(real)/p(fake) = scale · logit + offset, were half of all images real. accuracy: on those it was fitted to,
    one half for a discriminator that has lost track."""

    scale: float
    offset: float
    accuracy: float

    def log_ratio(self, logits: np.ndarray) -> np.ndarray:
        """log p(real)/p(fake) of images with these logits, float64."""
        return self.scale * np.asarray(logits, np.float64) + self.offset


def calibrate(real: np.ndarray, fake: np.ndarray) -> Calibration:
    """Platt's scaling of the logits of real images [N] and fakes [M]; each side has one half of the weight.

    Logistic regression by Newton's method, with targets a little short of 0 and 1 (Platt 1999, section 2.2): logits
    that do not overlap leave it finite.
    """
    logits = np.concatenate([real, fake]).astype(np.float64)
    centre, spread = logits.mean(), max(logits.std(), 1e-12)
    inputs = np.stack([(logits - centre) / spread, np.ones_like(logits)], axis=1)
    targets = np.repeat([(len(real) + 1) / (len(real) + 2), 1 / (len(fake) + 2)], [len(real), len(fake)])
    shares = np.repeat([0.5 / len(real), 0.5 / len(fake)], [len(real), len(fake)])
    found = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        guess = 1 / (1 + np.exp(-inputs @ found))
        slope = inputs.T @ (shares * (guess - targets))
        curvature = (inputs * (shares * guess * (1 - guess))[:, None]).T @ inputs + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        found -= step * 2 / max(2, np.linalg.norm(step))  # far from the solution a whole step may overshoot
        if np.abs(step).max() < 1e-10:
            break
    right = np.where(np.arange(len(logits)) < len(real), inputs @ found > 0, inputs @ found <= 0)
    return Calibration(found[0] / spread, found[1] - found[0] * centre / spread, float(shares @ right))
