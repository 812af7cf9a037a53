"""The SNGAN that `jaxgan.models.resnet` is by default, in PyTorch, with its names of layers.

Shortcuts convolve at the lower resolution, as jaxgan's do.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import spectral_norm  # the older of PyTorch's two: its order of iteration is jaxgan's

from twins.layers import to_maps


class ConditionalNorm(nn.Module):
    """BatchNorm, with a scale and shift for each class where there are classes."""

    def __init__(self, channels: int, num_classes: int):
        super().__init__()
        self.batch = nn.BatchNorm2d(channels, affine=not num_classes)
        self.gain, self.bias = (nn.Embedding(num_classes, channels) if num_classes else None for _ in range(2))

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        x = self.batch(x)
        if self.gain is None:
            return x
        return torch.addcmul(self.bias(label)[:, :, None, None], x, 1 + self.gain(label)[:, :, None, None])


class GeneratorBlock(nn.Module):
    """norm, ReLU, double, convolve, norm, ReLU, convolve, beside 1x1, double."""

    def __init__(self, channels: int, features: int, num_classes: int):
        super().__init__()
        self.norm1, self.norm2 = (ConditionalNorm(width, num_classes) for width in (channels, features))
        self.conv1, self.conv2 = (nn.Conv2d(width, features, 3, 1, 1) for width in (channels, features))
        self.shortcut = nn.Conv2d(channels, features, 1)

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        h = self.conv1(doubled(functional.relu_(self.norm1(x, label))))
        h = self.conv2(functional.relu_(self.norm2(h, label)))
        return h + doubled(self.shortcut(x))


class Generator(nn.Module):
    """z -> dense -> blocks -> norm, ReLU, 3x3 convolution, tanh."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, z_dim: int, channels_last: bool, *,
                 width: int = 64):
        super().__init__()
        self.channels_last = channels_last
        doublings, self.size = halvings(image_shape[:2], 4)
        width *= 4
        self.dense = nn.Linear(z_dim, self.size[0] * self.size[1] * width)
        self.blocks = nn.ModuleDict({f"block{number}": GeneratorBlock(width, width, num_classes)
                                     for number in range(1, doublings + 1)})
        self.norm = ConditionalNorm(width, 0)
        self.output = nn.Conv2d(width, image_shape[2], 3, 1, 1)
        initialize(self)

    def forward(self, z: Tensor, label: Tensor | None) -> Tensor:
        x = to_maps(self.dense(z), self.size, self.channels_last)
        for block in self.blocks.values():
            x = block(x, label)
        return torch.tanh_(self.output(functional.relu_(self.norm(x, None))))


class DiscriminatorBlock(nn.Module):
    """ReLU, convolve, ReLU, convolve, halve, beside halve, 1x1. first: no ReLU in front."""

    def __init__(self, channels: int, features: int, down: bool, first: bool):
        super().__init__()
        self.down, self.first = down, first
        self.conv1, self.conv2 = (nn.Conv2d(width, features, 3, 1, 1) for width in (channels, features))
        self.shortcut = nn.Conv2d(channels, features, 1) if down or channels != features else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(x if self.first else functional.relu(x))
        h = self.conv2(functional.relu_(h))
        if self.down:
            h, x = functional.avg_pool2d(h, 2), functional.avg_pool2d(x, 2)
        return h + (self.shortcut(x) if self.shortcut else x)


class Discriminator(nn.Module):
    """Blocks -> ReLU -> sum over positions -> linear, and by label; all weights spectrally normalised."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, channels_last: bool, *, width: int = 64):
        super().__init__()
        downs, width = max(1, halvings(image_shape[:2], 7)[0]), 2 * width
        channels = [image_shape[2], *[width] * (downs + 1)]
        self.blocks = nn.ModuleDict({
            f"block{number + 1}": DiscriminatorBlock(channels[number], width, number < downs, not number)
            for number in range(downs + 2)})
        self.head = nn.ModuleDict({"linear": nn.Linear(width, 1)})
        if num_classes:
            self.head["embed"] = nn.Embedding(num_classes, width)
        initialize(self)
        for module in list(self.modules()):
            if isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding):
                spectral_norm(module)

    def forward(self, image: Tensor, label: Tensor | None) -> Tensor:
        x = image
        for block in self.blocks.values():
            x = block(x)
        features = functional.relu_(x).sum((2, 3))
        logit = self.head["linear"](features)[:, 0]
        return logit + (self.head["embed"](label) * features).sum(1) if "embed" in self.head else logit


def halvings(size: tuple[int, int], least: int) -> tuple[int, tuple[int, int]]:
    """How often both sides can be halved exactly without falling below `least`, and what is left of them then."""
    count, (height, breadth) = 0, size
    while height % 2 == breadth % 2 == 0 and min(height, breadth) >= 2 * least:
        count, height, breadth = count + 1, height // 2, breadth // 2
    return count, (height, breadth)


def doubled(x: Tensor) -> Tensor:
    """Every pixel repeated in 2x2."""
    return functional.interpolate(x, scale_factor=2, mode="nearest")


def initialize(network: nn.Module) -> None:
    """Orthogonal weights, biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding):
            nn.init.orthogonal_(module.weight)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)
