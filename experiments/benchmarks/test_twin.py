"""The PyTorch twin does what jaxgan does: from the same weights, images and latents it arrives at the same weights.

    pip install -e '.[test,torch]' && pytest experiments/benchmarks
"""

import jax
import numpy as np
import pytest

from jaxgan import config as configs
from jaxgan import data, keys
from jaxgan.data.pipeline import Batches, materialise
from jaxgan.experiment import PLAYERS, Experiment
from jaxgan.training.feed import Feed
from jaxgan.training.update import make_steps, weights

torch = pytest.importorskip("torch")

import dcgan_pytorch as twin  # noqa: E402

STEPS = 3
SMALL = ("batch_size=8", "latent.dim=6", "generator.width=4", "discriminator.width=4", "generator.embed_dim=3",
         "discriminator.embed_dim=3", "generator.init_std=0.1", "discriminator.init_std=0.1")
NAMES = {"kernel": "weight", "embedding": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean",
         "var": "running_var"}


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("resolution", [28, (17, 24), 8])
def test_three_steps_agree(resolution, channels_last):
    config = configs.default()
    for text in (*SMALL, f"data.resolution={resolution}"):
        configs.override(config, text)
    configs.validate(config)
    source = data.open(config.data)
    experiment = Experiment(config, source.info, devices=jax.devices()[:1])
    trainer = twin.Trainer(config, source.info, channels_last)
    size = twin.levels(source.info.shape, 1, 1)[0][-1]

    state = experiment.initial_state()
    load(trainer, state, size, channels_last)
    trainer.latents = iter(list(latents(experiment, state))).__next__  # drawn before the state is donated

    feed = Feed(Batches(source, config.batch_size, config.seed), experiment.method.num_slots, experiment.parallel)
    steps = experiment.parallel.compile(make_steps(experiment.method))
    state, metrics = steps(state, feed.steps(0, STEPS), feed.data, due=("d", "g"))

    twin_feed = twin.Feed(materialise(source), config, channels_last)
    losses = torch.stack([torch.stack(trainer.step(*twin_feed[step])) for step in range(STEPS)]).mean(0)

    np.testing.assert_allclose(losses, [metrics["d/loss"], metrics["g/loss"]], rtol=1e-5)
    ours = {name: weights_of(state.players[name]) for name in PLAYERS} | {"average": state.averages["ema"]}
    for name, expected in ours.items():
        network = getattr(trainer, name)
        expected = as_torch(expected, network, size, channels_last)
        found = {key: tensor for key, tensor in network.state_dict().items() if tensor.is_floating_point()}
        assert found.keys() == expected.keys()
        for key, tensor in found.items():
            np.testing.assert_allclose(tensor, expected[key], atol=1e-5, err_msg=f"{name}.{key}")


def weights_of(player):
    return {"params": player.params, "variables": player.variables}


def load(trainer, state, size, channels_last):
    """Gives the twin the weights of `state`."""
    for network, ours in ((trainer.generator, weights(state.players)), (trainer.average, state.averages["ema"]),
                          (trainer.discriminator, weights_of(state.players["discriminator"]))):
        network.load_state_dict(as_torch(ours, network, size, channels_last), strict=False)


def latents(experiment, state):
    """What the steps from `state` on will draw: for the discriminator's turn, then for the generator's."""
    shape = (experiment.config.batch_size,)
    for step in range(STEPS):
        key = jax.random.fold_in(state.key, step)
        for phase in ("d", "g"):
            z = experiment.parts.prior.sample(keys.stream(keys.stream(key, phase), "z"), shape)
            yield torch.from_numpy(np.array(z))


def as_torch(ours, network, size, channels_last):
    """Params and batch statistics of a Linen network as the state of its twin. size: (H, W) of the top level."""
    def reorder(rows):
        """[..., H*W*C] -> [..., C*H*W] where the twin flattens its maps so."""
        if channels_last:
            return rows
        channels = rows.shape[-1] // (size[0] * size[1])
        return rows.reshape(-1, *size, channels).transpose(0, 3, 1, 2).reshape(rows.shape)

    places = {name.rpartition(".")[2]: name for name, _ in network.named_modules()}
    state = {}
    for layers in (ours["params"], *ours["variables"].values()):
        for layer, leaves in layers.items():
            for leaf, value in leaves.items():
                value = np.array(value)
                if leaf == "kernel" and value.ndim == 4:
                    value = value.transpose(3, 2, 0, 1)
                elif leaf == "kernel":
                    value = reorder(value.T) if layer == "logit" else reorder(value).T
                state[f"{places[layer]}.{NAMES[leaf]}"] = torch.from_numpy(np.ascontiguousarray(value))
    return state
