"""One step: who moves, how often, on which data; and the same run in every way of running it."""

from contextlib import closing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import config as config_lib
from jaxgan import data, images
from jaxgan.data.pipeline import Batches
from jaxgan.experiment import Experiment
from jaxgan.regularizers import REGULARIZERS
from jaxgan.terms import Regularizer, nothing, stateless
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.feed import Feed
from jaxgan.training.objectives import Batch
from jaxgan.training.phases import next_segment
from jaxgan.training.update import make_steps


def run(config, steps, *, fuse=1, devices=1, state=None, watch=None):
    """Runs `steps` steps; returns (state as one device holds it, metrics of each call)."""
    source = data.open(config["data"])
    experiment = Experiment(config, source.info, jax.devices()[:devices])
    batches = Batches(source, config["batch_size"], config["seed"])
    feed = Feed(batches, experiment.method.num_slots, experiment.parallel)
    compiled = experiment.parallel.compile(make_steps(experiment.method))
    state = experiment.initial_state() if state is None else state
    step, metrics = 0, []
    while step < steps:
        segment = next_segment(experiment.method.phases, step, (), min(fuse, steps - step))
        state, new = compiled(state, feed.steps(step, segment.count), feed.data, due=segment.due)
        metrics.append((segment.count, jax.device_get(new)))
        step += segment.count
    return experiment.parallel.gather(state), metrics


def means(metrics, name):
    return sum(count * new[name] for count, new in metrics) / sum(count for count, _ in metrics)


def close(one, two, tolerance):
    for (path, a), b in zip(jax.tree.leaves_with_path(one), jax.tree.leaves(two)):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=jax.tree_util.keystr(path))


def players(state):
    return state.players, state.averages


def test_a_step_moves_both_players_and_counts(tiny):
    state, metrics = run(tiny(), 1)
    again, _ = run(tiny(), 2)
    assert int(state.step) == 1
    assert int(again.step) == 2
    for name in ("generator", "discriminator"):
        moved = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), state.players[name].params, again.players[name].params)
        assert all(jax.tree.leaves(moved)), name
    assert {"d/loss", "g/loss", "d/sign_real", "d/sign_fake", "d/logit_real", "d/logit_fake"} <= set(metrics[0][1])


@pytest.mark.parametrize("num_critic", [1, 3])
def test_the_discriminator_takes_num_critic_turns(tiny, num_critic):
    state, _ = run(tiny(f"num_critic={num_critic}"), 2)
    counts = {name: int(player.opt_state[0].count) for name, player in state.players.items()}
    assert counts == {"generator": 2, "discriminator": 2 * num_critic}


def test_each_turn_sees_its_own_batch_and_none_twice(tiny):
    """One epoch of 1,797 digits in batches of 16: 3 steps of 4 slots use 192 different examples."""
    source = data.open({"name": "digits", "resolution": 8})
    experiment = Experiment(tiny("num_critic=3"), source.info, jax.devices()[:1])
    feed = Feed(Batches(source, 16, 0), experiment.method.num_slots, experiment.parallel)
    index = np.asarray(feed.steps(0, 3)["index"])
    assert index.shape == (3, 4, 16)
    assert len(set(index.ravel().tolist())) == 3 * 4 * 16
    np.testing.assert_array_equal(feed.steps(2, 1)["index"], index[2:])


def test_fed_images_and_resident_indices_are_the_same_run(tiny):
    config = tiny()
    source = data.open(config["data"])
    experiment = Experiment(config, source.info, jax.devices()[:1])
    ends = []
    for limit in (2 << 30, 0):
        batches = Batches(source, 16, 0, device_memory_limit=limit)
        feed = Feed(batches, experiment.method.num_slots, experiment.parallel)
        compiled = experiment.parallel.compile(make_steps(experiment.method))
        ends.append(compiled(experiment.initial_state(), feed.steps(0, 3), feed.data, due=("d", "g"))[0])
    close(players(ends[0]), players(ends[1]), 1e-6)


def test_fused_and_single_steps_agree(tiny):
    one, first = run(tiny("num_critic=2"), 8, fuse=1)
    two, second = run(tiny("num_critic=2"), 8, fuse=4)
    assert len(first) == 8
    assert len(second) == 2
    close(players(one), players(two), 1e-5)
    np.testing.assert_allclose(means(first, "d/loss"), means(second, "d/loss"), rtol=1e-5)


DCGAN = ("generator={'name': 'dcgan', 'width': 4}", "discriminator={'name': 'dcgan', 'width': 4}")




def test_eight_devices_agree_with_one(tiny):
    config = tiny(*DCGAN, "optimizers.generator={'name': 'sgd', 'learning_rate': 0.01}",
                  "optimizers.discriminator={'name': 'sgd', 'learning_rate': 0.01}")
    one, _ = run(config, 4, fuse=2)
    eight, _ = run(config, 4, fuse=2, devices=8)
    close(players(one), players(eight), 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["r3gan", "stylegan2"])
def test_modern_recipes_are_the_same_run_on_eight_devices(recipe, root):
    """Five schedules and penalties of second order; noise, styles and groups of the minibatch deviation, all drawn and
    taken over the whole batch. Lazy terms are due in the first step."""
    sgd = "{'name': 'sgd', 'learning_rate': 0.001}"
    config = config_lib.load(f"{root}/configs/{recipe}.py:tiny", [
        f"optimizers.generator={sgd}", f"optimizers.discriminator={sgd}", "batch_size=16"])
    one, first = run(config, 2)
    eight, second = run(config, 2, devices=8)
    close(players(one), players(eight), 1e-4)
    for name in ("d/loss", "g/loss", "d/r1"):
        np.testing.assert_allclose(first[0][1][name], second[0][1][name], rtol=1e-3)


def test_a_batch_in_parts_gives_the_same_gradients(tiny):
    """Without BatchNorm and draws of their own, the parts' mean is the whole; a paired loss keeps its pairs."""
    sgd = ("optimizers.generator={'name': 'sgd', 'learning_rate': 0.05}", "loss=relativistic_paired", "num_critic=2",
           "optimizers.discriminator={'name': 'sgd', 'learning_rate': 0.05}",
           "regularizers.r1={'name': 'r1', 'gamma': 1.0}")
    one, first = run(tiny(*sgd), 4)
    parts, second = run(tiny(*sgd, "accumulate=4"), 4, devices=4)
    close(players(one), players(parts), 1e-5)
    assert first[0][1].keys() == second[0][1].keys()
    np.testing.assert_allclose(means(first, "d/r1"), means(second, "d/r1"), rtol=1e-5)


@pytest.mark.slow
def test_parts_of_a_batch_hand_their_statistics_on(tiny):
    """BatchNorm's running mean takes each part in: after one step of two parts it has moved further."""
    moved = []
    for accumulate in (1, 2):
        config = tiny(*DCGAN, f"accumulate={accumulate}")
        before, after = run(config, 0)[0], run(config, 1)[0]
        pairs = zip(*(jax.tree.leaves(state.players["generator"].variables) for state in (before, after)))
        moved.append(sum(float(jnp.sum(jnp.abs(new - old))) for old, new in pairs))
    assert moved[1] > 1.5 * moved[0] > 0


def test_a_state_in_shares_is_the_same_run(tiny, tmp_path):
    """Fully sharded: the large arrays are cut, results and checkpoints are those of one device."""
    wide = ("generator.width=96", "discriminator.width=96")
    config = tiny(*wide, "parallel=fsdp")
    one, _ = run(tiny(*wide), 4, fuse=2)
    shared, _ = run(config, 4, fuse=2, devices=8)
    close(players(one), players(shared), 1e-4)
    held = {leaf.addressable_shards[0].data.size / leaf.size for leaf in jax.tree.leaves(shared.players)
            if leaf.size > 4096}
    assert held == {1 / 8}
    for saved, devices in ((shared, 1), (one, 8)):
        experiment = Experiment(config, data.open(config["data"]).info, jax.devices()[:devices])
        with closing(Checkpoints(tmp_path / str(devices))) as checkpoints:
            checkpoints.save(saved)
            restored = checkpoints.restore(4, experiment.abstract_state())
        close(players(saved), players(restored), 0)
        assert {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(restored.players)} == {devices}


def test_convolutions_work_beside_weights_in_shares(root):
    """Left to cut the layers itself, XLA dies on the strided slices of transposed convolutions."""
    sgd = "{'name': 'sgd', 'learning_rate': 0.01}"
    overrides = ("data.resolution=8", "batch_size=16", f"optimizers.generator={sgd}", f"optimizers.discriminator={sgd}")
    recipe = f"{root}/configs/dcgan.py:tiny:digits"
    (jit, _), (fsdp, _) = (run(config_lib.load(recipe, [*overrides, f"parallel={mode}"]), 1, devices=8)
                           for mode in ("jit", "fsdp"))
    assert any(not leaf.is_fully_replicated for leaf in jax.tree.leaves(fsdp.players["generator"]))
    close(players(jit), players(fsdp), 1e-5)


def test_pmap_is_the_same_update(tiny):
    """Without BatchNorm, whose statistics are per device under pmap, the runs are equal; SGD shows any factor."""
    sgd = ("optimizers.generator={'name': 'sgd', 'learning_rate': 0.05}",
           "optimizers.discriminator={'name': 'sgd', 'learning_rate': 0.05}", "num_critic=2")
    one, first = run(tiny(*sgd), 4, fuse=2)
    eight, second = run(tiny(*sgd, "parallel=pmap"), 4, fuse=2, devices=8)
    close(players(one), players(eight), 1e-5)
    np.testing.assert_allclose(means(first, "g/loss"), means(second, "g/loss"), rtol=1e-5)


def counting(scale: float = 0.0):
    """A regularizer from outside that counts its calls and pulls on nothing but what `scale` says."""
    def apply(state, view):
        pull = sum(jnp.sum(leaf) for leaf in jax.tree.leaves(view.params))
        return scale * pull, state + 1, {"calls": (state + 1).astype(jnp.float32)}
    return Regularizer(init=lambda: jnp.int32(0), apply=apply, player="discriminator")


def term(**arguments):
    return f"regularizers={{'count': {({'name': f'{__name__}:counting'} | arguments)!r}}}"


@pytest.mark.parametrize(("every", "calls"), [(1, 8), pytest.param(2, 4, marks=pytest.mark.slow), (3, 3)])
def test_a_term_runs_every_so_many_steps_and_keeps_its_state(tiny, every, calls):
    state, metrics = run(tiny(term(every=every)), 8, fuse=4)
    assert int(state.parts["regularizers.count"]) == calls
    assert ("d_count/grad_norm" in {name for _, new in metrics for name in new}) == (every > 1)


def test_a_lazy_term_weighs_its_interval_times(tiny):
    """Where only the term moves the discriminator, one lazy turn of SGD moves it `every` times as far, times c."""
    sgd = ("optimizers.discriminator={'name': 'sgd', 'learning_rate': 0.001}", "loss={'name': 'wasserstein'}")
    base, _ = run(tiny(*sgd, term(scale=0.0, every=4)), 1)
    pulled, _ = run(tiny(*sgd, term(scale=1.0, every=4)), 1)
    moved = jax.tree.map(lambda a, b: np.asarray(a - b), pulled.players["discriminator"].params,
                         base.players["discriminator"].params)
    for leaf in jax.tree.leaves(moved):
        np.testing.assert_allclose(leaf, -0.001 * 4 * (4 / 5), rtol=2e-3)


def test_seeds_differ_and_repeat(tiny, same_bits):
    one, _ = run(tiny("seed=3"), 2)
    two, _ = run(tiny("seed=3"), 2)
    other, _ = run(tiny("seed=4"), 2)
    same_bits(one, two)
    assert not np.array_equal(one.players["generator"].params["output"]["kernel"],
                              other.players["generator"].params["output"]["kernel"])


def test_the_average_follows_and_samples_come_from_it(tiny):
    config = tiny("average.ema.half_life_kimg=1000", "average.ema.rampup=0")
    state, _ = run(config, 4)
    source = data.open(config["data"])
    experiment = Experiment(config, source.info, jax.devices()[:1])
    averaged = experiment.generate(experiment.weights(state), range(4))
    raw = experiment.generate(experiment.weights(state, raw=True), range(4))
    fresh = experiment.generate(experiment.weights(experiment.initial_state()), range(4))
    assert np.abs(averaged - fresh).max() < np.abs(raw - fresh).max() / 5
    assert images.to_uint8(raw).dtype == np.uint8


def test_the_five_schedules_of_r3gan_act_in_one_run(tiny):
    """Learning rate, beta2, gamma, p and half-life, each a line over the first 32 images, in two steps of 16."""
    def line(start, end):
        return {"name": "linear", "start": start, "end": end, "kimg": 0.032}

    adam = {"name": "adam", "learning_rate": line(1e-3, 0.0), "b2": line(0.9, 0.99)}
    config = tiny(f"optimizers.discriminator={adam}", "average.ema.rampup=0",
                  f"average.ema.half_life_kimg={line(1e6, 0.0)}",
                  f"regularizers.r1={({'name': 'r1', 'gamma': line(1.0, 0.0)})}",
                  f"augmentation.apa={({'name': 'apa', 'p': line(0.0, 1.0)})}")
    (first, _), (second, metrics) = run(config, 1), run(config, 2)
    hyperparams = second.players["discriminator"].opt_state.hyperparams
    np.testing.assert_allclose([hyperparams["learning_rate"], hyperparams["b2"]], [5e-4, 0.945], rtol=1e-5)
    gammas = [2 * new["d/r1"] / new["d/r1_grad_norm"]**2 for _, new in metrics]  # near gamma: norms differ little
    np.testing.assert_allclose(gammas, [1.0, 0.5], rtol=0.2)
    assert int(second.parts["augmentation.apa"]["images"]) == 32
    for state, follows in ((first, False), (second, True)):  # a half-life of 500 million images, then of none
        average, weights = (jax.tree.leaves(tree) for tree in (
            state.averages["ema"]["params"], state.players["generator"].params))
        assert all(np.allclose(one, other, rtol=0, atol=1e-7) == follows for one, other in zip(average, weights))


@pytest.mark.parametrize("regularizer", ["r1", pytest.param("gradient_penalty", marks=pytest.mark.slow)])
def test_a_penalty_shrinks_gradients(tiny, regularizer):
    """With a heavy penalty the discriminator's gradient norm stays below that of the run without."""
    norms = []
    for gamma in (0.0, 100.0):
        spec = f"regularizers={{'p': {{'name': '{regularizer}', 'gamma': {gamma}}}}}"
        _, metrics = run(tiny(spec, "optimizers.discriminator.learning_rate=0.01"), 20, fuse=10)
        norms.append(metrics[-1][1]["d/p_grad_norm"])
    assert norms[1] < norms[0]
    assert norms[0] > 0


def gap():
    """A regularizer that logs how far the images shown as real are from the fakes."""
    return stateless(lambda view: (0 * view.fake.sum(), {"gap": jnp.abs(view.real - view.fake).mean()}),
                     "discriminator")


@pytest.mark.parametrize("every", [1, 2])
def test_fakes_mixed_in_are_what_every_term_of_the_discriminator_sees(tiny, monkeypatch, every):
    monkeypatch.setitem(REGULARIZERS, "gap", gap)
    term = f"regularizers.gap={({'name': 'gap', 'every': every})}"
    _, metrics = run(tiny(term, "augmentation.apa={'name': 'apa', 'p': 1.0}"), 1)
    assert metrics[0][1]["d/gap_gap"] == 0


def off():
    """A regularizer that logs how far the gradients of the loss's passes are from those of passes of its own."""
    def look(view):
        shown = {"real": (view.real, view.real_gradient), "fake": (view.fake, view.fake_gradient)}
        return jnp.float32(0), {name: jnp.abs(gradient() - jax.grad(
            lambda x: view.discriminator(x, view.label).logit.sum())(image)).max()
            for name, (image, gradient) in shown.items()}
    return stateless(look, "discriminator")


@pytest.mark.parametrize("every", [1, 2])
def test_a_term_is_given_the_gradients_of_the_passes_of_the_loss(tiny, monkeypatch, every):
    monkeypatch.setitem(REGULARIZERS, "off", off)
    _, metrics = run(tiny(f"regularizers.off={({'name': 'off', 'every': every})}"), 1)
    assert metrics[0][1]["d/off_real"] < 1e-6
    assert metrics[0][1]["d/off_fake"] < 1e-6


def test_penalties_of_gradients_ask_for_no_further_pass(tiny):
    """R1 and R2 go back through the discriminator, and not forward: they are of the passes that the loss has."""
    def passes(*overrides):
        config = tiny("data.resolution=16", *DCGAN, *overrides)
        experiment = Experiment(config, data.open(config["data"]).info, jax.devices()[:1])
        state, real = experiment.initial_state(), jax.ShapeDtypeStruct((4, 16, 16, 1), jnp.float32)
        label, z = jax.ShapeDtypeStruct((4,), jnp.int32), jax.ShapeDtypeStruct((4, 4), jnp.float32)
        traced = jax.make_jaxpr(experiment.method.phases[0].objective)(
            state.players["discriminator"].params, state, Batch(real, label, z), state.key)
        return str(traced).count("gan_convolution[")
    assert passes("regularizers.r1=r1", "regularizers.r2=r2") == passes() > 0


def test_r2_sends_no_gradient_into_fakes_that_depend_on_the_discriminator(tiny, monkeypatch):
    """Where a term moves the latents by D's parameters, it is as if they had been drawn there."""
    def gradient(through):
        def moved(_, view):
            shift = sum(leaf.sum() for leaf in jax.tree.leaves(view.params))
            return view.z + (shift if through else jax.lax.stop_gradient(shift)), jnp.float32(0)
        monkeypatch.setitem(REGULARIZERS, "mover", lambda: Regularizer(
            lambda: (), nothing, "discriminator", latent=moved))
        config = tiny("data.resolution=16", *DCGAN, "regularizers.mover=mover",
                      "regularizers.r2={'name': 'r2', 'every': 2}")
        source = data.open(config["data"])
        experiment = Experiment(config, source.info, jax.devices()[:1])
        state, shown = experiment.initial_state(), source.arrays
        batch = Batch(images.from_uint8(shown.images[:4]), jnp.asarray(shown.labels[:4]), jnp.ones((4, 4)))
        phase, = (phase for phase in experiment.method.phases if phase.every == 2)
        return jax.grad(lambda params: phase.objective(params, state, batch, state.key)[0])(
            state.players["discriminator"].params)
    close(gradient(True), gradient(False), 1e-6)
