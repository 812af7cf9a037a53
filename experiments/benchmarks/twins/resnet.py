"""`jaxgan.models.resnet` in PyTorch, as SNGAN, SAGAN and WGAN-GP have it, with its names of layers.

Shortcuts convolve at the lower resolution, as jaxgan's do.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import spectral_norm  # the older of PyTorch's two: its order of iteration is jaxgan's

from .layers import to_maps


class ConditionalNorm(nn.Module):
    """BatchNorm, with a scale and shift for each class where there are classes."""

    def __init__(self, channels: int, num_classes: int):
        super().__init__()
        self.batch = nn.BatchNorm2d(channels, affine=not num_classes)
        self.gain, self.bias = (nn.Linear(num_classes, channels, bias=False) if num_classes else None
                                for _ in range(2))

    def forward(self, x: Tensor, onehot: Tensor | None) -> Tensor:
        x = self.batch(x)
        if self.gain is None:
            return x
        return torch.addcmul(self.bias(onehot)[:, :, None, None], x, 1 + self.gain(onehot)[:, :, None, None])


class SelfAttention(nn.Module):
    """x + gain * attention(x), keys and values pooled; the softmax by PyTorch's fused kernel, without a scale."""

    def __init__(self, channels: int):
        super().__init__()
        widths = {"query": channels // 8, "key": channels // 8, "value": channels // 2}
        for name, width in widths.items():
            self.add_module(name, nn.Conv2d(channels, max(1, width), 1, bias=False))
        self.output = nn.Conv2d(max(1, channels // 2), channels, 1, bias=False)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), *(functional.max_pool2d(part(x), 2) for part in (self.key, self.value))
        query, key, value = (part.flatten(2).transpose(1, 2)[:, None] for part in (query, key, value))
        attended = functional.scaled_dot_product_attention(query, key, value, scale=1.0)[:, 0]
        attended = attended.transpose(1, 2).unflatten(2, x.shape[2:])
        return torch.addcmul(x, self.gain, self.output(attended))


class GeneratorBlock(nn.Module):
    """norm, ReLU, double, convolve, norm, ReLU, convolve, beside 1x1, double."""

    def __init__(self, channels: int, features: int, num_classes: int):
        super().__init__()
        self.norm1, self.norm2 = (ConditionalNorm(width, num_classes) for width in (channels, features))
        self.conv1, self.conv2 = (nn.Conv2d(width, features, 3, 1, 1) for width in (channels, features))
        self.shortcut = nn.Conv2d(channels, features, 1)

    def forward(self, x: Tensor, onehot: Tensor | None) -> Tensor:
        h = self.conv1(doubled(functional.relu_(self.norm1(x, onehot))))
        h = self.conv2(functional.relu_(self.norm2(h, onehot)))
        return h + doubled(self.shortcut(x))


class Generator(nn.Module):
    """z -> dense -> blocks -> norm, ReLU, 3x3 convolution, tanh."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, z_dim: int, channels_last: bool, *,
                 width: int = 64, attention: int | tuple[int, ...] | None = (), spectral: bool = False,
                 initializer: str = "orthogonal"):
        super().__init__()
        self.channels_last, self.num_classes = channels_last, num_classes
        doublings, self.size = halvings(image_shape[:2], 4)
        width *= 4
        self.dense = nn.Linear(z_dim, self.size[0] * self.size[1] * width)
        self.blocks = nn.ModuleDict()
        for number in range(1, doublings + 1):
            self.blocks[f"block{number}"] = GeneratorBlock(width, width, num_classes)
            if self.size[0] << number == attended(attention, image_shape[0]):
                self.blocks[f"attention{number}"] = SelfAttention(width)
        self.norm = ConditionalNorm(width, 0)
        self.output = nn.Conv2d(width, image_shape[2], 3, 1, 1)
        initialize(self, initializer, spectral)

    def forward(self, z: Tensor, label: Tensor | None) -> Tensor:
        x = to_maps(self.dense(z), self.size, self.channels_last)
        onehot = functional.one_hot(label, self.num_classes).float() if self.num_classes else None
        for block in self.blocks.values():
            x = block(x, onehot) if isinstance(block, GeneratorBlock) else block(x)
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
    """Blocks -> ReLU -> sum over positions -> linear, and by label."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, channels_last: bool, *, width: int = 64,
                 attention: int | tuple[int, ...] | None = (), spectral: bool = True, initializer: str = "orthogonal"):
        super().__init__()
        downs, width = max(1, halvings(image_shape[:2], 7)[0]), 2 * width
        channels = [image_shape[2], *[width] * (downs + 1)]
        self.blocks = nn.ModuleDict()
        for number in range(1, downs + 3):
            down = number <= downs
            self.blocks[f"block{number}"] = DiscriminatorBlock(channels[number - 1], width, down, number == 1)
            if down and image_shape[0] >> number == attended(attention, image_shape[0]):
                self.blocks[f"attention{number}"] = SelfAttention(width)
        self.head = nn.ModuleDict({"linear": nn.Linear(width, 1)})
        if num_classes:
            self.head["embed"] = nn.Embedding(num_classes, width)
        initialize(self, initializer, spectral)

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


def attended(attention: int | tuple[int, ...] | None, height: int) -> int | None:
    """Which height of maps attention follows: None asks for half the image's."""
    return height // 2 if attention is None else attention or None


INITIALIZERS = {"orthogonal": nn.init.orthogonal_, "he": nn.init.kaiming_normal_}


def initialize(network: nn.Module, initializer: str, spectral: bool) -> None:
    """Weights by name, biases 0; then spectral normalization where asked for."""
    for module in list(network.modules()):
        if isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding):
            INITIALIZERS[initializer](module.weight)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)
            if spectral:
                spectral_norm(module)
