"""Checkpoints that were damaged, and disks that are full: what is restored, and what is said."""

import asyncio
import contextlib
import gc
import json
import shutil
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import SingleDeviceSharding

from jaxgan.errors import InputError
from jaxgan.training import integrity
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.state import Player, TrainState


def state_at(step, width=64):
    """A state of one layer, all of whose numbers depend on the step."""
    kernel = jnp.asarray(np.random.default_rng(step).standard_normal((width, 8)), jnp.float32)
    player = Player(params={"dense": {"kernel": kernel}}, variables={}, opt_state=(jnp.int32(step), {"mu": kernel / 2}))
    return TrainState(step=jnp.int32(step), skipped=jnp.int32(0), key=jax.random.key(0), players={"generator": player},
                      averages={"ema": {"params": {"kernel": kernel.astype(jnp.bfloat16)}, "variables": {}}}, parts={})


def like(width=64):
    sharding = SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
                        jax.eval_shape(lambda: state_at(0, width)))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with the checkpoints of steps 10 and 20, both scored."""
    folder = tmp_path_factory.mktemp("saved") / "checkpoints"
    with contextlib.closing(Checkpoints(folder)) as checkpoints:
        for step in (10, 20):
            checkpoints.save(state_at(step), score=float(step))
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "checkpoints")


def flip(path, part=0.5):
    data = bytearray(path.read_bytes())
    data[int(len(data) * part)] ^= 4
    path.write_bytes(data)


DAMAGE = {
    "bit of an array flipped": lambda folder: flip(max((folder / "default").rglob("d/*"),
                                                       key=lambda path: path.stat().st_size)),
    "arrays truncated": lambda folder: [path.write_bytes(path.read_bytes()[:20])
                                        for path in (folder / "default").rglob("d/*")],
    "half deleted": lambda folder: shutil.rmtree(folder / "default"),
    "table of arrays emptied": lambda folder: (folder / "default" / "_METADATA").write_bytes(b""),
    "all files emptied": lambda folder: [path.write_bytes(b"") for path in folder.rglob("*") if path.is_file()],
}


@pytest.mark.parametrize("harm", DAMAGE.values(), ids=DAMAGE)
def test_training_falls_back_to_the_one_before_and_says_so(folder, harm, same_bits):
    harm(folder / "20")
    with contextlib.closing(Checkpoints(folder)) as checkpoints:
        state, said = checkpoints.newest(like())
        same_bits(state, state_at(10))
        assert said[0].startswith("The checkpoint of step 20 is damaged (")
        assert said[-1] == "Training goes on from step 10."
        assert checkpoints.steps() == [10]
        assert (folder / "20.damaged").is_dir()
        checkpoints.save(state_at(20))
    with contextlib.closing(Checkpoints(folder)) as checkpoints:
        state, said = checkpoints.newest(like())
        same_bits(state, state_at(20))
        assert not said


def test_a_command_refuses_a_damaged_checkpoint_and_names_the_whole_ones(folder, same_bits):
    DAMAGE["bit of an array flipped"](folder / "20")
    with contextlib.closing(Checkpoints(folder, read_only=True)) as checkpoints:
        with pytest.raises(InputError, match=r"step 20 in .* is damaged \(.*\)\. Use another: --checkpoint=10\."):
            checkpoints.restore(20, like())
        with pytest.raises(InputError, match=r"step 20 in .* is damaged"):
            checkpoints.restore_plain(20)
        same_bits(checkpoints.restore(10, like()), state_at(10))
    assert (folder / "20").is_dir()


def test_where_none_is_whole_nothing_is_trained_or_removed(folder):
    for step in (10, 20):
        DAMAGE["half deleted"](folder / str(step))
    with contextlib.closing(Checkpoints(folder)) as checkpoints, pytest.raises(InputError) as refusal:
        checkpoints.newest(like())
    assert "step 10 is damaged" in str(refusal.value)
    assert "step 20 is damaged" in str(refusal.value)
    assert "trains from the start" in str(refusal.value)
    assert sorted(path.name for path in folder.iterdir()) == ["10", "20"]


def test_a_damaged_score_costs_the_score_alone(folder, same_bits):
    file = folder / "20" / "metrics" / "metrics"
    file.write_text('{"score": 2')
    with pytest.raises(InputError, match="metrics is damaged: delete it"):
        Checkpoints(folder, read_only=True)
    with contextlib.closing(Checkpoints(folder)) as checkpoints:
        same_bits(checkpoints.newest(like())[0], state_at(20))
        assert checkpoints.best() == 10


def test_another_shape_is_refused_by_the_tensors_names(folder):
    with contextlib.closing(Checkpoints(folder)) as checkpoints, pytest.raises(InputError) as refusal:
        checkpoints.newest(like(width=32))
    lines = str(refusal.value).splitlines()
    assert lines[0] == "The checkpoint of step 20 does not fit the config:"
    assert ("  players/generator/params/dense/kernel: float32[64, 8] in the checkpoint, float32[32, 8] by the config"
            in lines)
    assert "--config.init_from" in lines[-1]
    assert sorted(path.name for path in folder.iterdir()) == ["10", "20"]


def test_checkpoints_of_before_there_were_checksums_are_read(folder, same_bits):
    file = folder / "20" / "_CHECKPOINT_METADATA"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"custom_metadata": {}}))
    with contextlib.closing(Checkpoints(folder)) as checkpoints:
        same_bits(checkpoints.newest(like())[0], state_at(20))


def test_a_checksum_tells_every_bit():
    tree = {"a": np.arange(12, dtype=np.float32).reshape(3, 4), "b": (np.int32(7), jnp.ones(3, jnp.bfloat16))}
    known = integrity.checksums(tree)
    assert list(known) == ["a", "b/0", "b/1"]
    integrity.compare(integrity.checksums(tree), known)
    tree["a"].view(np.uint32)[2, 3] ^= 1
    with pytest.raises(integrity.Damaged, match=r"1 of 3 arrays are not what was saved, a among them"):
        integrity.compare(integrity.checksums(tree), known)
    with pytest.raises(integrity.Damaged, match="b/0 among them"):
        integrity.compare({"a": known["a"]}, {"a": known["a"], "b/0": 1})


def test_what_cannot_be_written_is_said_and_the_rest_is_whole(folder, monkeypatch, same_bits):
    """The store's own error is raised where Orbax writes, in its thread; it must not be lost there."""
    from orbax.checkpoint._src.serialization import type_handlers

    async def full(*_, **__):
        await asyncio.sleep(0.1)  # folders are made first, or a thread of Orbax waits for them for minutes
        raise ValueError("RESOURCE_EXHAUSTED: No space left on device")

    def save_on_full_disk():
        with monkeypatch.context() as patch, contextlib.closing(Checkpoints(folder)) as checkpoints:
            patch.setattr(type_handlers.ArrayHandler, "serialize", full)
            checkpoints.save(state_at(30))

    with pytest.raises(OSError, match=r"could not be written \(.*No space left on device.*\)"):
        save_on_full_disk()
    with contextlib.closing(Checkpoints(folder)) as checkpoints:
        same_bits(checkpoints.newest(like())[0], state_at(20))
        checkpoints.save(state_at(30))
    assert sorted(path.name for path in folder.iterdir()) == ["10", "20", "30"]


def test_saving_leaves_nothing_behind_in_memory(tmp_path):
    """tensorstore would lose ten blocks of memory an array and save; caches that fill up take two at first."""
    arrays, saves = 40, 6
    with contextlib.closing(Checkpoints(tmp_path / "checkpoints")) as checkpoints:
        def save(steps):
            for step in steps:
                state = state_at(step)
                state.averages["more"] = {str(name): jnp.float32(name) for name in range(arrays)}
                checkpoints.save(state)
                checkpoints.manager.wait_until_finished()
            del state
            gc.collect()
            return sys.getallocatedblocks()

        before = save(range(4))
        assert save(range(4, 4 + saves)) - before < 4 * saves * arrays
