"""What several twins are made of."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Resample(nn.Module):
    """[1, 3, 3, 1] along both sides of x [B, C, H, W], as PyTorch has it without an operation of one's own in CUDA: a
    depthwise convolution. change: "up" doubles the size, "down" halves it, "blur" keeps it but for the padding."""

    def __init__(self, channels: int, change: str, padding: int = 1, gain: float = 1.0):
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        kernel = taps[:, None] * taps * gain * (4 if change == "up" else 1)
        self.register_buffer("kernel", kernel.repeat(channels, 1, 1, 1), persistent=False)
        self.channels, self.change, self.padding = channels, change, padding

    def forward(self, x: Tensor) -> Tensor:
        if self.change == "up":
            return functional.conv_transpose2d(x, self.kernel, stride=2, padding=1, groups=self.channels)
        stride = 2 if self.change == "down" else 1
        return functional.conv2d(x, self.kernel, stride=stride, padding=self.padding, groups=self.channels)


def to_maps(x: Tensor, size: tuple[int, int], channels_last: bool) -> Tensor:
    """[B, H * W * C] or [B, H, W, C] -> [B, C, H, W], in memory the way the convolutions after it run."""
    maps = x.view(len(x), *size, -1).permute(0, 3, 1, 2)
    return maps if channels_last else maps.contiguous()


def flat(x: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, H * W * C]."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1)
