"""Several processes that train together, as on a pod: two on this machine."""

import json
import signal
import socket
import time

import jax
import pytest

from jaxgan import keys, main
from jaxgan.errors import InputError

LONG = ("--config.total_kimg=8", "--config.checkpoint_every=50", "--config.evaluate_every=0",
        "--config.sample_every=250", "--config.log_every=50")
FAILING = """
import jax
import jax.numpy as jnp
from jaxgan.terms import stateless

def bad(draw, from_step):
    def penalty(view):
        hit = (jax.random.uniform(view.key) == draw) | (view.step >= from_step)
        return jnp.where(hit, jnp.nan, 0.0) * jnp.sum(jax.tree.leaves(view.params)[0]), {}
    return stateless(penalty, "discriminator")
"""


def two(command, *arguments, **options):
    """Two processes of one run, started: they find each other at a port that is free."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    return [command("main", *arguments, f"--multihost=localhost:{port},{index}/2", wait=False, **options)
            for index in range(2)]


def finish(processes):
    return [(*process.communicate(timeout=240), process.returncode) for process in processes]


def wait_for(path):
    end = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)


def log(workdir):
    records = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in record.items() if not name.startswith(("images_per_second", "time/"))}
            for record in records]


@pytest.mark.slow
def test_two_processes_are_one_run(command, small, tmp_path):
    """The log, the scores and the samples of one process with two devices; the first process speaks for both."""
    code, _, err = command("main", f"--config={small}", "--workdir=one", devices=2)
    assert code == 0, err
    (out, err, code), (other_out, other_err, other_code) = finish(two(command, f"--config={small}", "--workdir=two"))
    assert (code, other_code) == (0, 0), err + other_err
    assert "Done." in out
    assert "step 20/80" in err
    assert "Done." not in other_out
    assert "step" not in other_err
    one, both = log(tmp_path / "one"), log(tmp_path / "two")
    assert [record["step"] for record in both] == [20, 40, 60, 80]
    for expected, found in zip(one, both, strict=True):
        assert found == pytest.approx(expected, rel=1e-5)
    files = [sorted(path.name for path in (tmp_path / run).rglob("*.png")) for run in ("one", "two")]
    assert files[0] == files[1]
    last = "samples/step00000080.png"
    assert (tmp_path / "one" / last).read_bytes() == (tmp_path / "two" / last).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["dcgan", "r3gan", "stylegan2"])
def test_recipes_are_one_run_in_two_processes(command, root, tmp_path, recipe):
    """Statistics, groups and paired logits are taken over the whole batch, wherever its parts are. Plain SGD: Adam's
    first steps would blow rounding up to the size of the learning rate."""
    sgd = "={'name': 'sgd', 'learning_rate': 0.001}"
    arguments = (f"--config={root}/configs/{recipe}.py:tiny", "--config.batch_size=16", "--config.total_kimg=0.064",
                 "--config.log_every=1", "--config.sample_every=4", "--config.checkpoint_every=4",
                 "--config.evaluate_every=4",
                 "--config.metrics=({'name': 'fd', 'backbone': 'classifier', 'num_samples': 100},)",
                 f"--config.optimizers.generator{sgd}",
                 f"--config.optimizers.discriminator{sgd}")
    code, _, err = command("main", *arguments, "--workdir=one")
    assert code == 0, err
    ended = finish(two(command, *arguments, "--workdir=two"))
    assert [code for _, _, code in ended] == [0, 0], ended
    one, both = log(tmp_path / "one"), log(tmp_path / "two")
    assert len(one) == 4
    for expected, found in zip(one, both, strict=True):
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(8, 1), (1, 8)])
def test_a_run_goes_on_with_another_number_of_devices(command, small, tmp_path, before, after):
    code, _, err = command("main", f"--config={small}", "--workdir=whole", *LONG)
    assert code == 0, err
    first = command("main", f"--config={small}", "--workdir=run", *LONG, devices=before, wait=False)
    wait_for(tmp_path / "run" / "checkpoints" / "50")
    first.send_signal(signal.SIGTERM)
    assert finish([first])[0][2] == 130
    code, _, err = command("main", f"--config={small}", "--workdir=run", *LONG, devices=after)
    assert code == 0, err
    assert f"on {after} cpu" in err
    assert log(tmp_path / "run")[-1] == pytest.approx(log(tmp_path / "whole")[-1], rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize(("which", "victim"), [(signal.SIGKILL, 0), (signal.SIGKILL, 1), (signal.SIGTERM, 1)])
def test_a_lost_process_ends_the_other_and_the_run_goes_on(command, small, tmp_path, which, victim):
    """Killed, it takes the other with it, which says so; asked to stop, both leave the same checkpoint. The same
    command then ends as the run would have that nothing befell."""
    code, _, err = command("main", f"--config={small}", "--workdir=whole", *LONG, devices=2)
    assert code == 0, err
    pair = two(command, f"--config={small}", "--workdir=run", *LONG)
    wait_for(tmp_path / "run" / "checkpoints" / "50")
    pair[victim].send_signal(which)
    ended = finish(pair)
    _, err, code = ended[1 - victim]
    if which == signal.SIGKILL:
        # Without the first, who keeps the list of all, jax may be quicker to say so and aborts.
        of_jax = victim == 0 and code == -signal.SIGABRT and "another task died" in err
        assert of_jax or (code == 1 and "another process of this run was lost" in err)
    else:
        assert [each[2] for each in ended] == [130, 130]
        assert "Stopped at step" in err
    assert [each[2] for each in finish(two(command, f"--config={small}", "--workdir=run", *LONG))] == [0, 0]
    assert log(tmp_path / "run")[-1] == pytest.approx(log(tmp_path / "whole")[-1], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("from_step", "code"), [(1000, 0), (50, 1)])
def test_two_processes_go_back_together(command, small, tmp_path, from_step, code):
    """From one NaN as one process does, to the same numbers; from one that keeps coming both end, and one says why."""
    (tmp_path / "failing.py").write_text(FAILING)
    turn = keys.stream(jax.random.fold_in(keys.stream(keys.root(0), "train"), 49), "d")
    draw = float(jax.random.uniform(keys.stream(turn, "regularizers.bad")))
    bad = {"name": "failing:bad", "draw": draw, "from_step": from_step}
    arguments = (f"--config={small}", f"--config.regularizers={ {'bad': bad} }")
    assert command("main", *arguments, "--workdir=one", devices=2)[0] == code
    (_, err, first), (_, other_err, second) = finish(two(command, *arguments, "--workdir=two"))
    assert (first, second) == (code, code), err + other_err
    assert "At step 60, the discriminator's loss and its gradient are not finite in step 5" in err
    one, both = log(tmp_path / "one"), log(tmp_path / "two")
    assert [record["step"] for record in both] == ([20, 40, 60, 80] if code == 0 else [20, 40])
    for expected, found in zip(one, both, strict=True):
        assert found.pop("finding/rollback", None) == expected.pop("finding/rollback", None)
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("where", ["localhost", "localhost:1234", "localhost:1234,2/2", "localhost:1234,a/2"])
def test_an_address_that_is_none_is_refused(small, where):
    with pytest.raises(InputError, match="write HOST:PORT,I/N"):
        main.main([f"--config={small}", f"--multihost={where}"])
