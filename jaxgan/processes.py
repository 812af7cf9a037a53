"""One program in several processes, on one machine or a cluster: joining it, and what passes between its members.

With a single process, all of this is what it is without the module.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Sharding

from jaxgan.errors import InputError
from jaxgan.typing import Array, PyTree

HEARTBEAT = 30  # seconds without a sign of life after which a process counts as lost
AUTOMATIC = "auto"


def join(where: str) -> None:
    """Makes this process a member; before any other use of jax.

    where: "auto" on TPU pods, Slurm, Open MPI and Kubernetes, which say themselves who is who; elsewhere
    "HOST:PORT,I/N", for member I of N from 0, the first of which listens at HOST:PORT.
    """
    given: dict[str, Any] = {}
    if where != AUTOMATIC:
        address, _, place = where.rpartition(",")
        index, _, count = place.partition("/")
        if ":" not in address or not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise InputError(f"--multihost={where}: write HOST:PORT,I/N, such as 10.0.0.1:1234,0/2 and "
                             "10.0.0.1:1234,1/2, or auto on a cluster that jax knows.")
        given = {"coordinator_address": address, "num_processes": int(count), "process_id": int(index)}
    try:
        jax.distributed.initialize(heartbeat_timeout_seconds=HEARTBEAT, shutdown_timeout_seconds=HEARTBEAT, **given)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"--multihost={where}: the processes do not find each other ({error}). Say where: "
                         "--multihost=HOST:PORT,I/N.") from error


def is_first() -> bool:
    """Whether this process is the one that writes and speaks for all."""
    return jax.process_index() == 0


def several() -> bool:
    return jax.process_count() > 1


def wait(name: str) -> None:
    """Goes on when all members have come here."""
    if several():
        multihost_utils.sync_global_devices(name)


def all_agree(here: bool) -> bool:
    """Whether something is so for every member; all must ask."""
    return bool(multihost_utils.process_allgather(np.array(here)).all()) if several() else here


def place(tree: PyTree, sharding: Sharding) -> PyTree:
    """Arrays that every member holds whole -> arrays of all of them. No member asks the others."""
    if not several():
        return jax.device_put(tree, sharding)
    return jax.tree.map(lambda leaf: leaf if isinstance(leaf, Array) and not leaf.is_fully_addressable else
                        jax.make_array_from_callback(leaf.shape, sharding, lambda part: np.asarray(leaf[part])), tree)


def join_parts(tree: PyTree, sharding: Sharding) -> PyTree:
    """The part of a batch that this member has read -> the whole batch, on the devices of all."""
    if not several():
        return jax.device_put(tree, sharding)
    return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(sharding, leaf), tree)


def fetch(array: Array) -> np.ndarray:
    """All of an array, for every member; all of them must call."""
    if array.is_fully_addressable or array.is_fully_replicated:
        return np.asarray(array)
    return multihost_utils.process_allgather(array, tiled=True)


def tell(name: str, value: str) -> None:
    """Says something to all members; what was said first under a name stands."""
    from orbax.checkpoint import multihost  # a second to import
    with contextlib.suppress(jax.errors.JaxRuntimeError):
        multihost.get_jax_distributed_client().key_value_set(name, value)


def told(name: str) -> str | None:
    """What a member has told, without waiting for it; None for nothing."""
    from orbax.checkpoint import multihost
    try:
        return multihost.get_jax_distributed_client().key_value_try_get(name)
    except jax.errors.JaxRuntimeError:
        return None


def guarded(work: Callable[[], Any]) -> Any:
    """work(), which ends at once, with a message, when another member is lost: what waits for it would wait forever."""
    if not several():
        return work()
    try:
        return work()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):  # its own fault, and the others will be told
            raise
        print(f"error: another process of this run was lost, or the way to it ({str(error).splitlines()[0]}). "
              "Start all of them again: the same command continues from the last checkpoint.", file=sys.stderr,
              flush=True)
        os._exit(1)  # an orderly exit waits for the lost one
