"""What every network family promises, over shapes, labels and precisions; and what DCGAN promises beside."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import keys
from jaxgan.errors import InputError
from jaxgan.models import FAMILIES as ALL
from jaxgan.models.dcgan import _levels

BATCH, Z_DIM, CLASSES = 3, 6, 4
# Those that make images from images promise other things, which are held there.
OF_IMAGES = {"srgan": "tests/test_srgan.py", "pix2pix": "tests/test_pix2pix.py",
             "cyclegan": "tests/test_cyclegan.py"}
FAMILIES = {name: family for name, family in ALL.items() if name not in OF_IMAGES}
RESIDUAL = ("resnet", "biggan", "biggan_deep", "r3gan", "vit", "stylegan2", "stylegan3")
NORMED = {True: ("dcgan", "resnet", "biggan", "biggan_deep"), False: ("dcgan",)}  # by default, whether in G or in D
UNBOUNDED = ("r3gan", "vit", "stylegan2", "stylegan3")  # their last layer is linear
WIDE_STYLES = ("stylegan2", "stylegan3")  # dense layers are float32 whatever the dtype
TOKENS = ("vit",)  # the networks whose matrix products are of tokens [B, N, C]
WHOLE_BATCH = ("stylegan2", "stylegan3")  # the discriminator looks at the minibatch standard deviation
SMALL = {"mlp": {"width": 8, "depth": 2}, "dcgan": {"width": 4}, "resnet": {"width": 2}, "biggan": {"width": 2},
         "biggan_deep": {"width": 8, "depth": 1}, "r3gan": {"width": 4, "blocks": 1, "group_width": 4},
         "vit": {"width": 16, "depth": 4, "heads": 2, "patch": 4},
         "stylegan2": {"width": 4, "max_width": 8, "mapping_layers": 2, "float32_stages": 0},
         "stylegan3": {"width": 4, "max_width": 8, "mapping_layers": 2, "float32_stages": 0}}
SMALL_GENERATOR = {"stylegan3": {"num_layers": 3, "margin": 2}}  # fields that its discriminator does not have
SHAPES = {
    "mlp": [(28, 28, 1), (32, 32, 3), (48, 32, 4), (33, 29, 1), (1, 1, 2)],
    "dcgan": [(28, 28, 1), (32, 32, 3), (48, 32, 4), (33, 29, 1), (65, 65, 3), (8, 8, 1), (15, 100, 1)],
} | {name: [(8, 8, 1), (64, 96, 4)] for name in RESIDUAL}  # sides that can be halved
LABELS = {
    "none": (0, None),
    "class": (CLASSES, jnp.array([0, 3, 1])),
    "vector": (CLASSES, jnp.array([[1.0, 0, 0, 1], [0, 0, 0, 0], [0.5, 0.5, 0, 0]])),
    "ignored": (0, jnp.array([0, 3, 1])),
}
# Compiling takes nearly all of the time here, and most of that is optimization nobody profits from.
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
# The residual networks are long to trace: their larger shapes are tried with one kind of label.
CASES = [(name, shape, labels) for name in FAMILIES for shape in SHAPES[name] for labels in LABELS
         if name not in RESIDUAL or max(shape) <= 8 or labels == "class"]


def networks(name, shape, num_classes=0, **fields):
    family = FAMILIES[name]
    return [network(image_shape=shape, num_classes=num_classes, **SMALL[name], **own, **fields)
            for network, own in ((family.Generator, SMALL_GENERATOR.get(name, {})), (family.Discriminator, {}))]


def initialise(network, argument, label=None, seed=0):
    return network.init(keys.root(seed), argument, label, train=True)


def in_numpy(function):
    """`function`, compiled, with what it returns in NumPy."""
    compiled = quick_jit(function)
    return lambda *arguments: jax.device_get(compiled(*arguments))


def latents(seed=0):
    return np.random.default_rng(seed).normal(size=(BATCH, Z_DIM)).astype(np.float32)


def dtypes(tree):
    return {str(leaf.dtype) for leaf in jax.tree.leaves(tree)}


def steps(program):
    """The equations of a program, those of its scans in their place."""
    for step in program.eqns:
        yield from steps(step.params["jaxpr"]) if step.primitive.name == "scan" else (step,)


def tables(params):
    """The matrices that a label is read with: embeddings, and the maps of class-conditional normalization."""
    named = jax.tree.leaves_with_path(params)
    return [leaf for path, leaf in named if any(part in jax.tree_util.keystr(path) for part in ("embed", "'gain'"))]


class Pair(NamedTuple):
    """A small conditional pair for RGB, its compiled functions, and something to feed it. Arrays are NumPy's: what is
    asked of them compiles nothing."""

    name: str
    generator: nn.Module
    discriminator: nn.Module
    init: Callable  # (key) -> (generator's variables, discriminator's)
    generate: Callable  # (variables, z, label) -> image, evaluating
    judge: Callable  # (variables, image, label) -> logit, evaluating
    variables: tuple
    image: np.ndarray
    label: np.ndarray


LONG = ("biggan_deep", "stylegan3", "vit")  # to compile


@pytest.fixture(scope="module", params=[
    pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in FAMILIES])
def pair(request):
    shape = (8, 8, 3) if request.param in RESIDUAL else (17, 16, 3)
    generator, discriminator = networks(request.param, shape, CLASSES)
    label = np.asarray(LABELS["class"][1])
    image = np.random.default_rng(3).uniform(-1, 1, (BATCH, *shape)).astype(np.float32)

    @in_numpy
    def init(key):
        return (generator.init(keys.stream(key, "g"), latents(), label, train=True),
                discriminator.init(keys.stream(key, "d"), image, label, train=True))

    return Pair(request.param, generator, discriminator, init,
                in_numpy(lambda variables, z, label: generator.apply(variables, z, label, train=False)),
                in_numpy(lambda variables, *inputs: discriminator.apply(variables, *inputs, train=False).logit),
                init(keys.root(0)), image, label)


def gradient(network, argument, label, remat):
    """Of the sum of outputs in a training step, by the parameters, with the variables after it."""
    network = network.clone(remat=remat)

    def loss(params, others):
        output, after = network.apply({"params": params} | others, argument, label, train=True,
                                      mutable=list(others), rngs={"noise": keys.root(1)})
        return jnp.sum(output if isinstance(output, jax.Array) else output.logit), after
    return jax.grad(loss, has_aux=True)


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in ("biggan", "r3gan", "stylegan2") else
                                               pytest.mark.slow) for name in RESIDUAL])
def test_blocks_are_computed_again_where_a_field_says_so(name):
    label = jnp.array([0, 3, 1])
    for network, argument in zip(networks(name, (8, 8, 1), CLASSES), (latents(), jnp.zeros((BATCH, 8, 8, 1)))):
        variables = jax.eval_shape(functools.partial(initialise, network), argument, label)
        assert variables == jax.eval_shape(functools.partial(initialise, network.clone(remat=True)), argument, label)
        params = variables.pop("params")
        for remat in (False, True):
            program = jax.make_jaxpr(gradient(network, argument, label, remat))(params, variables)
            assert ("remat" in str(program)) == remat


@pytest.mark.slow
@pytest.mark.parametrize("name", ["biggan", "stylegan2"])
def test_what_is_computed_again_is_the_same(name):
    """Statistics move once, power iterations are made once, and noise is drawn alike."""
    network, label = networks(name, (8, 8, 1), CLASSES)[0], jnp.array([0, 3, 1])
    variables = quick_jit(functools.partial(initialise, network))(latents(), label)
    params = variables.pop("params")
    kept, again = (quick_jit(gradient(network, latents(), label, remat))(params, variables) for remat in (False, True))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), kept, again)


@pytest.mark.parametrize(("name", "shape", "labels"), CASES, ids=lambda value: str(value).replace(", ", "x"))
def test_shapes(name, shape, labels):
    num_classes, label = LABELS[labels]
    generator, discriminator = networks(name, shape, num_classes)

    def run(z):
        variables = initialise(generator, z, label)
        image, _ = generator.apply(variables, z, label, train=True, mutable=True)
        still = generator.apply(variables, z, label, train=False)
        critic = initialise(discriminator, image, label)
        output, _ = discriminator.apply(critic, image, label, train=True, mutable=True)
        return variables, critic, image, still, output, discriminator.apply(critic, image, label, train=False)

    variables, critic, image, still, output, evaluated = jax.eval_shape(run, latents())
    assert image.shape == still.shape == (BATCH, *shape)
    assert output.logit.shape == (BATCH,)
    assert output.features.shape[0] == BATCH
    assert output.features.ndim == 2
    assert output == evaluated
    assert dtypes((variables, critic, image, output)) == {"float32"}
    for params in (variables["params"], critic["params"]):
        assert any(CLASSES in leaf.shape[:1] for leaf in tables(params)) == (num_classes > 0)


def test_bfloat16_computes_narrow_and_answers_wide(pair):
    """Parameters, statistics, images and logits are float32; the matrix products are not."""
    generator, discriminator = (network.clone(dtype="bfloat16") for network in (pair.generator, pair.discriminator))

    def run(g, d, z):
        image, changed = generator.apply(g, z, pair.label, train=True, mutable=["batch_stats"])
        output, moved = discriminator.apply(d, image, pair.label, train=True, mutable=["batch_stats"])
        return image, changed, output, moved

    assert dtypes(jax.eval_shape(lambda z: initialise(generator, z, pair.label), latents())) == {"float32"}
    assert dtypes(jax.eval_shape(lambda x: initialise(discriminator, x, pair.label), pair.image)) == {"float32"}
    program = jax.make_jaxpr(run)(*pair.variables, latents())
    assert {str(out.dtype) for out in program.out_avals} == {"float32"}
    convolutions, dense = ("conv_general", "gan_convolution"), ("dot_general",) * (pair.name not in WIDE_STYLES)
    # In float32 are the vectors of spectral normalization, and what is not of tokens where there are tokens.
    rank = 3 if pair.name in TOKENS else 2
    products = [str(step.outvars[0].aval.dtype) for step in steps(program.jaxpr)
                if step.primitive.name.startswith(convolutions + dense)
                and step.outvars[0].aval.ndim >= rank]
    wide = len(dense) * (rank == 2)  # the last is the logit
    assert products == ["bfloat16"] * (len(products) - wide) + ["float32"] * wide
    assert len(products) >= 6
    inputs = pair.variables[0], latents(), pair.label
    narrow = in_numpy(functools.partial(generator.apply, train=False))(*inputs)
    expected = pair.generate(*inputs)
    np.testing.assert_allclose(narrow, expected, atol=0.05 * max(1, np.abs(expected).max()))


def test_images_are_in_range_and_depend_on_z(pair):
    variables, _ = pair.variables
    loud = variables | {"params": jax.tree.map(lambda leaf: leaf * 20, variables["params"])}
    image = pair.generate(loud, latents(), pair.label)
    assert 0.5 < np.abs(image).max() <= (np.inf if pair.name in UNBOUNDED else 1)
    images = [pair.generate(variables, latents(seed), pair.label) for seed in (0, 1)]
    assert np.abs(images[0] - images[1]).max(axis=(1, 2, 3)).min() > 1e-4


def test_the_label_changes_the_output(pair):
    g, d = pair.variables
    other = (pair.label + 1) % CLASSES
    images = [pair.generate(g, latents(), label) for label in (pair.label, other)]
    assert np.abs(images[0] - images[1]).max(axis=(1, 2, 3)).min() > 1e-4
    logits = [pair.judge(d, pair.image, label) for label in (pair.label, other)]
    assert np.abs(logits[0] - logits[1]).min() > 1e-6
    with pytest.raises(InputError, match="give it a label"):
        pair.generate(g, latents(), None)


def test_evaluation_sees_each_example_alone(pair):
    """The first answer stays when the rest of the batch is exchanged, but for discriminators of whole batches."""
    def exchanged(batch, by):
        return np.concatenate([batch[:1], np.full_like(batch[1:], by)])
    g, d = pair.variables
    z, image = latents(), pair.image
    images = [pair.generate(g, z, pair.label) for z in (z, exchanged(z, 2))]
    np.testing.assert_allclose(images[0][0], images[1][0], atol=1e-6)
    logits = [pair.judge(d, image, pair.label) for image in (image, exchanged(image, 1))]
    assert np.allclose(logits[0][0], logits[1][0], atol=1e-6) == (pair.name not in WHOLE_BATCH)


def test_training_moves_every_statistic_and_evaluation_none(pair):
    for network, variables, argument in zip((pair.generator, pair.discriminator), pair.variables,
                                            (latents(1), pair.image / 2)):
        statistics = variables.get("batch_stats", {})
        for train in (True, False):
            def run(variables, argument, network=network, train=train):
                return network.apply(variables, argument, pair.label, train=train, mutable=["batch_stats"])[1]
            compiled = in_numpy(run) if statistics else functools.partial(jax.eval_shape, run)  # no numbers to see
            after = compiled(variables, argument).get("batch_stats", {})
            changed = jax.tree.map(lambda new, old: bool(np.any(new != old)), after, statistics)
            assert set(jax.tree.leaves(changed)) <= {train}
        assert bool(statistics) == (pair.name in NORMED[network is pair.generator])


def test_seeds_give_different_parameters(pair):
    first, again, other = pair.variables, pair.init(keys.root(0)), pair.init(keys.root(1))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    kernels = [[leaf for leaf in jax.tree.leaves(variables) if leaf.ndim > 1 and leaf.any()]  # some start at zero
               for variables in (first, other)]
    assert all(not np.array_equal(a, b) for a, b in zip(*kernels))


def test_every_parameter_of_a_pair_gets_a_gradient(pair):
    g, d = pair.variables

    def logits(params, g, d, z):
        image, _ = pair.generator.apply(g | {"params": params[0]}, z, pair.label, train=True, mutable=["batch_stats"])
        output, _ = pair.discriminator.apply(d | {"params": params[1]}, image, pair.label, train=True,
                                             mutable=["batch_stats"])
        return (output.logit * np.arange(1, BATCH + 1, dtype=np.float32)).sum()

    # Not at the start itself: there the gain of self-attention is 0, and so are the gradients behind it.
    params = jax.tree.map(lambda leaf: np.where(leaf == 0, np.float32(0.1), leaf), (g["params"], d["params"]))
    gradients = in_numpy(jax.grad(logits))(params, g, d, latents())
    for path, leaf in jax.tree.leaves_with_path(gradients):
        assert np.isfinite(leaf).all(), path
        assert np.any(leaf), path


def test_mlp_output():
    """Linear outputs may leave [-1, 1], tanh ones may not."""
    for output, largest in (("linear", 3.0), ("tanh", np.tanh(3.0))):
        generator = FAMILIES["mlp"].Generator(image_shape=(1, 1, 2), output=output, **SMALL["mlp"])
        shapes = jax.eval_shape(lambda z, generator=generator: initialise(generator, z), latents())
        variables = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
        variables["params"]["output"]["bias"][:] = 3.0
        np.testing.assert_allclose(generator.apply(variables, latents(), train=False), largest, rtol=1e-6)
    with pytest.raises(InputError, match=r"config\.generator\.output: there is no 'sine'"):
        initialise(generator.clone(output="sine"), latents())
    with pytest.raises(InputError, match=r"config\.generator\.activation: there is no 'rleu'.*'relu'"):
        initialise(generator.clone(activation="rleu"), latents())


@pytest.mark.parametrize(("spectral", "least", "most"), [(True, 0.01, 1.001), (False, 10, np.inf)])
def test_the_slope_of_a_spectral_mlp(spectral, least, most):
    """Once power iteration has settled, the steepest slope of the logit is at most 1, however large the kernels."""
    points = jax.random.normal(keys.root(0), (64, 1, 1, 2))
    discriminator = FAMILIES["mlp"].Discriminator(image_shape=(1, 1, 2), width=8, depth=3, spectral=spectral)

    @quick_jit
    def steepest():
        variables = dict(initialise(discriminator, points))
        variables["params"] = jax.tree.map(lambda leaf: leaf * 10, variables["params"])
        def settle(_, variables):
            return variables | discriminator.apply(variables, points, train=True, mutable=["spectral"])[1]
        variables = jax.lax.fori_loop(0, 30, settle, variables)
        slopes = jax.grad(lambda x: discriminator.apply(variables, x, train=False).logit.sum())(points)
        return jnp.linalg.norm(slopes, axis=-1).max()

    assert least < steepest() < most


@pytest.mark.parametrize(("shape", "sizes", "widths"), [
    ((64, 64, 3), [(64, 64), (32, 32), (16, 16), (8, 8), (4, 4)], [3, 64, 128, 256, 512]),
    ((28, 28, 1), [(28, 28), (14, 14), (7, 7)], [1, 64, 128]),
    ((65, 48, 3), [(65, 48), (32, 24), (16, 12), (8, 6)], [3, 64, 128, 256]),
    ((256, 256, 3), [(256 >> i, 256 >> i) for i in range(7)], [3, 64, 128, 256, 512, 512, 512]),
])
def test_dcgan_levels(shape, sizes, widths):
    assert _levels(shape, 64, 512) == (sizes, widths)


def test_dcgan_without_normalization_has_biases_and_no_statistics():
    for network, argument in zip(networks("dcgan", (16, 16, 1), norm="none"), (latents(), jnp.zeros((1, 16, 16, 1)))):
        variables = jax.eval_shape(lambda x, network=network: initialise(network, x), argument)
        assert set(variables) == {"params"}
        assert all("bias" in layer for layer in variables["params"].values())
    with pytest.raises(InputError, match=r"config\.discriminator\.norm: there is no 'bacth'.*'batch'"):
        initialise(networks("dcgan", (16, 16, 1), norm="bacth")[1], jnp.zeros((1, 16, 16, 1)))


def test_dcgan_refuses_what_it_cannot_halve():
    with pytest.raises(InputError, match="dcgan needs images of 8x8 or more, not 1x1"):
        initialise(networks("dcgan", (1, 1, 2))[0], latents())


@pytest.mark.parametrize("pair", ["dcgan"], indirect=True)
def test_dcgan_kernels_start_as_the_paper_says(pair):
    """N(0, 0.02^2) over all kernels together, thousands of numbers."""
    kernels = [layer["kernel"].ravel() for variables in pair.variables for layer in variables["params"].values()
               if "kernel" in layer]
    assert len(kernels) == 6
    assert np.concatenate(kernels).std() == pytest.approx(0.02, rel=0.05)
    assert abs(np.concatenate(kernels).mean()) < 0.001
