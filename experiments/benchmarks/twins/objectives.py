"""Losses, penalties and schedules of the twins, as jaxgan has them under the same names."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

# name -> (discriminator's (real logit, fake logit), generator's (fake logit, real logit or None), whether the generator
# compares its fakes with real images)
LOSSES: dict[str, tuple[Callable, Callable, bool]] = {
    "non_saturating": (lambda real, fake: softplus(-real) + softplus(fake), lambda fake, real: softplus(-fake), False),
    "wasserstein": (lambda real, fake: fake - real, lambda fake, real: -fake, False),
    "hinge": (lambda real, fake: relu(1 - real) + relu(1 + fake), lambda fake, real: -fake, False),
    "relativistic_paired": (lambda real, fake: softplus(fake - real), lambda fake, real: softplus(real - fake), True),
}


def gradient_penalty(logit: Tensor, image: Tensor) -> Tensor:
    """Half the mean squared norm of the gradient of each logit by its own image: R1, or R2 on fakes."""
    gradient, = torch.autograd.grad(logit.sum(), image, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean() / 2


def slope_penalty(logit: Tensor, image: Tensor) -> Tensor:
    """How far the gradient of each logit by its own image is from norm 1: WGAN-GP's penalty, and DRAGAN's."""
    gradient, = torch.autograd.grad(logit.sum(), image, create_graph=True)
    return (gradient.square().sum((1, 2, 3)).sqrt() - 1).square().mean()


def between(real: Tensor, fake: Tensor, draw: Callable[..., Tensor], spread: float) -> Tensor:
    """WGAN-GP's images, on the way from a fake to a real one."""
    return torch.lerp(fake, real, draw(len(real), 1, 1, 1))


def around(real: Tensor, fake: Tensor, draw: Callable[..., Tensor], spread: float) -> Tensor:
    """DRAGAN's images, real ones with noise."""
    return real + draw(len(real), 1, 1, 1) * spread * real.std() * draw(*real.shape)


def path_lengths(generator: nn.Module, w: Tensor, noise: Callable[[torch.Size], Tensor]) -> Tensor:
    """||J^T y|| for y ~ N(0, I / (H W)), [B]; squared norms are averaged over the rows of w."""
    image = generator.synthesis(w)
    y = noise(image.shape) / math.sqrt(image.shape[2] * image.shape[3])
    gradient, = torch.autograd.grad((image * y).sum(), w, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()


def schedule(value: float | Mapping[str, Any], total_kimg: float) -> Callable[[float], float]:
    """A number, or the spec of a linear or cosine schedule -> images seen -> value."""
    if not hasattr(value, "keys"):
        return lambda images: value
    start, end = value["start"], value["end"]
    images_long = 1000 * value.get("kimg", total_kimg)

    def at(images: float) -> float:
        progress = min(images / images_long, 1.0)
        if value["name"] == "cosine":
            progress = 0.5 - 0.5 * math.cos(math.pi * progress)
        return start + (end - start) * progress
    return at
