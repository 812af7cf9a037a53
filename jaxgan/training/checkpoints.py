"""Orbax checkpoints of a TrainState: the last two and the best."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from jaxgan import buckets
from jaxgan.errors import InputError
from jaxgan.training.state import TrainState
from jaxgan.typing import PyTree

SCORE = "score"  # what ranks checkpoints: lower is better


class Checkpoints:
    """The `checkpoints/` folder of a run. Saving is asynchronous; `close` waits for it.

    A checkpoint appears under its step number only when it is whole: a process killed while writing leaves at most a
    temporary folder, which the next one removes. before_save: what else has to be safe by then.
    """

    def __init__(self, folder: Path, before_save: Callable[[], None] | None = None, read_only: bool = False):
        logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax reports every folder it looks at
        self.folder, self._before_save = folder if buckets.is_bucket(folder) else folder.absolute(), before_save
        keep = preservation_policy.AnyPreservationPolicy([
            preservation_policy.LatestN(2),
            # Orbax keeps the end of the sorted list: descending, so that the lowest score stays.
            preservation_policy.BestN(get_metric_fn=_score, reverse=True, n=1, keep_checkpoints_without_metrics=False),
        ])
        # best_fn decides nothing beside a preservation policy, but without it Orbax does not write the scores down.
        options = ocp.CheckpointManagerOptions(preservation_policy=keep, best_fn=_score, best_mode="min",
                                               read_only=read_only, create=not read_only,
                                               cleanup_tmp_directories=not read_only)
        self.manager = ocp.CheckpointManager(self.folder, options=options,
                                             item_handlers=ocp.StandardCheckpointHandler())  # for item_metadata

    def steps(self) -> list[int]:
        """Steps there is a whole checkpoint of, ascending."""
        return sorted(self.manager.all_steps())

    def best(self) -> int | None:
        """The step with the lowest score; None where none was scored."""
        scored = {step: _score(metrics) for step in self.steps() if (metrics := self.manager.metrics(step))}
        return min(scored, key=scored.__getitem__) if scored else None

    def save(self, state: TrainState, score: float | None = None) -> None:
        """Writes `state` under its step, unless that step is there already."""
        step = int(state.step)
        if step in self.manager.all_steps():
            return
        if self._before_save:
            self._before_save()
        metrics = None if score is None else {SCORE: float(score)}
        self.manager.save(step, args=ocp.args.StandardSave(_pack(state)), metrics=metrics, force=True)

    def restore(self, step: int, like: PyTree) -> TrainState:
        """The state saved at `step`. like: shapes, dtypes and shardings, as `jax.eval_shape` gives them."""
        packed = self.manager.restore(step, args=ocp.args.StandardRestore(_pack(like)))
        return _unpack(packed, like)

    def restore_plain(self, step: int) -> dict[str, Any]:
        """The state saved at `step` as nested dicts of arrays on one device, whatever experiment it was of."""
        device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device),
                            self.manager.item_metadata(step))
        return self.manager.restore(step, args=ocp.args.StandardRestore(like))

    def choose(self, which: str) -> int:
        """`latest`, `best` or a step number -> a step that is there. Raises InputError otherwise."""
        steps = self.steps()
        if not steps:
            raise InputError(f"There is no checkpoint in {self.folder}: train first.")
        if which == "latest":
            return steps[-1]
        if which == "best":
            if (best := self.best()) is None:
                raise InputError("No checkpoint of this run has a score, so none is the best: "
                                 "use --checkpoint=latest, or train with config.evaluate_every and config.metrics.")
            return best
        if not which.isdecimal() or int(which) not in steps:
            there = ", ".join(["latest", "best", *map(str, steps)])
            raise InputError(f"There is no checkpoint {which!r}. There are: {there}.")
        return int(which)

    def close(self) -> None:
        """Waits until everything is on disk."""
        self.manager.wait_until_finished()
        self.manager.close()


def _score(metrics: Mapping[str, float]) -> float:
    return metrics[SCORE]


def _pack(state: TrainState) -> dict[str, Any]:
    """Plain dicts of arrays. The key goes as its data: numbers that any version of anything can read."""
    key = state.key
    if isinstance(key, jax.ShapeDtypeStruct):
        data = jax.eval_shape(jax.random.key_data, key)
        data = jax.ShapeDtypeStruct(data.shape, data.dtype, sharding=key.sharding)
    else:
        data = jax.random.key_data(key)
    packed: Mapping[str, Any] = {
        "step": state.step, "key": data, "averages": state.averages, "parts": state.parts,
        "players": {name: {"params": player.params, "variables": player.variables, "opt_state": player.opt_state}
                    for name, player in state.players.items()},
    }
    return dict(packed)


def _unpack(packed: Mapping[str, Any], like: TrainState) -> TrainState:
    players = {name: player.replace(**packed["players"][name]) for name, player in like.players.items()}
    key = jax.random.wrap_key_data(packed["key"], impl=jax.random.key_impl(jax.random.key(0, impl="threefry2x32")))
    return TrainState(step=packed["step"], key=key, players=players, averages=packed["averages"], parts=packed["parts"])
