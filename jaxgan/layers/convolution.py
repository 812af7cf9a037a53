"""Every convolution of jaxgan: differentiable to any order in every mode, and fast on CPU, in loops and branches too.

One trilinear form, the sum of g[i] w[t] x[stride * i + dilation * t - low], gives three bilinear operations: the
convolution y(x, w), its adjoint in the input x(g, w) (a transposed convolution) and its adjoint in the filter w(x, g).
Each is a derivative of the other two, so as JAX primitives they are closed under differentiation. On GPU they lower to
what `jax.lax` emits for the same operation, and on TPU but for narrow groups (`_convolution_tpu`); on CPU to the
formulations of `_convolution_cpu`.

This is the only file that touches `jax.extend` and `jax.interpreters`. Where those have changed beyond recognition,
everything here still works, on stock `jax.lax`, at stock speed.
"""

import math
import warnings
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from jaxgan.errors import InputError
from jaxgan.layers import _convolution_cpu as cpu
from jaxgan.layers import _convolution_tpu as tpu
from jaxgan.layers._convolution_window import Padding, Pair, Window, centred, check_operands, paddings, pair
from jaxgan.typing import Array

# What jax.lax itself computes and differentiates to.


def _stock_convolution(x: Array, w: Array, *, window: Window) -> Array:
    return lax.conv_general_dilated(
        x,
        w,
        window.stride,
        window.padding,
        rhs_dilation=window.dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=window.groups,
        precision=window.precision,
    )


def _stock_input_adjoint(g: Array, w: Array, *, window: Window) -> Array:
    x = jax.typeof(g).update(shape=_input_shape(g, w, window))
    return jax.linear_transpose(lambda x: _stock_convolution(x, w, window=window), x)(g)[0]


def _stock_filter_adjoint(x: Array, g: Array, *, window: Window) -> Array:
    w = jax.typeof(g).update(shape=_filter_shape(x, g, window))
    return jax.linear_transpose(lambda w: _stock_convolution(x, w, window=window), w)(g)[0]


def _output_shape(x, w, window: Window) -> tuple[int, ...]:
    return (x.shape[0], *window.output, w.shape[3])


def _input_shape(g, w, window: Window) -> tuple[int, ...]:
    return (g.shape[0], *window.input, w.shape[2] * window.groups)


def _filter_shape(x, g, window: Window) -> tuple[int, ...]:
    return (*window.kernel, x.shape[3] // window.groups, g.shape[3])


# Batching: an example axis joins the batch or the channels, or makes more groups where both operands have it.


def _fold(a: Array, groups: int) -> Array:
    """[n, ..., groups * c] -> [..., groups * n * c]: every group gets the channels of all n."""
    a = a.reshape(*a.shape[:-1], groups, a.shape[-1] // groups)
    a = jnp.moveaxis(a, 0, -2)
    return a.reshape(*a.shape[:-3], math.prod(a.shape[-3:]))


def _unfold(a: Array, n: int, groups: int) -> Array:
    """The inverse of `_fold`."""
    a = a.reshape(*a.shape[:-1], groups, n, a.shape[-1] // (groups * n))
    a = jnp.moveaxis(a, -2, 0)
    return a.reshape(*a.shape[:-2], math.prod(a.shape[-2:]))


def _fold_kernel_inputs(w: Array) -> Array:
    """[n, kh, kw, I, O] -> [kh, kw, n * I, O]."""
    n, kh, kw, inputs, outputs = w.shape
    return jnp.moveaxis(w, 0, 2).reshape(kh, kw, n * inputs, outputs)


def _unfold_kernel_inputs(w: Array, n: int) -> Array:
    kh, kw, inputs, outputs = w.shape
    return jnp.moveaxis(w.reshape(kh, kw, n, inputs // n, outputs), 2, 0)


def _batched_over_batch(bind: Callable, a: Array, b: Array, window: Window) -> Array:
    y = bind(a.reshape(a.shape[0] * a.shape[1], *a.shape[2:]), b, window=window)
    return y.reshape(*a.shape[:2], *y.shape[1:])


def _batched_over_outputs(bind: Callable, a: Array, b: Array, window: Window) -> Array:
    y = bind(a, _fold(b, window.groups), window=window)
    return _unfold(y, b.shape[0], window.groups)


def _batched_over_kernel_inputs(bind: Callable, g: Array, w: Array, window: Window) -> Array:
    x = bind(g, _fold_kernel_inputs(w), window=window)
    return _unfold(x, w.shape[0], window.groups)


def _batched_over_inputs(bind: Callable, x: Array, g: Array, window: Window) -> Array:
    w = bind(_fold(x, window.groups), g, window=window)
    return _unfold_kernel_inputs(w, x.shape[0])


def _batched_over_groups(bind: Callable, a: Array, b: Array, window: Window) -> Array:
    n = a.shape[0]
    return _unfold(bind(_fold(a, 1), _fold(b, 1), window=window._replace(groups=n * window.groups)), n, 1)


def _batching_rule(bind: Callable, over_first: Callable, over_second: Callable) -> Callable:
    def rule(operands, axes, *, window):
        a, b = (u if axis is None else jnp.moveaxis(u, axis, 0) for u, axis in zip(operands, axes))
        if axes[1] is None:
            return over_first(bind, a, b, window), 0
        if axes[0] is None:
            return over_second(bind, a, b, window), 0
        return _batched_over_groups(bind, a, b, window), 0

    return rule


# The primitives.


def _same_varying_axes(a: Array, b: Array) -> tuple[Array, Array]:
    """Under `shard_map(check_vma=True)` an operand that is the same on every device is marked as varying, as stock
    operations do, so that its gradient is summed over devices."""
    try:
        axes_a, axes_b = (jax.typeof(u).mat.varying for u in (a, b))
    except AttributeError:
        return a, b
    if axes_a == axes_b:
        return a, b
    return (
        lax.pcast(a, tuple(axes_b - axes_a), to="varying"),
        lax.pcast(b, tuple(axes_a - axes_b), to="varying"),
    )


def _primitives() -> tuple[Callable, Callable, Callable]:
    """The convolution, its input adjoint and its filter adjoint, each (operand, operand, *, window) -> result."""
    from jax.extend.core import Primitive
    from jax.interpreters import ad, batching, mlir

    def register(name, shape, stock, fast, over_first, over_second):
        primitive = Primitive(name)

        def bind(a, b, *, window):
            return primitive.bind(*_same_varying_axes(a, b), window=window)

        primitive.def_impl(jax.jit(bind, static_argnames="window"))
        primitive.def_abstract_eval(lambda a, b, *, window: a.update(shape=shape(a, b, window), weak_type=False))
        mlir.register_lowering(primitive, mlir.lower_fun(stock, multiple_results=False))
        for platform, form in fast.items():
            mlir.register_lowering(primitive, mlir.lower_fun(form, multiple_results=False), platform=platform)
        batching.primitive_batchers[primitive] = _batching_rule(bind, over_first, over_second)
        return primitive, bind

    y_p, y = register(
        "gan_convolution",
        _output_shape,
        _stock_convolution,
        {"cpu": cpu.convolution, "tpu": tpu.reading_kernel(_stock_convolution)},
        _batched_over_batch,
        _batched_over_outputs,
    )
    x_p, x = register(
        "gan_convolution_input_adjoint",
        _input_shape,
        _stock_input_adjoint,
        {"cpu": cpu.input_adjoint, "tpu": tpu.reading_kernel(_stock_input_adjoint)},
        _batched_over_batch,
        _batched_over_kernel_inputs,
    )
    w_p, w = register(
        "gan_convolution_filter_adjoint",
        _filter_shape,
        _stock_filter_adjoint,
        {"cpu": cpu.filter_adjoint, "tpu": tpu.writing_kernel(_stock_filter_adjoint)},
        _batched_over_inputs,
        _batched_over_outputs,
    )
    # The rules get (cotangent, first operand, second operand), the one they are the derivative of being undefined.
    ad.defbilinear(
        y_p,
        lambda ct, _, kernel, window: x(ct, kernel, window=window),
        lambda ct, image, _, window: w(image, ct, window=window),
    )
    ad.defbilinear(
        x_p,
        lambda ct, _, kernel, window: y(ct, kernel, window=window),
        lambda ct, g, _, window: w(ct, g, window=window),
    )
    ad.defbilinear(
        w_p,
        lambda ct, _, g, window: x(g, ct, window=window),
        lambda ct, image, _, window: y(image, ct, window=window),
    )
    return y, x, w


try:
    _convolution, _input_adjoint, _filter_adjoint = _primitives()
except (ImportError, AttributeError, TypeError) as error:
    warnings.warn(
        f"jaxgan's convolutions fall back to stock jax.lax, slow on CPU: the extension points of jax {jax.__version__} "
        f"are not those known ({error})",
        stacklevel=1,
    )
    _convolution, _input_adjoint = _stock_convolution, _stock_input_adjoint


# Functions.


def conv(
    x: Array,
    w: Array,
    *,
    stride: int | Pair = 1,
    padding: Padding = None,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Array:
    """Convolution without kernel flip: x [B, H, W, C], w [kh, kw, C // groups, O] -> [B, h, w, O].

    padding: pixels of zeros on each side, or ((top, bottom), (left, right)); negative values crop. None means
    (k - 1) * dilation // 2 on each side: an odd kernel keeps the size at stride 1, a 4x4 one halves an even size at
    stride 2. Raises InputError where the shapes do not fit.
    """
    check_operands(x, w, w.shape[2] * groups if w.ndim == 4 else 0, groups)
    kernel, dilation = w.shape[:2], pair(dilation, "dilation")
    window = Window(
        input=x.shape[1:3],
        kernel=kernel,
        stride=pair(stride, "stride"),
        padding=centred(kernel, dilation) if padding is None else paddings(padding),
        dilation=dilation,
        groups=groups,
        precision=jax.config.jax_default_matmul_precision,
    )
    if min(window.output) < 1:
        raise InputError(
            f"convolution: a {kernel} kernel does not fit {window.input} pixels padded by {window.padding}"
        )
    return _convolution(x, w, window=window)


def conv_transpose(
    x: Array,
    w: Array,
    *,
    stride: int | Pair = 2,
    padding: Padding = None,
    dilation: int | Pair = 1,
    groups: int = 1,
    output_shape: Pair | None = None,
) -> Array:
    """The adjoint of `conv` in its input: x [B, h, w, C], w [kh, kw, O // groups, C] -> [B, H, W, O].

    w is the kernel of the convolution from O to C channels whose adjoint this is; the taps are not flipped. As in
    PyTorch's ConvTranspose2d, H = (h - 1) * stride + (kh - 1) * dilation + 1 - top - bottom, where `padding` is that of
    the convolution. padding None makes H = h * stride. `output_shape` asks for another (H, W), cut or
    continued at its bottom and right edges: anything from where the last pixel of x still counts to where the taps end
    or, like PyTorch's output_padding, stride - 1 past the size above.
    """
    check_operands(x, w, w.shape[3] if w.ndim == 4 else 0, groups)
    kernel, stride, dilation = w.shape[:2], pair(stride, "stride"), pair(dilation, "dilation")
    extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation))
    if padding is None:
        padding = tuple(((e - s) // 2, e - s - (e - s) // 2) for e, s in zip(extent, stride))
    padding = paddings(padding)
    reach = tuple((n - 1) * s + e - low for n, s, e, (low, _) in zip(x.shape[1:3], stride, extent, padding))
    size = tuple(r - high for r, (_, high) in zip(reach, padding))
    if output_shape is not None:
        largest = tuple(max(r, n + s - 1) for r, n, s in zip(reach, size, stride))
        size = pair(output_shape, "output_shape")
        if any(not r - e < n <= limit for n, r, e, limit in zip(size, reach, extent, largest)):
            raise InputError(
                f"convolution: output_shape {size} cannot be made from {x.shape[1:3]} pixels with a {kernel} kernel, "
                f"stride {stride} and padding {padding}; the largest is {largest}"
            )
    if min(size) < 1:
        raise InputError(f"convolution: padding {padding} leaves an output of {size} pixels; use less")
    window = Window(size, kernel, stride, padding, dilation, groups, jax.config.jax_default_matmul_precision)
    if window.output != x.shape[1:3]:
        padding = tuple((low, r - n) for (low, _), r, n in zip(padding, reach, size))
        window = window._replace(padding=padding)
    return _input_adjoint(x, w, window=window)


# Modules.


class Conv(nn.Module):
    """`conv` with a learned "kernel" [kh, kw, C // groups, features] and "bias" [features].

    Parameters are float32; the computation and the result are in `dtype`. See `conv` for `padding`.
    """

    features: int
    kernel_size: int | Pair = (3, 3)
    stride: int | Pair = 1
    padding: Padding = None
    dilation: int | Pair = 1
    groups: int = 1
    use_bias: bool = True
    kernel_init: Callable = nn.initializers.lecun_normal()
    bias_init: Callable = nn.initializers.zeros_init()
    dtype: str | jnp.dtype = "float32"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels = x.shape[-1]
        if self.groups < 1 or channels % self.groups or self.features % self.groups:
            raise InputError(
                f"Conv: {channels} to {self.features} channels cannot be divided into groups={self.groups}"
            )
        shape = (*pair(self.kernel_size, "kernel_size"), channels // self.groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        y = conv(
            x.astype(self.dtype),
            kernel.astype(self.dtype),
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        if self.use_bias:
            y = y + self.param("bias", self.bias_init, (self.features,)).astype(self.dtype)
        return y


class ConvTranspose(nn.Module):
    """`conv_transpose` with a learned "kernel" [kh, kw, features, C] and "bias" [features].

    The kernel is stored as that of the convolution from `features` to C channels that this is the adjoint of, so its
    axes are (height, width, output, input): an initialiser that counts fan-in needs `in_axis=-1, out_axis=-2`, as the
    default has. See `conv_transpose` for `padding` and `output_shape`.
    """

    features: int
    kernel_size: int | Pair = (4, 4)
    stride: int | Pair = 2
    padding: Padding = None
    use_bias: bool = True
    kernel_init: Callable = nn.initializers.lecun_normal(in_axis=-1, out_axis=-2)
    bias_init: Callable = nn.initializers.zeros_init()
    dtype: str | jnp.dtype = "float32"
    output_shape: Pair | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (*pair(self.kernel_size, "kernel_size"), self.features, x.shape[-1])
        kernel = self.param("kernel", self.kernel_init, shape)
        y = conv_transpose(
            x.astype(self.dtype),
            kernel.astype(self.dtype),
            stride=self.stride,
            padding=self.padding,
            output_shape=self.output_shape,
        )
        if self.use_bias:
            y = y + self.param("bias", self.bias_init, (self.features,)).astype(self.dtype)
        return y
