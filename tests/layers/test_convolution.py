"""The convolution primitives against stock jax.lax, in every mode of differentiation and every way of running them."""

import functools
import importlib.util
import re
import warnings

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxgan.layers import _convolution_tpu, convolution
from jaxgan.layers._convolution_window import Window
from jaxgan.layers.convolution import Conv, ConvTranspose, conv, conv_transpose

# name: (x shape, w shape, arguments). The CPU form each adjoint takes is in brackets where it is a special one.
CASES = {
    "1x1 [one matrix product]": ((5, 4, 3, 5), (1, 1, 5, 6), {}),
    "1x1 stride 2 [empty phases]": ((5, 5, 4, 5), (1, 1, 5, 6), {"stride": 2}),
    "3x3": ((5, 5, 5, 5), (3, 3, 5, 6), {}),
    "4x4 stride 2 [phases]": ((5, 6, 6, 5), (4, 4, 5, 6), {"stride": 2}),
    "5x5 stride 3, cut phases": ((5, 8, 7, 5), (5, 5, 5, 6), {"stride": 3}),
    "not square": ((5, 7, 5, 5), (3, 2, 5, 6), {"stride": (2, 1)}),
    "asymmetric padding": ((5, 5, 4, 5), (3, 3, 5, 6), {"stride": 2, "padding": ((0, 2), (3, 1))}),
    "cropping and wide padding": ((5, 5, 4, 5), (2, 2, 5, 6), {"padding": ((-1, 4), (3, -2))}),
    "cropping, strided": ((5, 6, 6, 5), (2, 3, 5, 6), {"stride": 2, "padding": ((-1, 3), (4, -2))}),
    "groups": ((5, 4, 4, 4), (3, 3, 2, 6), {"groups": 2}),
    "many groups [loop]": ((5, 3, 3, 34), (2, 2, 2, 17), {"groups": 17, "stride": 2}),
    "many narrow groups [columns by rows]": (
        (5, 5, 6, 85),
        (3, 2, 5, 102),
        {"groups": 17, "dilation": (2, 1), "padding": ((0, 3), (-1, 2))},
    ),
    "many narrow groups, cropping": ((5, 6, 5, 85), (2, 3, 5, 102), {"groups": 17, "padding": ((-2, 4), (3, -1))}),
    "few images [columns by rows]": ((2, 5, 6, 5), (3, 2, 5, 6), {"dilation": (1, 2), "padding": ((1, 3), (-1, 2))}),
    "few images, strided [columns]": ((2, 6, 5, 5), (3, 4, 5, 6), {"stride": (1, 2)}),
    "few images, groups [at once]": ((1, 5, 4, 6), (3, 3, 2, 9), {"groups": 3, "stride": 2}),
    "depthwise": ((5, 6, 5, 3), (3, 3, 1, 6), {"groups": 3, "stride": 2}),
    "dilation": ((5, 6, 6, 5), (3, 2, 5, 6), {"dilation": 2}),
    "dilation and stride [phases with gaps]": ((5, 9, 8, 5), (3, 3, 5, 6), {"dilation": (2, 3), "stride": (3, 2)}),
    "few channels [columns and scatter]": ((5, 6, 6, 3), (4, 4, 3, 5), {"stride": 2, "dilation": (1, 2), "padding": 3}),
    "one channel [columns, all three]": ((5, 6, 6, 1), (3, 4, 1, 5), {"stride": (1, 2)}),
    "wide to narrow [swapped roles, opposite]": (
        (5, 5, 4, 8),
        (3, 3, 8, 2),
        {"dilation": (2, 1), "padding": ((0, 1), (3, 2))},
    ),
    "patches [too many phases]": ((5, 10, 10, 5), (5, 5, 5, 6), {"stride": 5, "padding": 0}),
    "large kernel [too many taps]": ((5, 9, 9, 1), (9, 9, 1, 2), {"stride": 2}),
}
TRANSPOSED_CASES = {
    "4x4 stride 2": ((5, 3, 3, 6), (4, 4, 5, 6), {}, (6, 6)),
    "torch output_padding": ((5, 3, 2, 6), (3, 3, 5, 6), {"padding": 1, "output_shape": (6, 4)}, (6, 4)),
    "cut": ((5, 4, 4, 6), (4, 4, 3, 6), {"padding": 1, "output_shape": (7, 8)}, (7, 8)),
    "1x1 to image": ((5, 1, 1, 6), (4, 3, 5, 6), {"stride": 1, "padding": 0}, (4, 3)),
    "groups, dilation": ((5, 3, 3, 4), (3, 2, 3, 4), {"groups": 2, "dilation": 2, "padding": 2}, (5, 3)),
    "many narrow groups": ((5, 3, 4, 85), (3, 2, 5, 85), {"groups": 17, "stride": 1, "padding": 0}, (5, 5)),
}


def stock(x, w, *, stride=1, padding=None, dilation=1, groups=1):
    stride, dilation = (value if isinstance(value, tuple) else (value, value) for value in (stride, dilation))
    if padding is None:
        padding = tuple(((k - 1) * d // 2,) * 2 for k, d in zip(w.shape[:2], dilation))
    elif isinstance(padding, int):
        padding = ((padding, padding),) * 2
    return lax.conv_general_dilated(
        x, w, stride, padding, rhs_dilation=dilation, feature_group_count=groups,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip


def stock_transpose(x, w, *, shape, low, stride=2, dilation=1, groups=1):
    """The gradient of the stock convolution that reads an image of `shape`, `high` padding so as to give x's size."""
    high = [(n - 1) * stride + (k - 1) * dilation + 1 - low - s for n, k, s in zip(x.shape[1:3], w.shape[:2], shape)]
    padding = tuple((low, h) for h in high)
    image = jnp.zeros((x.shape[0], *shape, w.shape[2] * groups), x.dtype)
    forward = functools.partial(stock, w=w, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return jax.vjp(forward, image)[1](x)[0]


# These programs are compiled often and run once.
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def draw(*shapes, dtype=np.float64):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def first_order(op, x, w, g, tx, tw):
    value, pull = jax.vjp(op, x, w)
    return {"value": value, "vjp": pull(g), "jvp": jax.jvp(op, (x, w), (tx, tw))[1]}


def every_mode(op, x, w, g, tx, tw):
    """The first order and the three second orders of a cubic of `op`."""
    both = functools.partial(jax.grad, argnums=(0, 1))

    def f(x, w):
        return jnp.sum(g * op(x, w) ** 3)

    def norm(x, w):
        return sum(jnp.sum(d**2) for d in both(f)(x, w))

    return first_order(op, x, w, g, tx, tw) | {
        "reverse over reverse": both(norm)(x, w),
        "forward over reverse": jax.jvp(both(f), (x, w), (tx, tw))[1],
        "reverse over forward": both(lambda x, w: jax.jvp(f, (x, w), (tx, tw))[1])(x, w),
    }


def assert_close(ours, expected, tolerance=1e-11):
    """In NumPy, which compiles nothing for it."""
    def check(path, a, b):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        error = np.max(np.abs(a - b)) / max(np.max(np.abs(b)), 1e-30)
        assert error <= tolerance, f"{jax.tree_util.keystr(path)}: relative error {error}"

    jax.tree_util.tree_map_with_path(check, *jax.device_get((ours, expected)))


def assert_same(modes, op, reference, x_shape, w_shape):
    with jax.enable_x64(True):
        g_shape = jax.eval_shape(reference, *draw(x_shape, w_shape)).shape
        operands = draw(x_shape, w_shape, g_shape, x_shape, w_shape)
        ours, expected = (quick_jit(functools.partial(modes, f))(*operands) for f in (op, reference))
        assert_close(ours, expected)


@pytest.mark.parametrize("case", CASES)
def test_conv_and_its_gradients_equal_stock(case):
    x_shape, w_shape, arguments = CASES[case]
    ours, reference = (functools.partial(f, **arguments) for f in (conv, stock))
    assert_same(first_order, ours, reference, x_shape, w_shape)


@pytest.mark.parametrize("case", ["not square", "asymmetric padding", "groups"])
def test_second_orders_equal_stock(case):
    x_shape, w_shape, arguments = CASES[case]
    ours, reference = (functools.partial(f, **arguments) for f in (conv, stock))
    assert_same(every_mode, ours, reference, x_shape, w_shape)


@pytest.mark.parametrize("case", TRANSPOSED_CASES)
def test_conv_transpose_and_its_gradients_equal_the_stock_gradient(case):
    x_shape, w_shape, arguments, shape = TRANSPOSED_CASES[case]
    known = {name: arguments[name] for name in arguments if name in ("stride", "dilation", "groups")}
    reference = functools.partial(stock_transpose, shape=shape, low=arguments.get("padding", 1), **known)
    modes = every_mode if case == "4x4 stride 2" else first_order
    assert_same(modes, functools.partial(conv_transpose, **arguments), reference, x_shape, w_shape)


def pullback(x, w, g, **arguments):
    """All three primitives."""
    y, pull = jax.vjp(lambda x, w: conv(x, w, **arguments), x, w)
    return y, *pull(g)


run_pullback = quick_jit(pullback, static_argnames=("stride", "groups"))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("axes", ["x", "w", "g", "xwg", *(
    pytest.param(pair, marks=pytest.mark.slow) for pair in ("xw", "xg", "wg"))])  # each primitive reads two of them
def test_vmap_over_any_operands_equals_a_loop(axes, groups):
    x, w, g = draw((3, 2, 4, 4, 4), (3, 3, 3, 4 // groups, 2), (3, 2, 4, 4, 2), dtype=jnp.float32)
    run = functools.partial(run_pullback, groups=groups)
    operands = [u if name in axes else u[0] for name, u in zip("xwg", (x, w, g))]
    in_axes = tuple(0 if name in axes else None for name in "xwg")
    one = [run(*(u[i] if name in axes else u for name, u in zip("xwg", operands))) for i in range(3)]
    every = quick_jit(jax.vmap(functools.partial(pullback, groups=groups), in_axes))(*operands)
    assert_close(every, jax.tree.map(lambda *u: np.stack(u), *one), 1e-5)


def test_nested_vmap_over_any_axis():
    x, w = draw((2, 4, 3, 4, 4), (3, 3, 4, 2, 6), dtype=jnp.float32)  # three images on axis 2, two kernels on axis 3
    y = np.asarray(jax.vmap(jax.vmap(conv, in_axes=(None, 3)), in_axes=(2, None), out_axes=4)(x, w))
    for i in range(3):
        for j in range(2):
            assert_close(y[j, ..., i, :], conv(x[:, :, i], w[..., j, :]), 1e-5)


def loss(w, x):
    """Three convolutions whose gradients take several forms: a discriminator reading what a generator wrote."""
    h = jnp.tanh(conv(x, w["down"], stride=2))
    h = jnp.tanh(conv_transpose(h, w["up"], padding=1))
    return jnp.sum(conv(h, w["grouped"], groups=2) ** 2)


def network(batch=8):
    x, *kernels = draw((batch, 8, 8, 6), (4, 4, 6, 5), (4, 4, 6, 5), (3, 3, 3, 4), dtype=jnp.float32)
    return dict(zip(("down", "up", "grouped"), kernels)), x / 4


run_gradient = quick_jit(jax.grad(loss))


def penalized(w, x):
    """Second order: a gradient penalty."""
    return jnp.sum(jax.grad(loss, argnums=1)(w, x) ** 2)


def test_per_example_gradients_sum_to_the_gradient():
    w, x = network(batch=18)  # more examples than are unrolled as groups
    each = jax.device_get(quick_jit(jax.vmap(jax.grad(loss), in_axes=(None, 0)))(w, x[:, None]))
    assert each["up"].shape == (18, *w["up"].shape)
    assert_close(jax.tree.map(lambda d: d.sum(0), each), run_gradient(w, x), 1e-5)
    assert_close(jax.tree.map(lambda d: d[3], each), run_gradient(w, x[3:4]), 1e-5)


def test_rematerialized_gradient_is_the_gradient():
    w, x = network(batch=2)
    assert_close(quick_jit(jax.grad(jax.checkpoint(loss)))(w, x), run_gradient(w, x), 1e-5)


def in_scan(w, x):
    def step(w, rate):
        return jax.tree.map(lambda w, d: w - rate * d, w, jax.grad(loss)(w, x)), None

    return lax.scan(step, w, jnp.array([1.0, 0.0, 0.0]))[0]


def in_while(w, x):
    def step(carry):
        i, w = carry
        return i + 1, jax.tree.map(jnp.subtract, w, jax.grad(loss)(w, x))

    return lax.while_loop(lambda carry: (carry[0] < 1) & (x[0, 0, 0, 0] < 1e9), step, (0, w))[1]


def in_cond(w, x):
    return lax.cond(x[0, 0, 0, 0] < 1e9, lambda: jax.tree.map(jnp.subtract, w, jax.grad(loss)(w, x)), lambda: w)


def differentiated_scan(w, x):
    def total(w):
        return lax.scan(lambda total, x: (total + penalized(w, x), None), 0.0, jnp.stack([x, x]))[0] / 2

    return jax.grad(total)(w)


@pytest.mark.parametrize("body", [in_scan, in_while, in_cond, differentiated_scan])
def test_convolutions_in_loops_and_branches_keep_the_fast_layout(body):
    """XLA-CPU runs a convolution of any other layout 20 to 100 times slower there."""
    w, x = network(batch=2)
    compiled = quick_jit(body).lower(w, x).compile()
    layouts = re.findall(r" convolution\(.*dim_labels=([^ ,]+)(.*)", compiled.as_text())
    assert len(layouts) >= 6
    assert {labels for labels, _ in layouts} == {"b01f_01io->b01f"}
    assert not any("group_count" in rest for _, rest in layouts)
    if body is differentiated_scan:
        expected = quick_jit(jax.grad(penalized))(w, x)
    else:
        expected = jax.tree.map(np.subtract, w, jax.device_get(run_gradient(w, x)))
    assert_close(compiled(w, x), expected, 1e-5)


def lowered(op, platform, inputs, outputs, groups):
    """The convolutions of a value and its gradients, as lines of text."""

    def f(x, w):
        return jnp.sum(op(x, w, stride=2, dilation=(1, 2), groups=groups) ** 3)

    shapes = (2, 8, 8, inputs), (3, 3, inputs // groups, outputs)
    x, w = (jax.ShapeDtypeStruct(shape, "float32") for shape in shapes)
    text = jax.jit(jax.value_and_grad(f, argnums=(0, 1))).trace(x, w).lower(lowering_platforms=(platform,)).as_text()
    return sorted(re.sub(r"%\w+", "%", line) for line in text.splitlines() if "stablehlo.convolution" in line)


@pytest.mark.parametrize("case", [
    ("cuda", 4, 6, 2), ("cuda", 192, 192, 12), ("tpu", 4, 6, 1), ("tpu", 128, 192, 2), ("tpu", 128, 128, 128),
])
def test_accelerators_get_what_stock_lax_emits(case):
    assert len(lowered(conv, *case)) == 3
    assert lowered(conv, *case) == lowered(stock, *case)


def test_tpus_get_groups_that_fill_their_units():
    """Twelve groups of 16 channels become two of 96."""
    found = lowered(conv, "tpu", 192, 192, 12)
    assert [sorted(re.findall(r"group_count = (\d+)", line)) for line in found] == [["1", "2"]] * 3
    assert all("x96x" in line for line in found)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_joined_groups_are_the_same_convolution(monkeypatch, count):
    """Also where inputs and outputs of a group differ in number, and where not all groups fit into one."""
    monkeypatch.setattr(_convolution_tpu, "joined", lambda groups, inputs, outputs: count)
    x, w, g = draw((2, 7, 6, 12), (3, 2, 2, 18), (2, 4, 3, 18))
    window = Window((7, 6), (3, 2), (2, 2), ((1, 1), (0, 1)), (1, 1), groups=6)
    for operation, form, operands in (
        (convolution._stock_convolution, _convolution_tpu.reading_kernel, (x, w)),
        (convolution._stock_input_adjoint, _convolution_tpu.reading_kernel, (g, w)),
        (convolution._stock_filter_adjoint, _convolution_tpu.writing_kernel, (x, g)),
    ):
        expected, found = (jax.jit(functools.partial(each, window=window))(*operands)
                           for each in (operation, form(operation)))
        assert_close(found, expected, 1e-5)


@pytest.mark.parametrize(("groups", "inputs", "outputs", "count"), [
    (12, 16, 16, 6), (96, 16, 16, 8), (48, 32, 8, 4), (7, 16, 16, 7), (11, 16, 16, 1), (4, 64, 64, 1), (256, 1, 1, 1),
])
def test_as_many_groups_are_joined_as_fill_a_unit(groups, inputs, outputs, count):
    assert _convolution_tpu.joined(groups, inputs, outputs) == count


def test_bfloat16_sums_in_float32():
    x, w, g = draw((4, 16, 16, 3), (4, 4, 3, 8), (4, 8, 8, 8), dtype=jnp.float32)
    run = functools.partial(run_pullback, stride=2)
    exact, narrow = jax.device_get((run(x, w, g), run(*(u.astype(jnp.bfloat16) for u in (x, w, g)))))
    for y, expected in zip(narrow, exact, strict=True):
        assert y.dtype == jnp.bfloat16
        # Half a unit in the last place of the operands and of the result, and no more for the length of the sum.
        assert np.max(np.abs(y.astype(np.float32) - expected)) < 0.008 * np.max(np.abs(expected))


def test_the_precision_in_force_where_it_is_called_counts():
    with jax.default_matmul_precision("highest"):
        jaxpr = jax.make_jaxpr(jax.grad(lambda x: conv(x, x[:1, :3, :, :].swapaxes(0, 2)).sum()))(
            jnp.ones((1, 3, 1, 1))
        )
    assert str(jaxpr).count("precision='highest'") == 3


@pytest.fixture
def mesh():
    assert jax.device_count() >= 8, "tests/conftest.py asks XLA for eight CPU devices"
    return jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))


def second_order(w, x):
    return jax.grad(lambda w: loss(w, x) + penalized(w, x))(w)


def test_a_sharded_batch_needs_one_reduction_and_no_gather(mesh):
    w, x = network()
    expected = quick_jit(second_order)(w, x)
    split = NamedSharding(mesh, P("data"))
    compiled = (
        quick_jit(second_order, in_shardings=(NamedSharding(mesh, P()), split), out_shardings=NamedSharding(mesh, P()))
        .lower(w, x)
        .compile()
    )
    assert not re.search(r"= \S+ (all-gather|all-to-all|collective-permute)\(", compiled.as_text())
    assert_close(compiled(w, jax.device_put(x, split)), expected, 1e-5)


run_both_gradients = quick_jit(jax.grad(loss, argnums=(0, 1)))


@pytest.mark.parametrize("check_vma", [True, False])
def test_shard_map_sums_the_gradient_of_what_devices_share(mesh, check_vma):
    w, x = network()

    def gradient(w, x):
        dw, dx = jax.grad(loss, argnums=(0, 1))(w, x)
        return (dw if check_vma else lax.psum(dw, "data")), dx

    run = jax.shard_map(gradient, mesh=mesh, in_specs=(P(), P("data")), out_specs=(P(), P("data")), check_vma=check_vma)
    assert_close(quick_jit(run)(w, x), run_both_gradients(w, x), 1e-5)


def test_pmap(mesh):
    w, x = network()
    run = jax.pmap(lambda w, x: lax.psum(jax.grad(loss)(w, x), "data"), axis_name="data", in_axes=(None, 0))
    ours = jax.tree.map(lambda d: d[0], jax.device_get(run(w, x[:, None])))
    assert_close(ours, run_gradient(w, x), 1e-5)


def test_without_extension_points_stock_lax_serves_with_one_warning(monkeypatch):
    monkeypatch.delattr(jax.extend.core, "Primitive")
    spec = importlib.util.spec_from_file_location("convolution_without_primitives", convolution.__file__)
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        spec.loader.exec_module(module)
        x, w = draw((2, 6, 6, 4), (4, 4, 2, 6), dtype=jnp.float32)

        def loss(layers, x, w):
            y = layers.conv_transpose(layers.conv(x, w, stride=2, groups=2), w, groups=2)
            return jnp.sum(y**2)

        ours, fallen_back = (
            quick_jit(jax.grad(functools.partial(loss, layers), argnums=(0, 1)))(x, w)
            for layers in (convolution, module)
        )
        assert_close(fallen_back, ours, 1e-5)
    assert ["fall back to stock jax.lax" in str(warning.message) for warning in caught] == [True]


def test_modules_are_the_functions_plus_bias():
    (x,) = draw((2, 3, 3, 4), dtype=jnp.float32)

    def bias(key, shape):
        return jnp.arange(shape[0], dtype=jnp.float32)

    module = Conv(6, 3, padding=((0, 1), (2, 0)), dilation=1, bias_init=bias)
    y, variables = quick_jit(module.init_with_output)(jax.random.key(0), x)
    expected = quick_jit(functools.partial(stock, padding=((0, 1), (2, 0))))(x, variables["params"]["kernel"])
    assert_close(y, expected + np.arange(6, dtype=np.float32), 1e-5)
    module = ConvTranspose(6, 5, stride=3, padding=1, output_shape=(10, 11), bias_init=bias)
    y, variables = quick_jit(module.init_with_output)(jax.random.key(0), x)
    kernel = variables["params"]["kernel"]
    expected = quick_jit(functools.partial(stock_transpose, shape=(10, 11), low=1, stride=3))(x, kernel)
    assert_close(y, expected + np.arange(6, dtype=np.float32), 1e-5)


def test_an_empty_batch_passes_through():
    y, dx, dw = run_pullback(jnp.ones((0, 4, 4, 5)), jnp.ones((3, 3, 5, 6)), jnp.ones((0, 4, 4, 6)))
    assert y.shape == (0, 4, 4, 6)
    assert dx.shape == (0, 4, 4, 5)
    assert not dw.any()
