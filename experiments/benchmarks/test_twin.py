"""The PyTorch twins do what jaxgan does: same weights, images and random numbers, and after three steps same weights.

    pip install -e '.[test,torch]' && pytest experiments/benchmarks
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxgan import config as configs
from jaxgan import data, keys
from jaxgan.data.pipeline import Batches, materialise
from jaxgan.experiment import PLAYERS, Experiment
from jaxgan.training.feed import Feed
from jaxgan.training.phases import due_phases
from jaxgan.training.update import make_steps

torch = pytest.importorskip("torch")

from twins import trainer as twins  # noqa: E402

STEPS = 3
# Adam divides by the root of the mean square: with its usual eps, gradients that are 0 but for rounding would move
# weights as far as any others.
COMMON = ("batch_size=8", "latent.dim=6", "total_kimg=0.05", *(
    f"optimizers.{player}.{text}" for player in PLAYERS for text in ("eps=0.01", "learning_rate=0.01")))
DCGAN = (*(f"{player}.{text}" for player in PLAYERS for text in ("width=4", "embed_dim=3", "init_std=0.1")),)
CASES = {
    "dcgan-28": ("experiments/benchmarks/sizes.py:dcgan", (*DCGAN, "data.resolution=28")),
    "dcgan-odd": ("experiments/benchmarks/sizes.py:dcgan", (*DCGAN, "data.resolution=(17, 24)", "data.labels=true")),
    "dcgan-8": ("experiments/benchmarks/sizes.py:dcgan", (*DCGAN, "data.resolution=8", "data.labels=true")),
    "dcgan-r1": ("configs/dcgan.py:tiny", DCGAN),
    "dragan": ("configs/dragan.py:tiny", (*DCGAN, "data.labels=false")),
    "wgan_gp": ("configs/wgan_gp.py:tiny", (
        "generator.width=1", "discriminator.width=2", "data.resolution=8", "data.labels=false", "conditioning={}")),
    "sagan": ("configs/sagan.py:tiny", ("generator.width=2", "discriminator.width=4", "data.resolution=16")),
    "sngan": ("configs/sngan.py:tiny", ("generator.width=1", "discriminator.width=2", "data.resolution=8")),
    "sngan-unconditional": ("configs/sngan.py:tiny", (
        "generator.width=1", "discriminator.width=2", "data.resolution=8", "data.labels=false", "average={}")),
    "r3gan": ("configs/r3gan.py:tiny", (
        "augmentation={}", "generator.width=4", "discriminator.width=4", "generator.multipliers=(2, 1)",
        "discriminator.multipliers=(1, 2)", "generator.group_width=4", "discriminator.group_width=4",
        "generator.embed_dim=3", "data.resolution=8",
        "optimizers.generator.learning_rate={'name': 'cosine', 'start': 0.02, 'end': 0.01, 'kimg': 0.03}")),
    "stylegan2": ("configs/stylegan2.py:tiny", (
        "generator.width=4", "discriminator.width=4", "generator.w_dim=5", "data.resolution=8",
        "regularizers.r1.every=2", "regularizers.path_length.every=2")),
    "stylegan2-residual": ("configs/stylegan2.py:tiny", (
        "generator.width=4", "discriminator.width=4", "generator.w_dim=5", "data.resolution=8", "data.labels=false",
        "generator.architecture=resnet", "discriminator.architecture=orig", "regularizers={}")),
}


@pytest.mark.parametrize("channels_last", [True, False], ids=["channels_last", "NCHW"])
@pytest.mark.parametrize("case", CASES)
def test_three_steps_agree(case, channels_last, monkeypatch):
    location, overrides = CASES[case]
    config = configs.load(location, [*COMMON, *overrides])
    source = data.open(config.data)
    experiment = Experiment(config, source.info, devices=jax.devices()[:1])
    trainer = twins.Trainer(config, source.info, channels_last, False, torch.device("cpu"))
    twins.refuse_what_differs(config, source.info)

    state = experiment.initial_state()
    ours = weights_of(state)
    for name, network in networks_of(trainer).items():
        network.load_state_dict(as_torch(ours[name], network), strict=False)
    draws = Given(experiment, state)
    trainer.draws = trainer.generator.draws = draws
    draws.replace(monkeypatch)
    before = {name: copied(network) for name, network in networks_of(trainer).items()}

    state, metrics = run(experiment, source, state)
    feed = twins.Feed(materialise(source), config, channels_last, torch.device("cpu"))
    losses = torch.stack([torch.stack(trainer.step(feed[step])) for step in range(STEPS)]).mean(0)

    np.testing.assert_allclose(losses, [metrics["d/loss"], metrics["g/loss"]], rtol=1e-4)
    for name, expected in weights_of(state).items():
        network = networks_of(trainer)[name]
        expected = as_torch(expected, network)
        found = copied(network)
        assert found.keys() == expected.keys()
        assert max(np.abs(found[key] - before[name][key]).max() for key in found) > 1e-3
        for key, tensor in found.items():
            np.testing.assert_allclose(tensor, expected[key], atol=2e-5, rtol=1e-4, err_msg=f"{name}.{key}")


def run(experiment, source, state):
    """STEPS steps of jaxgan: the state, and the metrics' means."""
    method = experiment.method
    feed = Feed(Batches(source, method.batch_size, experiment.config.seed), method.num_slots, experiment.parallel)
    steps = jax.jit(make_steps(method), static_argnames="due",
                    compiler_options={"xla_backend_optimization_level": 0})
    found = []
    for step in range(STEPS):
        state, metrics = steps(state, feed.steps(step, 1), feed.data, due=due_phases(method.phases, step))
        found.append(metrics)
    return state, {name: np.mean([metrics[name] for metrics in found]) for name in found[1]}


class Given(twins.Draws):
    """Random numbers for both sides: latents as jaxgan draws them; noise and mixing always the same for one shape."""

    def __init__(self, experiment, state):
        super().__init__(torch.device("cpu"))
        self.z = iter(list(latents(experiment, state)))

    def latents(self, kind, count, dim):
        return next(self.z)[:count]

    def noise(self, *shape):
        batch, channels, height, width = shape
        return torch.from_numpy(fixed((batch, height, width, channels))).permute(0, 3, 1, 2)

    def uniform(self, batch, channels, height, width):
        return torch.from_numpy(fixed_share((batch, height, width, channels))).permute(0, 3, 1, 2)

    def mixed(self, count, rows, share):
        first = torch.from_numpy(mixed_from(count, rows))
        return (torch.arange(count)[:, None, None] % 2 == 0) & (torch.arange(rows)[:, None] >= first)

    def replace(self, monkeypatch):
        """Makes jaxgan draw the same."""
        normal, randint, bernoulli = jax.random.normal, jax.random.randint, jax.random.bernoulli
        uniform = jax.random.uniform

        def noise(key, shape=(), dtype=float, **options):
            if len(shape) not in (3, 4):
                return normal(key, shape, dtype, **options)
            return jnp.asarray(fixed(shape if len(shape) == 4 else (*shape, 1)).reshape(shape))

        def share(key, shape=(), dtype=float, **options):
            return jnp.asarray(fixed_share(shape)) if len(shape) == 4 else uniform(key, shape, dtype, **options)

        monkeypatch.setattr(jax.random, "normal", noise)
        monkeypatch.setattr(jax.random, "uniform", share)
        monkeypatch.setattr(jax.random, "randint", lambda key, shape, low, high, *rest: (
            jnp.asarray(mixed_from(shape[0], high)) if len(shape) == 3 else randint(key, shape, low, high, *rest)))
        monkeypatch.setattr(jax.random, "bernoulli", lambda key, share, shape: (
            jnp.arange(shape[0]).reshape(shape) % 2 == 0 if len(shape) == 3 else bernoulli(key, share, shape)))


def fixed(shape):
    return np.random.default_rng(shape).standard_normal(shape, np.float32)


def fixed_share(shape):
    return np.random.default_rng(shape).random(shape, np.float32)


def mixed_from(count, rows):
    return 1 + np.arange(count).reshape(count, 1, 1) % (rows - 1)


def latents(experiment, state):
    """What the steps from `state` on will draw, in the order of turns."""
    shape = (experiment.config.batch_size,)
    for step in range(STEPS):
        step_key = jax.random.fold_in(state.key, step)
        for phase in experiment.method.phases:
            if phase.name == "d_r1" or step % phase.every:
                continue  # R1 looks at no fakes
            key = keys.stream(step_key, phase.name)
            turns = [jax.random.fold_in(key, turn) for turn in range(phase.repeat)] if phase.repeat > 1 else [key]
            for key in turns:
                yield torch.from_numpy(np.array(experiment.parts.prior.sample(keys.stream(key, "z"), shape)))


def networks_of(trainer):
    average = {"average": trainer.average} if trainer.average else {}
    return {player: getattr(trainer, player) for player in PLAYERS} | average


def weights_of(state):
    """Params and variables of each network, flat, by jaxgan's paths."""
    found = {name: (player.params, player.variables) for name, player in state.players.items()}
    for average in state.averages.values():
        found["average"] = (average["params"], average["variables"])
    return {name: {path: np.array(leaf) for tree in (params, *variables.values())
                   for path, leaf in flatten_dict(tree, sep="/").items() if not path.endswith("/noise")}
            for name, (params, variables) in found.items()}


def copied(network):
    """Everything floating, by the name without the containers that jaxgan does not have."""
    return {key: tensor.detach().clone().numpy() for key, tensor in network.state_dict().items()
            if tensor.is_floating_point()}


def as_torch(ours, network):
    """jaxgan's weights as the state of a twin."""
    modules = {plain(name): (name, module) for name, module in network.named_modules()}
    state = {}
    for path, leaf in ours.items():
        *parents, last = path.split("/")
        if parents and parents[-1] == "spectral":
            parents.pop()
        name, module = modules[".".join(parents)]
        tensors = {**dict(module.named_parameters(recurse=False)), **dict(module.named_buffers(recurse=False))}
        synonyms = {"kernel": "weight", "embedding": "weight", "scale": "weight", "mean": "running_mean",
                    "var": "running_var", "u": "weight_u", "v": "weight_v"}
        key = last if last in tensors else synonyms[last]
        key = f"{key}_orig" if f"{key}_orig" in tensors else key
        if last == "v" and isinstance(module, torch.nn.Conv2d):  # as long as the flat kernel of one output
            leaf = leaf.reshape(*module.kernel_size, -1).transpose(2, 0, 1).ravel()
        if last == "kernel" and not isinstance(module, torch.nn.Embedding):
            leaf = leaf.transpose({4: (3, 2, 0, 1), 2: (1, 0)}[leaf.ndim])
        state[f"{name}.{key}" if name else key] = torch.from_numpy(np.ascontiguousarray(leaf))
    return state


def plain(name):
    return re.sub(r"\b(layers|blocks|first|rest)\.", "", name)
