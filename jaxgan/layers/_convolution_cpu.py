"""The three convolution primitives as XLA-CPU runs them fastest.

XLA-CPU rewrites a convolution of unusual layout to the one its fast kernel takes (NHWC, HWIO, NHWC) only in the entry
computation: inside a loop or a branch it falls into a naive emitter, 20-100 times slower. So every convolution here is
written in that layout from the start, with transposes around it, and without groups, which the kernel handles slowly.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from jaxgan.layers._convolution_window import Pair, Window

Array = jax.Array
LAYOUT = ("NHWC", "HWIO", "NHWC")

# Where one form overtakes another, measured on two machines; results do not depend on these.
FEW_CHANNELS = 4  # up to here a matrix product over all taps beats a convolution, whose inner loop runs over channels
FEW_IMAGES = 4  # likewise for the adjoint in the filter, where it runs over images
MANY_TAPS = 64  # above this, slices tap by tap cost more to compile than they gain
MANY_PHASES = 16
MANY_GROUPS = 16  # above this, a loop compiles in constant time; below, unrolled groups overlap with what is near them
NARROW = 16  # up to here the loop is faster with one matrix product a group, of columns by rows


def convolution(x: Array, w: Array, *, window: Window) -> Array:
    """x [B, H, W, C], w [kh, kw, C // groups, O] -> y [B, h, w, O]."""
    form = _form(w.shape[2], w.shape[3], window, _depthwise_convolution, _separated_convolution, _convolution)
    return _widened(form, x, w, window)


def input_adjoint(g: Array, w: Array, *, window: Window) -> Array:
    """g [B, h, w, O], w [kh, kw, C // groups, O] -> [B, H, W, C]."""
    form = _form(w.shape[2], w.shape[3], window, _depthwise_input_adjoint, _separated_input_adjoint, _input_adjoint)
    return _widened(form, g, w, window)


def filter_adjoint(x: Array, g: Array, *, window: Window) -> Array:
    """x [B, H, W, C], g [B, h, w, O] -> [kh, kw, C // groups, O]."""
    inputs = x.shape[3] // window.groups
    form = _form(inputs, g.shape[3], window, _depthwise_filter_adjoint, _separated_filter_adjoint, _filter_adjoint)
    if inputs > 1 and _few_images(x, window):
        form = _at_once(_filter_adjoint)
    return _widened(form, x, g, window)


def _form(
    inputs: int, outputs: int, window: Window, depthwise: Callable, separated: Callable, other: Callable
) -> Callable:
    """Which of three forms, of all groups or of each. inputs: channels of a group; outputs: of all groups."""
    if window.groups > 1 and inputs == 1 and math.prod(window.kernel) <= MANY_TAPS:
        return depthwise
    narrow = FEW_CHANNELS < max(inputs, outputs // window.groups) <= NARROW
    if window.groups > MANY_GROUPS and narrow and window.stride == (1, 1) and window.kernel != (1, 1):
        return _by_group(separated)
    return _by_group(other)


def _widened(form: Callable, a: Array, b: Array, window: Window) -> Array:
    # There are no half-precision kernels here, XLA would widen every operand of every operation. Widening once also
    # keeps the sums over taps in float32.
    if jnp.finfo(a.dtype).bits >= 32:
        return form(a, b, window)
    return form(a.astype(jnp.float32), b.astype(jnp.float32), window).astype(a.dtype)


def _by_group(form: Callable) -> Callable:
    """`form`, written for one group, applied to each: groups are contiguous in the last axis of operands and result."""

    def grouped(a: Array, b: Array, window: Window) -> Array:
        groups, single = window.groups, window._replace(groups=1)
        if groups == 1:
            return form(a, b, window)
        if groups <= MANY_GROUPS:
            pairs = zip(jnp.split(a, groups, axis=3), jnp.split(b, groups, axis=3))
            return jnp.concatenate([form(u, v, single) for u, v in pairs], axis=3)
        one = jax.eval_shape(lambda: form(_group(a, 0, groups), _group(b, 0, groups), single))

        def with_group(index, y):
            part = form(_group(a, index, groups), _group(b, index, groups), single)
            return lax.dynamic_update_slice_in_dim(y, part, index * one.shape[3], axis=3)
        # Sliced where they lie: to move the groups to the front first, as a scan wants them, takes as long again.
        nothing = jnp.zeros_like(a, shape=(*one.shape[:3], groups * one.shape[3]))  # varies over devices as `a` does
        return lax.fori_loop(0, groups, with_group, nothing)

    return grouped


def _at_once(form: Callable) -> Callable:
    """As `_by_group`, where operands are so small that the loop would cost more than they do. Groups that are examples,
    folded to be groups, get back to where they were, which costs nothing."""

    def grouped(a: Array, b: Array, window: Window) -> Array:
        groups, single = window.groups, window._replace(groups=1)
        a, b = (jnp.moveaxis(u.reshape(*u.shape[:3], groups, u.shape[3] // groups), 3, 0) for u in (a, b))
        y = jnp.moveaxis(jax.vmap(lambda u, v: form(u, v, single))(a, b), 0, 3)
        return y.reshape(*y.shape[:3], groups * y.shape[4])

    return grouped


def _group(a: Array, index: int | Array, groups: int) -> Array:
    width = a.shape[3] // groups
    return lax.dynamic_slice_in_dim(a, index * width, width, axis=3)


def _dense(x: Array, w: Array, window: Window, *, padding: Sequence[Pair], **geometry: Pair) -> Array:
    """The one call of the convolution kernel, which knows no negative padding.

    geometry: window_strides, lhs_dilation, rhs_dilation, each (1, 1) where absent.
    """
    if min(map(min, padding)) < 0:
        interior = [d - 1 for d in geometry.pop("lhs_dilation", (1, 1))]
        x = _padded(x, [(low, high, between) for (low, high), between in zip(padding, interior)])
        padding = [(0, 0), (0, 0)]
    geometry.setdefault("window_strides", (1, 1))
    return lax.conv_general_dilated(
        x, w, padding=padding, dimension_numbers=LAYOUT, precision=window.precision, **geometry
    )


def _padded(x: Array, config: Sequence[tuple[int, int, int]]) -> Array:
    """`lax.pad` of height and width with zeros: (low, high, between pixels) for each."""
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *config, (0, 0, 0)])


# Convolution.


def _convolution(x: Array, w: Array, window: Window) -> Array:
    spatial = window.kernel != (1, 1) and math.prod(window.kernel) <= MANY_TAPS
    if spatial and w.shape[3] <= FEW_CHANNELS and window.stride == (1, 1):
        return _scattered_input_adjoint(x, _mirrored(w), _opposite(window))
    if spatial and w.shape[2] == 1:
        taps = jnp.concatenate(_taps(x, window), axis=3)
        return jnp.einsum("bhwt,to->bhwo", taps, w.reshape(taps.shape[3], w.shape[3]), precision=window.precision)
    return _dense(x, w, window, padding=window.padding, window_strides=window.stride, rhs_dilation=window.dilation)


def _opposite(window: Window) -> Window:
    """At stride 1 a convolution is the input adjoint of another, with the mirrored kernel: that one's window."""
    padding = tuple((e - 1 - low, e - 1 - high) for e, (low, high) in zip(window.extent, window.padding))
    return window._replace(input=window.output, padding=padding)


# Input adjoint: dx[n] = sum of g[i] w[t] over the i, t with stride * i + dilation * t - low = n.


def _input_adjoint(g: Array, w: Array, window: Window) -> Array:
    if w.shape[2] <= FEW_CHANNELS and math.prod(window.kernel) <= MANY_TAPS:
        return _scattered_input_adjoint(g, w, window)
    if 1 < math.prod(window.stride) <= MANY_PHASES:
        return _phased_input_adjoint(g, w, window)
    padding = [
        (e - 1 - low, n + low - (o - 1) * s - 1)
        for n, (low, _), e, o, s in zip(window.input, window.padding, window.extent, window.output, window.stride)
    ]
    return _dense(g, _mirrored(w), window, padding=padding, lhs_dilation=window.stride, rhs_dilation=window.dilation)


def _mirrored(w: Array) -> Array:
    """The kernel of the opposite direction: taps reversed, inputs and outputs exchanged."""
    return lax.rev(w, (0, 1)).transpose(0, 1, 3, 2)


def _scattered_input_adjoint(g: Array, w: Array, window: Window) -> Array:
    """One matrix product gives what each pixel of g sends to each tap; then the taps are shifted and added."""
    products = jnp.einsum("bhwo,klio->bhwkli", g, w, precision=window.precision)
    return _scattered([products[..., row, column, :] for row, column in _tap_indices(window)], window)


def _phased_input_adjoint(g: Array, w: Array, window: Window) -> Array:
    """One dense convolution for each residue of the output position modulo the stride, interleaved afterwards."""
    mirrored = _mirrored(w)
    rows, columns = (_phases(window, axis) for axis in (0, 1))
    heights, widths = (-(-n // s) for n, s in zip(window.input, window.stride))
    nothing = jnp.zeros((g.shape[0], heights, widths, w.shape[2]), g.dtype)

    def phase(row, column):
        if row is None or column is None:
            return nothing
        (starts, limits, steps, gaps, padding) = zip(row, column)
        taps = lax.slice(mirrored, (*starts, 0, 0), (*limits, *mirrored.shape[2:]), (*steps, 1, 1))
        return _dense(g, taps, window, padding=padding, rhs_dilation=gaps)

    y = jnp.stack([jnp.stack([phase(row, column) for column in columns], axis=3) for row in rows], axis=2)
    y = y.reshape(g.shape[0], heights * window.stride[0], widths * window.stride[1], w.shape[2])
    return y[:, : window.input[0], : window.input[1]]


def _phases(window: Window, axis: int) -> list[tuple[int, int, int, int, Pair] | None]:
    """For each residue along `axis`: start, limit and step of its taps in the mirrored kernel, the gap between the
    pixels of g they meet, and the padding of g. None where no tap lands.

    Tap t meets output position n where n + low - dilation * t is a multiple of the stride.
    """
    kernel, stride, dilation = window.kernel[axis], window.stride[axis], window.dilation[axis]
    low, inputs = window.padding[axis][0], window.output[axis]
    outputs = -(-window.input[axis] // stride)
    phases = []
    for residue in range(stride):
        taps = [t for t in range(kernel) if (residue + low - dilation * t) % stride == 0]
        if not taps:
            phases.append(None)
            continue
        first, last = ((residue + low - dilation * t) // stride for t in (taps[-1], taps[0]))
        common = math.gcd(stride, dilation)
        padding = (-first, outputs - inputs + last)
        phases.append((kernel - 1 - taps[-1], kernel - taps[0], stride // common, dilation // common, padding))
    return phases


# Filter adjoint: dw[t] = sum of x[stride * i + dilation * t - low] g[i] over i.


def _filter_adjoint(x: Array, g: Array, window: Window) -> Array:
    inputs, outputs = x.shape[3], g.shape[3]
    few_images, few_channels = _few_images(x, window), inputs <= FEW_CHANNELS
    if few_images and window.stride == (1, 1) and window.kernel != (1, 1):
        return _separated_filter_adjoint(x, g, window)
    if few_images or window.kernel == (1, 1) or (few_channels and math.prod(window.kernel) <= MANY_TAPS):
        taps = jnp.concatenate(_taps(x, window), axis=3)
        # As matrices: a product over three axes would first be written out transposed.
        product = jnp.matmul(_rows(taps).T, _rows(g), precision=window.precision)
        return product.reshape(*window.kernel, inputs, outputs)
    if window.stride == (1, 1) and outputs * 4 <= inputs:
        return _swapped_filter_adjoint(x, g, window)
    y = _dense(
        x.transpose(3, 1, 2, 0),
        g.transpose(1, 2, 0, 3),
        window,
        padding=window.exact_padding,
        window_strides=window.dilation,
        rhs_dilation=window.stride,
    )
    return y.transpose(1, 2, 0, 3)


def _few_images(x: Array, window: Window) -> bool:
    return x.shape[0] <= FEW_IMAGES and math.prod(window.kernel) <= MANY_TAPS


def _rows(a: Array) -> Array:
    return a.reshape(-1, a.shape[3])


def _swapped_filter_adjoint(x: Array, g: Array, window: Window) -> Array:
    """The same sum with x as the kernel that slides over g, for the kernel's inner loop runs over its outputs."""
    sizes = zip(window.input, window.padding, window.extent, window.output)
    padding = [(e - 1 - low, n + low - o) for n, (low, _), e, o in sizes]
    y = _dense(
        g.transpose(3, 1, 2, 0), x.transpose(1, 2, 0, 3), window, padding=padding, window_strides=window.dilation
    )
    return lax.rev(y, (1, 2)).transpose(1, 2, 3, 0)


# One channel per group: a handful of shifted products, which XLA fuses.


def _depthwise_convolution(x: Array, w: Array, window: Window) -> Array:
    kernel = w.reshape(*window.kernel, window.groups, -1)
    products = (tap[..., None] * kernel[index] for tap, index in zip(_taps(x, window), _tap_indices(window)))
    y = functools.reduce(jnp.add, products)
    return y.reshape(*y.shape[:3], w.shape[3])


def _depthwise_input_adjoint(g: Array, w: Array, window: Window) -> Array:
    kernel = w.reshape(*window.kernel, window.groups, -1)
    g = g.reshape(*g.shape[:3], *kernel.shape[2:])
    return _scattered([jnp.sum(g * kernel[index], axis=-1) for index in _tap_indices(window)], window)


def _depthwise_filter_adjoint(x: Array, g: Array, window: Window) -> Array:
    outputs = g.shape[3]
    g = g.reshape(*g.shape[:3], window.groups, outputs // window.groups)
    sums = [jnp.sum(tap[..., None] * g, axis=(0, 1, 2)) for tap in _taps(x, window)]
    return jnp.stack(sums).reshape(*window.kernel, 1, outputs)


# At stride 1: one matrix product that has the columns of the kernel on one side and its rows on the other, for narrow
# groups and few images.


def _separated_convolution(x: Array, w: Array, window: Window) -> Array:
    kh, kw, inputs, outputs = w.shape
    columns = _columns(x, window)
    kernel = w.transpose(1, 2, 0, 3).reshape(kw * inputs, kh * outputs)
    products = jnp.matmul(_rows(columns), kernel, precision=window.precision)
    products = products.reshape(*columns.shape[:3], kh, outputs)
    taller = window.output[0] - window.input[0]
    parts = [
        _padded(products[..., row, :], [(-shift, taller + shift, 0), (0, 0, 0)])
        for row, shift in enumerate(_row_shifts(window))
    ]
    return functools.reduce(jnp.add, parts)


def _separated_input_adjoint(g: Array, w: Array, window: Window) -> Array:
    return _separated_convolution(g, _mirrored(w), _opposite(window))


def _separated_filter_adjoint(x: Array, g: Array, window: Window) -> Array:
    (kh, kw), inputs, outputs = window.kernel, x.shape[3], g.shape[3]
    taller = window.input[0] - window.output[0]
    rows = [_padded(g, [(shift, taller - shift, 0), (0, 0, 0)]) for shift in _row_shifts(window)]
    product = jnp.matmul(_rows(_columns(x, window)).T, _rows(jnp.concatenate(rows, axis=3)), precision=window.precision)
    return product.reshape(kw, inputs, kh, outputs).transpose(2, 0, 1, 3)


def _columns(x: Array, window: Window) -> Array:
    """Every row of x, its pixels beside their neighbours that the taps of one row meet: [B, H, w, kw * C]."""
    width, dilation = window.output[1], window.dilation[1]
    x = _padded(x, [(0, 0, 0), (*window.exact_padding[1], 0)])
    return jnp.concatenate([x[:, :, t * dilation : t * dilation + width] for t in range(window.kernel[1])], axis=3)


def _row_shifts(window: Window) -> list[int]:
    """For each row of the kernel, how far below an output the row of x lies that it meets."""
    return [t * window.dilation[0] - window.padding[0][0] for t in range(window.kernel[0])]


# Between pixels and taps.


def _tap_indices(window: Window) -> list[Pair]:
    return list(itertools.product(*map(range, window.kernel)))


def _taps(x: Array, window: Window) -> list[Array]:
    """For each tap, the pixel of x that each output position multiplies with it: [B, h, w, C]."""
    x = _padded(x, [(low, high, 0) for low, high in window.exact_padding])
    slices = []
    for tap in _tap_indices(window):
        starts = [t * d for t, d in zip(tap, window.dilation)]
        limits = [start + (o - 1) * s + 1 for start, o, s in zip(starts, window.output, window.stride)]
        slices.append(lax.slice(x, (0, *starts, 0), (x.shape[0], *limits, x.shape[3]), (1, *window.stride, 1)))
    return slices


def _scattered(parts: Sequence[Array], window: Window) -> Array:
    """The adjoint of `_taps`: what each output position sends to each tap, added up where it lands."""

    def placed(part, tap):
        config = []
        for axis in (0, 1):
            low = tap[axis] * window.dilation[axis] - window.padding[axis][0]
            length = (window.output[axis] - 1) * window.stride[axis] + 1
            config.append((low, window.input[axis] - length - low, window.stride[axis] - 1))
        return _padded(part, config)

    return functools.reduce(jnp.add, map(placed, parts, _tap_indices(window)))
