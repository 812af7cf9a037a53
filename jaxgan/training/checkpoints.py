"""Orbax checkpoints of a TrainState: the last two and the best."""

import errno
import functools
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
from etils import epath

from jaxgan import buckets, processes
from jaxgan.errors import InputError
from jaxgan.training import integrity, memory
from jaxgan.training.integrity import Damaged
from jaxgan.training.state import TrainState
from jaxgan.typing import PyTree

SCORE = "score"  # what ranks checkpoints: lower is better
SKIPPED = "skipped"
NO_SPACE = os.strerror(errno.ENOSPC)  # at the end of a long message
SHOWN = 120  # characters of another library's message
SCORES = "metrics"  # what Orbax calls the folder of a checkpoint's score, and the file in it
CHECKSUMS = "crc32"  # under what name they are in Orbax's metadata of a step


class Checkpoints:
    """The `checkpoints/` folder of a run. Saving is asynchronous; `close` waits for it.

    A checkpoint appears under its step number only when it is whole: a process killed while writing leaves at most a
    temporary folder, which the next one removes. before_save: what else has to be safe by then.
    """

    def __init__(self, folder: Path, before_save: Callable[[], None] | None = None, read_only: bool = False):
        logging.getLogger("absl").setLevel(logging.CRITICAL)  # Orbax reports all it looks at, and twice what it raises
        self.folder, self._before_save = folder if buckets.is_bucket(folder) else folder.absolute(), before_save
        self._check_scores(read_only)
        import orbax.checkpoint as ocp  # half a second, which many a command never needs
        from orbax.checkpoint.checkpoint_managers import preservation_policy
        memory.spare_tensorstore()
        keep = preservation_policy.AnyPreservationPolicy([
            preservation_policy.LatestN(2),
            # Orbax keeps the end of the sorted list: descending, so that the lowest score stays.
            preservation_policy.BestN(get_metric_fn=_score, reverse=True, n=1, keep_checkpoints_without_metrics=False),
        ])
        # best_fn decides nothing beside a preservation policy, but without it Orbax does not write the scores down.
        options = ocp.CheckpointManagerOptions(preservation_policy=keep, best_fn=_score, best_mode="min",
                                               read_only=read_only, create=not read_only,
                                               cleanup_tmp_directories=not read_only)
        self._args = ocp.args
        self.manager = ocp.CheckpointManager(self.folder, options=options,
                                             item_handlers=ocp.StandardCheckpointHandler())  # for item_metadata
        if getattr(sys.unraisablehook, "func", None) is not _report:
            sys.unraisablehook = functools.partial(_report, sys.unraisablehook)  # for good: some report after `close`

    def _check_scores(self, read_only: bool) -> None:
        """Orbax opens no folder in which one score is damaged: such a file is removed, or named in an InputError."""
        if self.folder.exists() and (read_only or processes.is_first()):
            for step in (path for path in self.folder.iterdir() if path.name.isdecimal()):
                file = step / SCORES / SCORES
                try:
                    _score(json.loads(file.read_bytes()))
                except FileNotFoundError:  # it never had one, or its run has just removed it
                    continue
                except (ValueError, KeyError, TypeError) as error:
                    if read_only:
                        raise InputError(f"{file} is damaged: delete it, and its checkpoint has no score.") from error
                    epath.Path(file.parent).rmtree()
        processes.wait("scores checked")

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
        packed = _pack(state)
        with self._written():
            self.manager.save(step, args=self._args.StandardSave(packed), force=True,
                              metrics=None if score is None else {SCORE: float(score)},
                              custom_metadata={CHECKSUMS: integrity.checksums(packed)})

    def newest(self, like: PyTree) -> tuple[TrainState | None, list[str]]:
        """The last state that is whole, and what is to be said where others came after it: these are put aside, as
        `STEP.damaged`. None where there is no checkpoint at all; InputError where none is whole. like: see `restore`.
        """
        said, damaged, misfit = [], [], None
        for step in reversed(self.steps()):
            try:
                state = self._restore(step, like)
            except Damaged as error:
                said.append(f"The checkpoint of step {step:,} is damaged ({error}).")
            except InputError as error:  # where an earlier one does fit, it is damaged too
                said.append(str(error))
                misfit = misfit or error
            else:
                self._put_aside(damaged)
                return state, [*said, f"Training goes on from step {step:,}."] if said else []
            damaged.append(step)
        if misfit:
            raise misfit
        if said:
            raise InputError("\n".join([*said, f"There is no other in {self.folder}: delete that folder, and the same "
                                               "command trains from the start."]))
        return None, []

    def restore(self, step: int, like: PyTree) -> TrainState:
        """The state saved at `step`. like: shapes, dtypes and shardings, as `jax.eval_shape` gives them. Raises
        InputError where it is damaged, naming those that are not."""
        with self._explained(step):
            return self._restore(step, like)

    def restore_plain(self, step: int) -> dict[str, Any]:
        """The state saved at `step` as nested dicts of arrays on one device, whatever experiment it was of."""
        with self._explained(step):
            return self._restore_plain(step)

    def _restore(self, step: int, like: PyTree) -> TrainState:
        self.manager.wait_until_finished()  # metadata, unlike the checkpoint itself, are read at once
        wanted = _pack(like)
        with _readable():
            saved = self.manager.item_metadata(step).tree
        if SKIPPED not in saved:  # written before there was such a count: nothing was
            del wanted[SKIPPED]
        integrity.check_fit(saved, wanted, step)
        return _unpack({SKIPPED: np.int32(0)} | self._read(step, wanted), like)

    def _restore_plain(self, step: int) -> dict[str, Any]:
        device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        with _readable():
            like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device),
                                self.manager.item_metadata(step).tree)
        return self._read(step, like)

    def _read(self, step: int, like: PyTree) -> dict[str, Any]:
        """Reads a checkpoint and compares it with its checksums; those of before there were any have none."""
        with _readable():
            metadata = self.manager.metadata(step).custom_metadata
            packed = self.manager.restore(step, args=self._args.StandardRestore(like))
        if metadata:
            integrity.compare(integrity.checksums(packed), metadata.get(CHECKSUMS, {}))
        return packed

    @contextmanager
    def _explained(self, step: int) -> Iterator[None]:
        """Damage as a refusal, with what can be used instead."""
        try:
            yield
        except Damaged as error:
            if not (self.folder / str(step)).exists():
                raise InputError(f"The checkpoint of step {step:,} was removed from {self.folder} while it was read: "
                                 "its run goes on. Give the command again.") from error
            whole = ", ".join(f"--checkpoint={other}" for other in self.steps() if other != step and self._whole(other))
            raise InputError(f"The checkpoint of step {step:,} in {self.folder} is damaged ({error}). "
                             + (f"Use another: {whole}." if whole else "There is no other that is whole.")) from error

    def _whole(self, step: int) -> bool:
        try:
            self._restore_plain(step)
        except Damaged:
            return False
        return True

    def _put_aside(self, steps: list[int]) -> None:
        """Renames checkpoints, so that their steps can be saved anew and nothing takes them for whole."""
        if steps and processes.is_first():
            for step in steps:
                aside = self.folder / f"{step}.damaged"
                if aside.exists():
                    epath.Path(aside).rmtree()
                (self.folder / str(step)).rename(aside)
        processes.wait("damaged checkpoints put aside")
        self.manager.reload()

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
        with self._written():
            self.manager.wait_until_finished()
        self.manager.close()

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Failures to write, of this checkpoint or of the one before, which was still on its way, as an OSError."""
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:  # of its store, as ValueError
            if isinstance(error, jax.errors.JaxRuntimeError):
                raise
            raise OSError(errno.EIO, f"A checkpoint could not be written ({_line(error)}). Those before it are whole: "
                          "make room, and the same command continues from there", str(self.folder)) from error


@contextmanager
def _readable() -> Iterator[None]:
    """Whatever Orbax and its store raise when files are missing or changed, as `Damaged`; on all members or none."""
    reason = None
    try:
        yield
    except (jax.errors.JaxRuntimeError, MemoryError):  # this machine's doing, not the file's
        raise
    except Exception as error:
        reason = error
    if not processes.all_agree(reason is None):
        raise Damaged(_line(reason) if reason else "another process cannot read it") from reason


def _report(otherwise: Callable, unraisable: Any) -> None:
    """Where one array fails, Orbax raises that and waits for no other; these report to a loop that has ended, and each
    would be a traceback beside our message."""
    if str(unraisable.exc_value) != "Event loop is closed":
        otherwise(unraisable)


def _line(error: Exception) -> str:
    """The beginning of another library's message."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = NO_SPACE if NO_SPACE in text else text
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


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
        "step": state.step, SKIPPED: state.skipped, "key": data, "averages": state.averages, "parts": state.parts,
        "players": {name: {"params": player.params, "variables": player.variables, "opt_state": player.opt_state}
                    for name, player in state.players.items()},
    }
    return dict(packed)


def _unpack(packed: Mapping[str, Any], like: TrainState) -> TrainState:
    players = {name: player.replace(**packed["players"][name]) for name, player in like.players.items()}
    key = jax.random.wrap_key_data(packed["key"], impl=jax.random.key_impl(jax.random.key(0, impl="threefry2x32")))
    return TrainState(step=packed["step"], skipped=packed[SKIPPED], key=key, players=players,
                      averages=packed["averages"], parts=packed["parts"])
