"""`jaxgan.models.dcgan` in PyTorch."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from .layers import flat, to_maps

SMALLEST = 8  # as in jaxgan.models.dcgan


class Generator(nn.Module):
    """The fields of `jaxgan.models.dcgan.Generator`, and its names of layers; `channels_last` is PyTorch's own."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, z_dim: int, channels_last: bool, *,
                 width: int = 64, max_width: int = 512, norm: str = "batch", embed_dim: int = 32,
                 init_std: float = 0.02):
        super().__init__()
        self.channels_last = channels_last
        self.embed = nn.Embedding(num_classes, embed_dim) if num_classes else None
        sizes, widths = levels(image_shape, width, max_width)
        self.size, top, normed = sizes[-1], len(sizes) - 1, norm == "batch"
        inputs = z_dim + (embed_dim if num_classes else 0)
        self.dense = nn.Linear(inputs, self.size[0] * self.size[1] * widths[top], bias=not normed)
        layers = finish(top, widths[top], normed, nn.ReLU(inplace=True))
        for level in range(top - 1, -1, -1):
            odd = tuple(new - 2 * old for new, old in zip(sizes[level], sizes[level + 1]))
            layers[f"up{level}"] = nn.ConvTranspose2d(widths[level + 1], widths[level], 4, 2, 1, output_padding=odd,
                                                      bias=level == 0 or not normed)
            layers |= finish(level, widths[level], normed, nn.ReLU(inplace=True)) if level else {"tanh": nn.Tanh()}
        self.layers = nn.Sequential(OrderedDict(layers))
        initialize(self, init_std, embed_std=1.0)

    def forward(self, z: Tensor, label: Tensor | None) -> Tensor:
        x = self.dense(torch.cat([z, self.embed(label)], 1) if self.embed else z)
        return self.layers(to_maps(x, self.size, self.channels_last))


class Discriminator(nn.Module):
    """The fields and the names of layers of `jaxgan.models.dcgan.Discriminator`."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, channels_last: bool, *, width: int = 64,
                 max_width: int = 512, norm: str = "batch", embed_dim: int = 32, init_std: float = 0.02):
        super().__init__()
        self.channels_last = channels_last
        self.embed = nn.Embedding(num_classes, embed_dim) if num_classes else None
        sizes, widths = levels(image_shape, width, max_width)
        joined = embed_dim if num_classes else 0
        first, rest = {}, {}
        for level in range(1, len(sizes)):
            normed = norm == "batch" and level > 1
            inputs = widths[level - 1] + (joined if level == 2 else 0)
            layers = first if level == 1 else rest
            layers[f"down{level}"] = nn.Conv2d(inputs, widths[level], 4, 2, 1, bias=not normed)
            layers |= finish(level, widths[level], normed, nn.LeakyReLU(0.2, inplace=True))
        self.first, self.rest = nn.Sequential(OrderedDict(first)), nn.Sequential(OrderedDict(rest))
        self.logit = nn.Linear(sizes[-1][0] * sizes[-1][1] * (widths[-1] + (0 if rest else joined)), 1)
        initialize(self, init_std, embed_std=init_std)

    def forward(self, image: Tensor, label: Tensor | None) -> Tensor:
        x = self.first(image)
        x = self.rest(self.join(x, self.embed(label)) if self.embed else x)
        return self.logit(flat(x))[:, 0]

    def join(self, x: Tensor, embedding: Tensor) -> Tensor:
        """The embedding at every position, as further channels; the memory layout stays."""
        if self.channels_last:
            maps = embedding[:, None, None, :].expand(-1, *x.shape[2:], -1)
            return torch.cat([x.permute(0, 2, 3, 1), maps], 3).permute(0, 3, 1, 2)
        return torch.cat([x, embedding[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)


def levels(image_shape: tuple[int, int, int], width: int, max_width: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Size and channels of every level, the image first."""
    height, breadth, channels = image_shape
    sizes, widths = [(height, breadth)], [channels]
    while min(sizes[-1]) >= SMALLEST:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
        widths.append(min(width << (len(widths) - 1), max_width))
    return sizes, widths


def finish(level: int, channels: int, normed: bool, activation: nn.Module) -> dict[str, nn.Module]:
    """Normalization, if any, and activation."""
    norm = {f"norm{level}": nn.BatchNorm2d(channels)} if normed else {}
    return norm | {f"activation{level}": activation}


def initialize(network: nn.Module, std: float, embed_std: float) -> None:
    """Kernels N(0, std^2), biases 0; BatchNorm starts at scale 1 and bias 0 by itself."""
    for module in network.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=embed_std)
        elif isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
