"""The geometry of one convolution, shared by its three primitives, and the checks on what a caller asked for."""

import operator
from typing import NamedTuple

from jaxgan.errors import InputError

Pair = tuple[int, int]
Padding = int | tuple[Pair, Pair] | None


class Window(NamedTuple):
    """A 2-D convolution's shape but for batch and channels: all that its adjoints need too.

    `input`, `kernel`: (height, width). `padding`: ((low, high), (low, high)), negative values crop. `precision`: as
    in `jax.lax.conv_general_dilated`.
    """

    input: Pair
    kernel: Pair
    stride: Pair
    padding: tuple[Pair, Pair]
    dilation: Pair
    groups: int
    precision: str | None = None

    @property
    def extent(self) -> Pair:
        """Pixels from a kernel's first tap to its last, both counted."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation))

    @property
    def output(self) -> Pair:
        return tuple(
            max(0, (n + low + high - e) // s + 1)
            for n, (low, high), e, s in zip(self.input, self.padding, self.extent, self.stride)
        )

    @property
    def exact_padding(self) -> tuple[Pair, Pair]:
        """The same window with no pixel past the last tap: `high` is what the outputs need, hence maybe negative."""
        return tuple(
            (low, (o - 1) * s + e - n - low)
            for n, (low, _), o, s, e in zip(self.input, self.padding, self.output, self.stride, self.extent)
        )


def pair(value: int | Pair, name: str) -> Pair:
    """`value` as (height, width), both at least 1."""
    try:
        height, width = value if isinstance(value, tuple | list) else (value, value)
        result = operator.index(height), operator.index(width)
    except (TypeError, ValueError):
        raise InputError(f"convolution: {name} must be an integer or a pair of integers, got {value!r}") from None
    if min(result) < 1:
        raise InputError(f"convolution: {name} must be at least 1, got {value!r}")
    return result


def paddings(value: int | tuple[Pair, Pair]) -> tuple[Pair, Pair]:
    """`value` as ((low, high), (low, high)) for height and width."""
    try:
        if not isinstance(value, tuple | list):
            value = ((value, value), (value, value))
        (top, bottom), (left, right) = value
        return (operator.index(top), operator.index(bottom)), (operator.index(left), operator.index(right))
    except (TypeError, ValueError):
        raise InputError(
            f"convolution: padding must be an integer or ((top, bottom), (left, right)), got {value!r}"
        ) from None


def centred(kernel: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    """The padding that keeps the size at stride 1 for odd kernels, and halves an even size for 4x4 at stride 2."""
    return tuple(((k - 1) * d // 2,) * 2 for k, d in zip(kernel, dilation))


def check_operands(x, w, kernel_channels: int, groups: int) -> None:
    """Raises InputError unless x is [B, H, W, `kernel_channels`] and w [kh, kw, I, O], of one dtype and divisible."""
    if x.ndim != 4 or w.ndim != 4:
        raise InputError(f"convolution: needs x [B, H, W, C] and w [kh, kw, I, O], got shapes {x.shape} and {w.shape}")
    if x.dtype != w.dtype:
        raise InputError(f"convolution: x is {x.dtype} but w is {w.dtype}; cast one of them")
    if groups < 1 or w.shape[3] % groups:
        raise InputError(f"convolution: {w.shape[3]} kernel outputs cannot be divided into groups={groups}")
    if x.shape[3] != kernel_channels:
        raise InputError(
            f"convolution: x has {x.shape[3]} channels but a kernel {w.shape} with groups={groups} "
            f"reads {kernel_channels}"
        )
