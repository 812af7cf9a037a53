"""Numbers that are none: found, undone and passed over; and when they keep coming, a run that ends with a diagnosis."""

import json
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import config as config_lib
from jaxgan import data, keys, main, training_run
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.runs import RunFolder
from jaxgan.terms import stateless
from jaxgan.training import checkpoints as checkpoints_module
from jaxgan.training import optimizers
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.numerics import Watch
from jaxgan.training.phases import Phase


def bad(player: str = "discriminator", draw: float = -1.0, from_step: int = 1000, value: str = "nan"):
    """A regularizer from outside that is `value` where its key draws `draw`, and always from a step on."""
    def penalty(view):
        hit = (jax.random.uniform(view.key) == draw) | (view.step >= from_step)
        return jnp.where(hit, float(value), 0.0) * jnp.sum(jax.tree.leaves(view.params)[0]), {}
    return stateless(penalty, player)


def drawn_at(position):
    """What the term called `bad` draws in the discriminator's turn of this step of the stream of keys."""
    step = jax.random.fold_in(keys.stream(keys.root(0), "train"), position)
    return float(jax.random.uniform(keys.stream(keys.stream(step, "d"), "regularizers.bad")))


@pytest.fixture
def failing(tiny, plain_runs):
    """`failing(draw=..., ...)` -> a config of 60 steps with that regularizer; log and checkpoint every 20."""
    def make(*overrides, **arguments):
        return tiny(f"regularizers.bad={({'name': f'{__name__}:bad'} | arguments)!r}", "total_kimg=0.96",
                    "health_every=0", *overrides)
    return make


def log(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def measured(workdir):
    return [{name: value for name, value in record.items() if not name.startswith(("time/", "images_per_second"))}
            for record in log(workdir)]


def state_of(workdir):
    folder = RunFolder(workdir)
    checkpoints = Checkpoints(folder.checkpoints, read_only=True)
    like = Experiment(folder.config(trust=True), folder.info()).abstract_state()
    state = checkpoints.restore(checkpoints.choose("latest"), like)
    checkpoints.close()
    return state


def test_a_bad_window_is_undone_and_passed_over(failing, tmp_path, same_bits, capsys):
    """NaN in step 30 of 60 is found at 40: back to 20, on with what steps 41 to 80 would have read. A run that is
    resumed after that ends in the same bits, and the log is that of one run."""
    config, whole, resumed = failing(draw=drawn_at(29)), tmp_path / "whole", tmp_path / "resumed"
    training_run.train(config, whole)
    said = capsys.readouterr().err
    assert "At step 40, the discriminator's loss and its gradient are not finite in step 30 (phase d)" in said
    assert "Back to step 20, and on past the data in between (1 of 3)." in said
    state = state_of(whole)
    assert (int(state.step), int(state.skipped)) == (60, 20)
    records = log(whole)
    assert [record["step"] for record in records] == [20, 40, 60]
    assert ["finding/rollback" in record for record in records] == [False, True, False]
    assert [record.get("skipped") for record in records] == [None, 20, 20]
    assert all(value is not None for record in records for value in record.values())
    assert not any("finite" in name for record in records for name in record)
    shutil.copytree(whole, resumed)
    shutil.rmtree(resumed / "checkpoints" / "60")
    training_run.train(config, resumed, quiet=True)
    same_bits(state, state_of(resumed))
    assert measured(whole) == measured(resumed)


def test_failures_that_keep_coming_end_with_a_diagnosis(failing, tmp_path, capsys, monkeypatch):
    """Exit code 1; the last good checkpoint and the log up to it are there, and nothing of the bad state is. The same
    command then says the same."""
    config = failing("max_rollbacks=1", "checkpoint_every=10", player="generator", from_step=23, value="inf")
    monkeypatch.setattr(config_lib, "load", lambda *_: config)
    run = tmp_path / "run"
    for _ in range(2):
        assert main.main(["--config=any.py", f"--workdir={run}", "--quiet"]) == 1
        out, err = capsys.readouterr()
        message = next(line for line in err.splitlines() if line.startswith("error: "))
        assert "stopped at step 24: the generator's loss and its gradient are not finite" in message
        assert "in step 24 (phase g), in " in message
        assert re.search(r"in \d+ of its \d+ leaves, the first of them \w+/\w+", message)
        assert "config.optimizers.generator.clip=1.0" in message
        assert "config.max_rollbacks is 1" in message
        assert "step 20" in message
        assert not out
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["10", "20"]
    assert [record["step"] for record in log(run)] == [20]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state_of(run).players))


def test_before_any_checkpoint_a_run_goes_back_to_its_start(failing, tmp_path):
    training_run.train(failing("checkpoint_every=0", draw=drawn_at(29)), tmp_path / "run", quiet=True)
    assert [record["step"] for record in log(tmp_path / "run")] == [20, 40, 60]
    assert int(state_of(tmp_path / "run").skipped) == 40


def test_the_first_bad_leaf_and_phase_are_named(tiny):
    """Of several phases that failed, the one that failed first; of a state, its first bad leaf."""
    config = tiny()
    state = jax.device_get(Experiment(config, data.open(config["data"]).info, jax.devices()[:1]).initial_state())
    d, g = Phase("d", "discriminator", None, repeat=2), Phase("g", "generator", None)
    watch = Watch([d, g])
    leaves = {name: len(jax.tree.leaves(state.players[name].params)) for name in state.players}

    def finite(player, good, gradient_only=None):
        shares = np.full(1 + leaves[player], good, np.float32)
        if gradient_only is not None:
            shares[:] = 1
            shares[1 + gradient_only:] = good
        return shares
    fine = (0, 10, {"d/finite": finite("discriminator", 1.0), "g/finite": finite("generator", 1.0)})
    assert watch.find([fine], state, 20) is None
    both = (10, 10, {"d/finite": finite("discriminator", 0.5), "g/finite": finite("generator", 0.4)})
    fault = watch.find([fine, both], state, 20)
    assert (fault.player, fault.step) == ("generator", 15)
    tie = (10, 10, {"d/finite": finite("discriminator", 0.45), "g/finite": finite("generator", 0.4)})
    fault = watch.find([tie], state, 20)
    assert (fault.player, fault.step) == ("discriminator", 15)
    only = (10, 10, {"d/finite": finite("discriminator", 0.35, 1), "g/finite": finite("generator", 0.4)})
    fault = watch.find([only], state, 20)
    names = [name for name, _ in _named(state.players["discriminator"].params)]
    assert (fault.player, fault.step) == ("discriminator", 14)
    assert f"gradient is not finite in step 14 (phase d), in {len(names) - 1} of its {len(names)} leaves" in fault.text
    assert names[1] in fault.text
    kernel = state.players["generator"].params["output"]["kernel"]
    broken = jax.tree.map(lambda leaf: np.full_like(leaf, np.inf) if leaf is kernel else leaf, state)
    fault = watch.find([fine], broken, 20)
    assert fault.player == "generator"
    assert "players/generator/params/output/kernel" in fault.text


def _named(tree):
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), leaf)
            for path, leaf in jax.tree.leaves_with_path(tree)]


def test_a_checkpoint_of_before_the_count_is_read(tiny, tmp_path, monkeypatch, same_bits):
    config = tiny()
    experiment = Experiment(config, data.open(config["data"]).info, jax.devices()[:1])
    state, pack = experiment.initial_state(), checkpoints_module._pack
    saved = Checkpoints(tmp_path / "checkpoints")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints_module, "_pack",
                      lambda state: {name: leaf for name, leaf in pack(state).items() if name != "skipped"})
        saved.save(state)
    restored = saved.restore(0, experiment.abstract_state())
    saved.close()
    same_bits(jax.device_get(state), jax.device_get(restored))


def test_clipping_bounds_the_gradient_of_the_whole_network():
    params = {"one": jnp.zeros(3), "two": jnp.zeros(4)}
    grads = {"one": jnp.full(3, 30.0), "two": jnp.full(4, 40.0)}
    for spec, norm in (({"clip": 2.0}, 2.0), ({"clip": 1e6}, None), ({}, None)):
        optimizer = optimizers.build({"name": "sgd", "learning_rate": 1.0} | spec, "optimizers.generator")
        updates, _ = optimizer.update(grads, optimizer.init(params), params)
        whole = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in updates.values()))
        np.testing.assert_allclose(whole, norm or np.sqrt(3 * 900 + 4 * 1600), rtol=1e-6)
        np.testing.assert_allclose(updates["two"][0] / updates["one"][0], 4 / 3, rtol=1e-6)
    for wrong in (0, -1.0, "hard", True):
        with pytest.raises(InputError, match=r"config\.optimizers\.generator\.clip must be a number above 0"):
            optimizers.build({"name": "adam", "clip": wrong}, "optimizers.generator")
