"""Private training: what is clipped, drawn, noised and counted, and what is refused."""

import json

import jax
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binom, norm

from jaxgan import config as config_lib
from jaxgan import data, keys, privacy, training_run
from jaxgan.data.pipeline import Batches, batch_indices, capacity, poisson_indices
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.privacy import accountant
from jaxgan.training.objectives import Batch
from jaxgan.training.update import make_steps, read

PRIVATE = ("privacy={'name': 'dp_sgd', 'noise': 1.0}", "evaluate_every=0", "max_rollbacks=0", "num_critic=2")


@pytest.fixture
def private(tiny):
    """`private("privacy.clip=0.1", ...)` -> a tiny private experiment on one device, and its source."""
    def make(*overrides):
        config = tiny(*PRIVATE, *overrides)
        source = data.open(config["data"])
        return Experiment(config, source.info, jax.devices()[:1]), source
    return make


def drawn(experiment, source, limit=2 << 30):
    """The feed of step 0 and the batch of its first slot, in NumPy."""
    feed = experiment.feed(Batches(source, experiment.config["batch_size"], 0, device_memory_limit=limit))
    slots = jax.tree.map(lambda leaf: leaf[0], jax.device_get(feed.steps(0, 1)))
    return feed, jax.device_get(jax.jit(read, static_argnums=1)(slots, 0, feed.data))


def shown(method, image, real):
    """A batch of these images with labels and latents, in NumPy."""
    return jax.device_get(Batch(image, real["label"], method.prior.sample(jax.random.key(1), (len(image),))))


# the accountant

def test_epsilon_of_one_look_at_everything_is_that_of_the_gaussian_mechanism():
    """Above the exact value of Balle & Wang 2018 (theorem 8), and not by much."""
    def delta(epsilon, noise=3.0):
        half, far = 1 / (2 * noise), epsilon * noise
        return norm.cdf(half - far) - np.exp(epsilon) * norm.cdf(-half - far)
    exact = brentq(lambda epsilon: delta(epsilon) - 1e-5, 0.01, 20)
    assert exact < accountant.epsilon(3.0, 1.0, 1, 1e-5) < 1.15 * exact


def test_epsilon_of_the_papers_run():
    """Bie et al. 2022: MNIST, noise 1, batches of 128, 450,000 steps are epsilon 10."""
    assert accountant.epsilon(1.0, 128 / 60_000, 450_000, 1e-5) == pytest.approx(10, abs=0.05)
    assert accountant.epsilon(1.0, 128 / 60_000, 0, 1e-5) == 0


@pytest.mark.parametrize("budget", [0.1, 2.0, 200.0])
def test_noise_is_found_for_a_budget(budget):
    rate, steps = 0.02, 500
    noise = accountant.noise_for(budget, rate, steps, 1e-5)
    assert accountant.epsilon(noise, rate, steps, 1e-5) <= budget < accountant.epsilon(noise - 0.01, rate, steps, 1e-5)


def test_a_budget_that_promises_nothing_is_refused():
    with pytest.raises(InputError, match=r"epsilon is 1000000\.0: no noise from 0\.1 on gives it"):
        accountant.noise_for(1e6, 0.02, 500, 1e-5)


def test_steps_are_found_for_a_budget():
    rate = 0.02
    most = accountant.steps_within(2.0, 1.0, rate, 1e-5, 1000)
    assert accountant.epsilon(1.0, rate, most, 1e-5) <= 2.0 < accountant.epsilon(1.0, rate, most + 1, 1e-5)


# Poisson samples

def test_each_example_is_drawn_with_the_rate_and_whatever_the_others_are():
    count, rate, places = 50, 0.2, 50
    samples = [poisson_indices(count, rate, places, 3, k) for k in range(4000)]
    there = np.array([[example in set(sample.tolist()) for example in range(count)] for sample in samples])
    assert abs(there.mean(axis=0) - rate).max() < 5 * np.sqrt(rate * (1 - rate) / len(there))
    sizes = there.sum(axis=1)
    assert sizes.var() == pytest.approx(count * rate * (1 - rate), rel=0.1)  # that of independent draws
    both = (there[:, 0] & there[:, 1]).mean()
    assert both == pytest.approx(rate**2, abs=0.02)


def test_samples_depend_on_seed_and_number_alone():
    one = poisson_indices(1000, 0.1, 200, 7, 5)
    np.testing.assert_array_equal(one, poisson_indices(1000, 0.1, 200, 7, 5))
    for seed, k in ((8, 5), (7, 6)):
        assert not np.array_equal(one, poisson_indices(1000, 0.1, 200, seed, k))
    present = one >= 0
    assert len(set(one[present].tolist())) == present.sum()
    assert not present[present.argmin():].any()


@pytest.mark.parametrize(("count", "rate"), [(60_000, 128 / 60_000), (1797, 0.02), (64, 0.125), (10, 1.0)])
def test_the_places_suffice(count, rate):
    places = capacity(count, rate, 4)
    assert places % 4 == 0
    assert binom.sf(places, count, rate) < 1e-17
    assert places == 4 or binom.sf(places - 8, count, rate) > 1e-18 or places - 4 < count


def test_fed_samples_are_the_resident_ones(private):
    experiment, source = private()
    resident, streamed = (drawn(experiment, source, limit)[1] for limit in (2 << 30, 0))
    there = resident["present"]
    np.testing.assert_array_equal(there, streamed["present"])
    np.testing.assert_array_equal(resident["image"][there], streamed["image"][there])
    np.testing.assert_array_equal(resident["label"][there], streamed["label"][there])


# gradients

def by_hand(experiment, state, batch, present, key, clip):
    """The sum of clipped gradients, in a loop over single examples, and how many were clipped."""
    phase = experiment.method.phases[0]
    params = state.players["discriminator"].params
    each = jax.random.split(keys.stream(key, "examples"), len(present))
    gradient = jax.jit(jax.grad(lambda *arguments: phase.objective(*arguments)[0]))
    total, count = jax.tree.map(np.zeros_like, params), 0
    for place in np.flatnonzero(present):
        single = Batch(*(None if leaf is None else leaf[place:place + 1] for leaf in batch))
        grads = jax.device_get(gradient(params, state, single, each[place]))
        size = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(grads)))
        count += size > clip
        scales = jax.tree.map(lambda leaf: min(1, clip / size), grads)  # noqa: B023
        total = jax.tree.map(lambda sum_, leaf, scale: sum_ + leaf * scale, total, grads, scales)
    return total, count


@pytest.mark.parametrize("overrides", [
    ("accumulate=1",),
    pytest.param(("accumulate=4", "regularizers.r1={'name': 'r1', 'gamma': 1}"), marks=pytest.mark.slow)])
def test_gradients_are_those_of_a_loop(private, overrides):
    """Without noise. Some of the examples are clipped, absent ones give nothing even where they hold NaN."""
    experiment, source = private("privacy.noise=1e-12", "privacy.clip=0.2", "privacy.epsilon=None", *overrides)
    method, state, key = experiment.method, experiment.initial_state(), jax.random.key(5)
    _, real = drawn(experiment, source)
    present = real["present"]
    assert 0 < present.sum() < len(present)
    batch = shown(method, np.where(present[:, None, None, None], real["image"], np.float32(np.nan)), real)
    want, count = by_hand(experiment, state, batch, present, key, 0.2)
    params = state.players["discriminator"].params
    value, got, outcome = jax.jit(
        lambda *arguments: method.privacy.gradients(method.phases[0].objective, *arguments))(
            params, state, batch, present, key)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want)):
        np.testing.assert_allclose(one, other / 16, atol=2e-6)
    assert count
    assert outcome.metrics["d/clipped"] == pytest.approx(count / present.sum(), abs=1e-6)
    assert outcome.metrics["d/examples"] == present.sum()
    assert np.isfinite(value)
    assert outcome.parts == {}


def test_an_example_moves_the_sum_by_the_clip_at_most(private):
    """Whatever it is: the sensitivity that the noise is for."""
    experiment, source = private("privacy.noise=1e-12", "privacy.epsilon=None", "privacy.clip=0.05")
    method, state, key = experiment.method, experiment.initial_state(), jax.random.key(5)
    _, real = drawn(experiment, source)
    present, batch = real["present"], shown(method, real["image"], real)
    compiled = jax.jit(lambda batch, present: method.privacy.gradients(
        method.phases[0].objective, state.players["discriminator"].params, state, batch, present, key)[1])

    def made(batch, present):
        return jax.device_get(compiled(batch, present))

    def first(value):
        image = batch.image.copy()
        image[0] = value
        return image
    with_all = made(batch, present)
    without = present.copy()
    without[0] = False
    for image, most in ((batch.image, 0.05), (first(1e6), 0.05), (first(np.nan), 0.0)):
        one = made(batch._replace(image=image), present)
        moved = jax.tree.map(np.subtract, one, made(batch, without))
        size = 16 * np.sqrt(sum(np.sum(leaf**2) for leaf in jax.tree.leaves(moved)))
        assert size <= most * 1.001 + 1e-6
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(with_all))


def test_the_noise_has_the_scale_that_is_counted(private):
    """Where there is no example at all, the gradient is the noise: sd noise x clip over the expected batch."""
    experiment, source = private("privacy.noise=3.0", "privacy.clip=0.5", "discriminator.width=64")
    method, state = experiment.method, experiment.initial_state()
    _, real = drawn(experiment, source)
    batch = shown(method, real["image"], real)
    made = jax.jit(lambda batch, key: method.privacy.gradients(
        method.phases[0].objective, state.players["discriminator"].params, state, batch,
        np.zeros(len(batch.image), bool), key)[1])
    one, other = (np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(jax.device_get(
        made(batch, jax.random.key(seed))))]) for seed in (0, 1))
    assert len(one) > 5000
    assert one.std() == pytest.approx(3.0 * 0.5 / 16, rel=0.05)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


def test_the_generator_is_given_nothing_of_the_data(private):
    """One step, with the images and labels of the second data all different: the generator's gradient is the same."""
    experiment, source = private("num_critic=1", "optimizers.discriminator.learning_rate=0.0")
    feed, _ = drawn(experiment, source)
    assert experiment.method.num_slots == 1
    compiled = jax.jit(lambda state, fed, held: make_steps(experiment.method)(state, fed, held, ("d", "g")))
    fed = feed.steps(0, 1)
    held = jax.device_get(feed.data)
    other = {"image": held["image"][::-1] // 2, "label": (held["label"] + 1) % 10}
    ends = [compiled(experiment.initial_state(), fed, given)[0] for given in (held, other)]
    for one, two in zip(*(jax.tree.leaves(end.players["generator"]) for end in ends)):
        np.testing.assert_array_equal(one, two)


@pytest.mark.slow
def test_the_same_run_on_two_devices(tiny):
    """Sums of clipped gradients and noise do not depend on the number of devices."""
    config = tiny(*PRIVATE, "optimizers.discriminator={'name': 'sgd', 'learning_rate': 0.1}")
    source, ends = data.open(config["data"]), []
    for devices in (1, 2):
        experiment = Experiment(config, source.info, jax.devices()[:devices])
        feed = experiment.feed(Batches(source, 16, 0))
        steps = experiment.parallel.compile(make_steps(experiment.method))
        ends.append(steps(experiment.initial_state(), feed.steps(0, 1), feed.data, due=("d",))[0])
    assert experiment.method.privacy.places(1) == experiment.method.privacy.places(2)  # else latents differ
    for one, two in zip(*(jax.tree.leaves(end.players["discriminator"].params) for end in ends)):
        np.testing.assert_allclose(one, two, atol=1e-5)


# the run

@pytest.mark.slow
def test_a_private_run_says_what_it_spent_and_ends_with_its_budget(tiny, tmp_path, plain_runs, capsys):
    config = tiny(*PRIVATE, "privacy.noise=0.8", "privacy.epsilon=2.3", "log_every=5", "sample_every=0",
                  "checkpoint_every=0", "health_every=0", "total_kimg=6.4", "num_critic=4", "steps_per_call=5")
    info = data.open(config["data"]).info
    training_run.train(config, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    steps = lines[-1]["step"]
    assert steps < 100
    spent = [line["privacy/epsilon"] for line in lines]
    assert spent == sorted(spent)
    rate = 16 / 1797
    assert spent[-1] == accountant.epsilon(0.8, rate, 4 * steps, 1e-5) <= 2.3
    assert accountant.epsilon(0.8, rate, 4 * (steps + 1), 1e-5) > 2.3
    assert f"epsilon {spent[-1]:.3g} at delta 1e-05" in " ".join(capsys.readouterr().err.split())
    said = privacy.statement(config, info, steps)
    assert said["epsilon"] == spent[-1]
    assert said["updates"] == 4 * steps
    assert json.loads(json.dumps(said)) == said
    changed = config_lib.from_json(config_lib.to_json(config), "config.json")
    config_lib.override(changed, "privacy.epsilon=50.0")
    with pytest.raises(InputError, match="must stay as it is"):
        training_run.train(changed, tmp_path / "run", allow_change=True)


def test_without_privacy_nothing_is_said_or_changed(tiny):
    """A config without the section has none of this in its steps, and reads the batches it always did."""
    config = tiny()
    source = data.open(config["data"])
    experiment = Experiment(config, source.info, jax.devices()[:1])
    assert privacy.statement(config, source.info, 10) is None
    assert experiment.method.privacy is None
    feed = experiment.feed(Batches(source, 16, 0))
    fed = feed.steps(0, 1)
    assert {name: leaf.shape for name, leaf in fed.items()} == {"index": (1, 2, 16)}
    np.testing.assert_array_equal(fed["index"][0], [batch_indices(1797, 16, 0, slot) for slot in (0, 1)])


def test_noise_is_found_where_none_is_given(private):
    experiment, _ = private("privacy.noise=None", "privacy.epsilon=3.0")
    private_part = experiment.method.privacy
    assert experiment.total_steps == 20
    assert 2.9 < private_part.epsilon_at(20) <= 3.0


@pytest.mark.parametrize(("overrides", "message"), [
    (["data.resolution=16", "discriminator={'name': 'dcgan', 'width': 4}"], "keeps batch_stats .*norm=none"),
    (["data.resolution=16", "discriminator={'name': 'stylegan2', 'width': 4}"], "stddev_group=1"),
    (["data.resolution=16", "generator={'name': 'dcgan', 'width': 4}"], "one fake at a time"),
    (["loss=relativistic_paired"], "in the generator's update too"),
    (["regularizers.lecam=lecam"], "config.regularizers.lecam: lecam looks across examples"),
    (["regularizers.match=feature_matching"], "feature_matching looks across"),
    (["regularizers.mine=package:term"], "package:term .* is not known"),
    (["augmentation.ada=ada"], "config.augmentation.ada"),
    (["augmentation.noise={'name': 'instance_noise', 'kimg': 1.0}"], "config.augmentation.noise keeps a state"),
    (["regularizers.r1={'name': 'r1', 'every': 4}"], r"config.regularizers.r1.every is 4"),
    (["conditioning.ac={'name': 'auxiliary_classifier', 'class_weights': 'balanced'}"], "ac.class_weights"),
    (["evaluate_every=10"], "--config.evaluate_every=0"),
    (["max_rollbacks=3"], "--config.max_rollbacks=0"),
    (["data.mirror=true"], "--config.data.mirror=False"),
    (["degradation={'file': 'jpeg'}"], "the data, only spoilt"),
    (["parallel=pmap"], "use jit or fsdp"),
    (["privacy.delta=0.01"], "below one over the 1,797"),
    (["privacy.clip=0.0"], "config.privacy.clip must be above 0"),
    (["privacy.noise=None", "privacy.epsilon=None"], "needs epsilon or noise"),
    (["privacy.epsilom=3.0"], "Did you mean 'epsilon'"),
    (["privacy.name=dp_sdg"], "Did you mean 'dp_sgd'"),
    (["batch_size=2000"], "at most that"),
])
def test_refusals(private, overrides, message):
    with pytest.raises(InputError, match=message):
        private(*overrides)
