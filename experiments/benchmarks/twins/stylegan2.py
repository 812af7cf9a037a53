"""`jaxgan.models.stylegan2` in PyTorch, with its fields and its names of layers.

Modulation scales the feature maps before and after a convolution that all images share, the faster of the usual two
ways in eager mode: grouped convolutions, a kernel for each image, are slow to differentiate twice.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import Resample, flat, to_maps

HALF, EPSILON, W_MEAN_DECAY = math.sqrt(0.5), 1e-8, 0.995


class EqualLinear(nn.Module):
    def __init__(self, inputs: int, features: int, rate: float = 1.0, bias: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, inputs) / rate)
        self.bias = nn.Parameter(torch.full((features,), bias))
        self.scale, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        bias = self.bias * self.rate if self.rate != 1 else self.bias
        return functional.linear(x, self.weight * self.scale, bias)


class EqualConv(nn.Module):
    """Convolution by weight / sqrt(size^2 inputs); change: "", "down" or "up", a 1x1 kernel at the smaller size."""

    def __init__(self, channels: int, features: int, size: int = 3, change: str = "", bias: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, channels, size, size))
        self.bias = nn.Parameter(torch.zeros(features)) if bias else None
        self.scale, self.size, self.change = 1 / math.sqrt(channels * size**2), size, change
        self.strided = change == "down" and size > 1
        if change:
            self.resample = Resample(features if change == "up" else channels, "blur" if self.strided else change,
                                     size - 1 if self.strided else 1)

    def forward(self, x: Tensor) -> Tensor:
        weight, stride, padding = self.weight * self.scale, 1, self.size // 2
        if self.change == "down":
            x = self.resample(x)
        if self.strided:
            stride, padding = 2, 0
        x = functional.conv2d(x, weight, self.bias, stride, padding)
        return self.resample(x) if self.change == "up" else x


class ModulatedConv(nn.Module):
    def __init__(self, channels: int, features: int, w_dim: int, size: int = 3, up: bool = False,
                 demodulate: bool = True):
        super().__init__()
        self.affine = EqualLinear(w_dim, channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(features, channels, size, size))
        self.demodulate, self.padding = demodulate, size // 2
        self.style_gain = 1.0 if demodulate else 1 / math.sqrt(channels)
        self.blur = Resample(features, "blur", gain=4.0) if up else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.affine(w)
        factor = None
        if self.demodulate:
            factor = (style.square() @ self.weight.square().sum((2, 3)).t() + EPSILON).rsqrt()[:, :, None, None]
        else:
            style = style * self.style_gain
        x = x * style[:, :, None, None]
        if self.blur:
            x = self.blur(functional.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2))
        else:
            x = functional.conv2d(x, self.weight, padding=self.padding)
        return x if factor is None else x * factor


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU."""

    def __init__(self, channels: int, features: int, w_dim: int, up: bool, gain: float, clamp: float | None):
        super().__init__()
        self.conv = ModulatedConv(channels, features, w_dim, up=up)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(features))
        self.gain, self.clamp = gain, clamp

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        x = torch.addcmul(self.conv(x, w), noise, self.noise_strength)
        return leaky(x + self.bias[:, None, None], self.gain, self.clamp)


class StyleNetwork(nn.Module):
    def __init__(self, z_dim: int, num_classes: int, features: int, layers: int):
        super().__init__()
        self.embed = None
        if num_classes:
            self.embed = nn.Embedding(num_classes, features)
            self.embed_bias = nn.Parameter(torch.zeros(features))
            self.embed_scale = 1 / math.sqrt(num_classes)
        inputs = z_dim + features * bool(num_classes)
        self.layers = nn.ModuleDict({f"dense{number}": EqualLinear(features if number else inputs, features, 0.01)
                                     for number in range(layers)})

    def forward(self, z: Tensor | None, label: Tensor | None) -> Tensor:
        parts = [] if z is None else [normalised(z)]
        if self.embed:
            parts.append(normalised(self.embed(label) * self.embed_scale + self.embed_bias))
        x = torch.cat(parts, 1)
        for layer in self.layers.values():
            x = leaky(layer(x))
        return x


class Synthesis(nn.Module):
    def __init__(self, sizes: list[tuple[int, int]], widths: list[int], channels: int, w_dim: int, architecture: str,
                 clamp: float | None, channels_last: bool):
        super().__init__()
        self.sizes, self.channels_last, self.clamp = sizes, channels_last, clamp
        self.residual, self.top = architecture == "resnet", len(sizes) - 1
        self.constant = nn.Parameter(torch.randn(*sizes[0], widths[0]))
        for number, width in enumerate(widths):
            below, gain = widths[max(number - 1, 0)], HALF if self.residual and number else 1.0
            if number:
                self.add_module(f"block{number}_conv0", StyledConv(below, width, w_dim, True, 1.0, clamp))
                if self.residual:
                    self.add_module(f"block{number}_skip", EqualConv(below, width, 1, "up", bias=False))
            self.add_module(f"block{number}_conv1", StyledConv(width, width, w_dim, False, gain, clamp))
            if number == self.top or not self.residual:
                self.add_module(f"block{number}_image", ModulatedConv(width, channels, w_dim, 1, demodulate=False))
                self.register_parameter(f"block{number}_image_bias", nn.Parameter(torch.zeros(channels)))
        self.image_up = Resample(channels, "up")

    def forward(self, w: Tensor, noise: list[Tensor]) -> Tensor:
        x = to_maps(self.constant.expand(len(w), *self.constant.shape), self.sizes[0], self.channels_last)
        noise, image = iter(noise), None
        for number in range(self.top + 1):
            block, shortcut = f"block{number}", None
            if number:
                if self.residual:
                    shortcut = self.get_submodule(f"{block}_skip")(x) * HALF
                x = self.get_submodule(f"{block}_conv0")(x, w[:, 2 * number - 1], next(noise))
            x = self.get_submodule(f"{block}_conv1")(x, w[:, 2 * number], next(noise))
            x = x if shortcut is None else x + shortcut
            if number == self.top or not self.residual:
                colours = self.get_submodule(f"{block}_image")(x, w[:, 2 * number + 1])
                colours = clamped(colours + getattr(self, f"{block}_image_bias")[:, None, None], self.clamp)
                image = colours if image is None else self.image_up(image) + colours
        return image


class Generator(nn.Module):
    """Besides `forward` it has `mapping` and `synthesis`, for path length. Its constant noise is left out: training
    draws fresh noise. draws: see `twins.trainer.Draws`."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, z_dim: int, channels_last: bool, *,
                 width: int = 64, max_width: int = 512, w_dim: int = 512, mapping_layers: int = 8,
                 architecture: str = "skip", style_mixing: float = 0.0, clamp: float | None = 256.0):
        super().__init__()
        sizes, widths = stages(image_shape, width, max_width)
        self.num_ws, self.style_mixing = 2 * len(sizes), style_mixing
        self.noise_sizes = [size for number, size in enumerate(sizes) for _ in range(1 + bool(number))]
        self.to_w = StyleNetwork(z_dim, num_classes, w_dim, mapping_layers)
        self.to_image = Synthesis(sizes, widths, image_shape[2], w_dim, architecture, clamp, channels_last)
        self.register_buffer("w_mean", torch.zeros(w_dim))
        self.draws = None

    def forward(self, z: Tensor, label: Tensor | None) -> Tensor:
        return self.synthesis(self.mapping(z, label))

    def mapping(self, z: Tensor, label: Tensor | None) -> Tensor:
        """w [B, num_ws, w_dim], with styles mixed; moves the average w."""
        w = self.to_w(z, label)
        with torch.no_grad():
            self.w_mean.lerp_(w.mean(0), 1 - W_MEAN_DECAY)
        rows = w[:, None].expand(-1, self.num_ws, -1)
        if not self.style_mixing:
            return rows
        other = self.to_w(z.roll(1, 0), label)[:, None]
        return torch.where(self.draws.mixed(len(w), self.num_ws, self.style_mixing), other, rows)

    def synthesis(self, w: Tensor) -> Tensor:
        return self.to_image(w, [self.draws.noise(len(w), 1, *size) for size in self.noise_sizes])


class Discriminator(nn.Module):
    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, channels_last: bool, *, width: int = 64,
                 max_width: int = 512, mapping_layers: int = 8, architecture: str = "resnet", stddev_group: int = 4,
                 clamp: float | None = 256.0):
        super().__init__()
        sizes, widths = (found[::-1] for found in stages(image_shape, width, max_width))
        self.residual, self.stddev_group, self.clamp = architecture == "resnet", stddev_group, clamp
        self.num_blocks, last = len(sizes) - 1, widths[-1]
        self.input = EqualConv(image_shape[2], widths[0], 1)
        for number, (old, new) in enumerate(pairwise(widths)):
            self.add_module(f"block{number}_conv0", EqualConv(old, old))
            self.add_module(f"block{number}_conv1", EqualConv(old, new, 3, "down"))
            if self.residual:
                self.add_module(f"block{number}_skip", EqualConv(old, new, 1, "down", bias=False))
        self.last = EqualConv(last + 1, last)
        self.dense = EqualLinear(sizes[-1][0] * sizes[-1][1] * last, last)
        self.logit = EqualLinear(last, last if num_classes else 1)
        self.to_w = StyleNetwork(0, num_classes, last, mapping_layers) if num_classes else None

    def forward(self, image: Tensor, label: Tensor | None) -> Tensor:
        x = leaky(self.input(image), clamp=self.clamp)
        for number in range(self.num_blocks):
            conv0, conv1 = (self.get_submodule(f"block{number}_conv{which}") for which in (0, 1))
            y = leaky(conv1(leaky(conv0(x), clamp=self.clamp)), HALF if self.residual else 1.0, self.clamp)
            x = torch.add(y, self.get_submodule(f"block{number}_skip")(x), alpha=HALF) if self.residual else y
        x = leaky(self.last(minibatch_stddev(x, self.stddev_group)), clamp=self.clamp)
        answer = self.logit(leaky(self.dense(flat(x))))
        if self.to_w is None:
            return answer[:, 0]
        return (answer * self.to_w(None, label)).sum(1) / math.sqrt(answer.shape[1])


def stages(image_shape: tuple[int, int, int], width: int, max_width: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Sizes and widths of the maps, the smallest first."""
    sizes, widths = [tuple(image_shape[:2])], [min(width, max_width)]
    while all(side % 2 == 0 and side >= 8 for side in sizes[0]):
        sizes.insert(0, (sizes[0][0] // 2, sizes[0][1] // 2))
        widths.insert(0, min(width << len(widths), max_width))
    return sizes, widths


def minibatch_stddev(x: Tensor, group: int) -> Tensor:
    """x with one channel more: the standard deviation over a group of images, averaged over the map."""
    count = next(size for size in range(min(group, len(x)), 0, -1) if len(x) % size == 0)
    groups = x.reshape(count, -1, *x.shape[1:])
    deviation = (groups.var(0, correction=0) + EPSILON).sqrt().mean((1, 2, 3))
    return torch.cat([x, deviation.repeat(count)[:, None, None, None].expand(-1, 1, *x.shape[2:])], 1)


def normalised(x: Tensor) -> Tensor:
    return x * (x.square().mean(1, keepdim=True) + EPSILON).rsqrt()


def leaky(x: Tensor, gain: float = 1.0, clamp: float | None = None) -> Tensor:
    """gain sqrt(2) times the leaky ReLU of slope 0.2, within gain clamp."""
    return clamped(functional.leaky_relu(x, 0.2) * (gain * math.sqrt(2)), clamp and clamp * gain)


def clamped(x: Tensor, limit: float | None) -> Tensor:
    return x if limit is None else x.clamp(-limit, limit)
