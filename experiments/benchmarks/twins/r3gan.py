"""`jaxgan.models.r3gan` in PyTorch, with its fields and its names of layers."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import Resample, to_maps

SMALLEST, SLOPE = 4, 0.2  # as in jaxgan.models.r3gan


class Block(nn.Module):
    """x + 1x1(leaky(grouped 3x3(leaky(1x1(x)))))."""

    def __init__(self, width: int, hidden: int, groups: int, gain: float):
        super().__init__()
        self.conv1 = nn.Conv2d(width, hidden, 1)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, 1, 1, groups=groups)
        self.conv3 = nn.Conv2d(hidden, width, 1, bias=False)
        for conv in (self.conv1, self.conv2):
            fan_in_normal(conv.weight, gain)
            nn.init.zeros_(conv.bias)
        nn.init.zeros_(self.conv3.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(functional.leaky_relu(self.conv1(x), SLOPE, inplace=True))
        return x + self.conv3(functional.leaky_relu(h, SLOPE, inplace=True))


class Network(nn.Module):
    """What generator and discriminator share: stages of blocks."""

    def __init__(self, image_shape: tuple[int, int, int], generator: bool, width: int,
                 multipliers: tuple[int, ...] | None, blocks: int, expansion: int, group_width: int):
        super().__init__()
        height, breadth, _ = image_shape
        count = len(multipliers) if multipliers else count_stages(height, breadth)
        self.widths = [width * multiplier for multiplier in multipliers or (1,) * count]
        self.size = (height >> (count - 1), breadth >> (count - 1))
        gain = math.sqrt(2 / (1 + SLOPE**2)) * (blocks * count) ** -0.25
        for number, width in enumerate(self.widths):
            hidden = width * expansion
            for block in range(blocks):
                self.add_module(f"stage{number}_block{block}",
                                Block(width, hidden, hidden // min(group_width, hidden), gain))
        self.num_blocks = blocks

    def add_changes(self, change: str) -> None:
        """What leads from each stage to the next; a convolution where the width changes bears the generator's number of
        the next stage, or the discriminator's of the last."""
        up = change == "up"
        for number, (old, new) in enumerate(zip(self.widths, self.widths[1:])):
            self.add_module(f"change{number}", Resample(new if up else old, change))
            if old != new:
                self.add_module(f"stage{number + up}_resize", conv1x1(old, new))

    def run_blocks(self, x: Tensor, number: int) -> Tensor:
        for block in range(self.num_blocks):
            x = self.get_submodule(f"stage{number}_block{block}")(x)
        return x

    def widened(self, x: Tensor, number: int) -> Tensor:
        name = f"stage{number}_resize"
        return self.get_submodule(name)(x) if hasattr(self, name) else x


class Generator(Network):
    """[z, embedding of the label] -> weights of the basis -> stages -> 1x1 convolution."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, z_dim: int, channels_last: bool, *,
                 width: int = 768, multipliers: tuple[int, ...] | None = None, blocks: int = 2, expansion: int = 2,
                 group_width: int = 16, embed_dim: int = 64):
        super().__init__(image_shape, True, width, multipliers, blocks, expansion, group_width)
        self.channels_last = channels_last
        self.embed = nn.Embedding(num_classes, embed_dim) if num_classes else None
        self.basis = nn.Parameter(torch.randn(*self.size, self.widths[0]))
        self.dense = nn.Linear(z_dim + (embed_dim if num_classes else 0), self.widths[0], bias=False)
        fan_in_normal(self.dense.weight)
        self.add_changes("up")
        self.output = conv1x1(self.widths[-1], image_shape[2])
        if self.embed:
            nn.init.normal_(self.embed.weight, std=num_classes**-0.5)

    def forward(self, z: Tensor, label: Tensor | None) -> Tensor:
        weights = self.dense(torch.cat([z, self.embed(label)], 1) if self.embed else z)
        x = self.run_blocks(to_maps(weights[:, None, None] * self.basis, self.size, self.channels_last), 0)
        for number in range(1, len(self.widths)):
            x = self.get_submodule(f"change{number - 1}")(self.widened(x, number))
            x = self.run_blocks(x, number)
        return self.output(x)


class Discriminator(Network):
    """1x1 convolution -> stages -> products with the basis -> linear."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, channels_last: bool, *, width: int = 768,
                 multipliers: tuple[int, ...] | None = None, blocks: int = 2, expansion: int = 2, group_width: int = 16,
                 embed_dim: int | None = None):
        super().__init__(image_shape, False, width, multipliers, blocks, expansion, group_width)
        last = self.widths[-1]
        self.input = conv1x1(image_shape[2], self.widths[0])
        self.add_changes("down")
        self.basis = nn.Parameter(torch.randn(*self.size, last) / math.sqrt(math.prod(self.size)))
        embed_dim = (embed_dim or last) if num_classes else 1
        self.logit = nn.Linear(last, embed_dim, bias=False)
        fan_in_normal(self.logit.weight)
        self.embed = nn.Embedding(num_classes, embed_dim) if num_classes else None
        if self.embed:
            nn.init.normal_(self.embed.weight, std=(embed_dim * num_classes) ** -0.5)

    def forward(self, image: Tensor, label: Tensor | None) -> Tensor:
        x = self.input(image)
        for number in range(len(self.widths)):
            x = self.run_blocks(x, number)
            if number + 1 < len(self.widths):
                x = self.widened(self.get_submodule(f"change{number}")(x), number)
        answer = self.logit((x * self.basis.permute(2, 0, 1)).sum((2, 3)))
        return (answer * self.embed(label)).sum(1) if self.embed else answer[:, 0]


def count_stages(height: int, breadth: int) -> int:
    count = 1
    while all(side % 2**count == 0 and side >> count >= SMALLEST for side in (height, breadth)):
        count += 1
    return count


def conv1x1(channels: int, features: int) -> nn.Conv2d:
    conv = nn.Conv2d(channels, features, 1, bias=False)
    fan_in_normal(conv.weight)
    return conv


def fan_in_normal(weight: Tensor, gain: float = 1.0) -> None:
    nn.init.normal_(weight, std=gain / math.sqrt(weight[0].numel()))
