"""One update over many devices: `jit` over a mesh (the path), `fsdp`, which is that with the state in shares, or `pmap`
(a thin mode of the same update).

All give a step the same keys and the same data. Under `jit` and `fsdp` BatchNorm sees the global batch; under `pmap`
each device its own part.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxgan import compilation, processes
from jaxgan.errors import InputError
from jaxgan.typing import Array, PyTree

AXIS = "data"
WHOLE = 4096  # entries up to which an array is not worth sharing out


class Axis(NamedTuple):
    """How the code of one step sees the devices: what it draws globally, what it holds, what it must average."""

    size: int                           # programs that share one global batch
    split: Callable[[PyTree], PyTree]   # a global batch -> the part this program works on
    whole: Callable[[PyTree], PyTree]   # weights as they are held -> as a network reads them
    local: Callable[[Array], Array]     # a key -> this program's own
    mean: Callable[[PyTree], PyTree]    # gradients, statistics, metrics -> the same everywhere


class Parallel(NamedTuple):
    """One way of running: place a state, feed data, compile the steps, get the state back as one device holds it, or
    where devices hold shares of it, as arrays of the whole."""

    axis: Axis
    mesh: Mesh
    shardings: Callable[[PyTree], PyTree]    # shapes of a gathered state -> where its arrays are
    initialize: Callable[[Callable[[], PyTree]], PyTree]
    place: Callable[[PyTree], PyTree]        # a state on the host -> on the devices
    gather: Callable[[PyTree], PyTree]       # the reverse; no copy where none is needed
    place_data: Callable[[PyTree], PyTree]   # arrays every device needs whole
    feed: Callable[[PyTree], PyTree]         # this process's part of arrays [steps, slots, batch, ...], split there
    compile: Callable[[Callable], Callable]  # steps(state, feed, data, due)


def make_mesh(devices=None) -> Mesh:
    """All devices along one axis. Auto axes: under Explicit ones, reshapes and gathers that GANs need do not trace."""
    devices = devices if devices is not None else jax.devices()
    # In the order of the processes, so that each one's part of a batch is one piece.
    devices = sorted(devices, key=lambda device: (device.process_index, device.id))
    return Mesh(np.asarray(devices), (AXIS,), axis_types=(AxisType.Auto,))


def build(mode: str, batch_size: int, accumulate: int = 1, devices=None) -> Parallel:
    """`mode` is "jit", "fsdp" or "pmap". Raises InputError where the batch does not divide among the devices."""
    mesh = make_mesh(devices)
    if batch_size % (mesh.size * accumulate):
        parts = f" in {accumulate} parts each (config.accumulate)" if accumulate > 1 else ""
        raise InputError(f"config.batch_size is {batch_size}, which {mesh.size} devices cannot share evenly{parts}: "
                         f"make it a multiple of {mesh.size * accumulate}.")
    if mode == "pmap" and processes.several():
        raise InputError("config.parallel is pmap, which runs in one process only: choose jit or fsdp.")
    return {"jit": _jit, "fsdp": _fsdp, "pmap": _pmap}[mode](mesh)


def whole(shape: tuple[int, ...], size: int) -> PartitionSpec:
    """Every device holds all of it."""
    return PartitionSpec()


def in_shares(shape: tuple[int, ...], size: int) -> PartitionSpec:
    """Each of `size` devices holds an equal share, cut along the longest side that can be; small arrays stay whole."""
    sides = [side for side in shape if side % size == 0]
    if math.prod(shape) <= WHOLE or not sides:
        return PartitionSpec()
    place = shape.index(max(sides))
    return PartitionSpec(*[None] * place, AXIS)


def _jit(mesh: Mesh) -> Parallel:
    return _over_mesh(mesh, whole, lambda tree: tree)


def _fsdp(mesh: Mesh) -> Parallel:
    """Fully sharded data parallelism: params, optimizer states and averages are held in shares, and weights are
    gathered where a network reads them. For networks whose state is too large for one device."""
    # Said, not left to XLA: from kernels in shares it cuts the layers themselves. That takes it more than twice as long
    # (429 s against 173 for a DCGAN of 23 million parameters on v5e:2x2, with memory much the same), and its
    # partitioner does not survive the strided slices of transposed convolutions.
    @jax.custom_vjp
    def gathered(leaf):
        return jax.lax.with_sharding_constraint(leaf, NamedSharding(mesh, PartitionSpec()))

    def shared_out(leaf):  # a gradient, which would be gathered too if the rule of the constraint were taken
        return jax.lax.with_sharding_constraint(leaf, NamedSharding(mesh, in_shares(leaf.shape, mesh.size)))
    gathered.defvjp(lambda leaf: (gathered(leaf), None), lambda _, leaf: (shared_out(leaf),))
    return _over_mesh(mesh, in_shares, lambda tree: jax.tree.map(gathered, tree))


def _over_mesh(mesh: Mesh, rule: Callable[[tuple[int, ...], int], PartitionSpec],
               as_read: Callable[[PyTree], PyTree]) -> Parallel:
    """rule: (shape of an array of the state, number of devices) -> how it is cut. as_read: `Axis.whole`."""
    replicated = NamedSharding(mesh, PartitionSpec())
    by_batch = NamedSharding(mesh, PartitionSpec(None, None, AXIS))
    split = NamedSharding(mesh, PartitionSpec(AXIS))

    def shardings(tree):
        return jax.tree.map(lambda leaf: NamedSharding(mesh, rule(leaf.shape, mesh.size)), tree)

    def compile_steps(steps):
        def train_steps(state, feed, data, due):
            state, metrics = steps(state, feed, data, due)
            return jax.lax.with_sharding_constraint(state, shardings(state)), jax.lax.with_sharding_constraint(
                metrics, replicated)
        platform = mesh.devices.flat[0].platform  # not this backend's where a plan is made for another machine
        return compilation.jit(train_steps, platform=platform, static_argnames="due", donate_argnums=0)

    return Parallel(
        axis=Axis(size=1, split=lambda tree: jax.lax.with_sharding_constraint(tree, split), whole=as_read,
                  local=lambda key: key, mean=lambda tree: tree),
        mesh=mesh,
        shardings=shardings,
        # Born on the devices inside one program: nothing aliases, so everything can be donated. Networks run in it.
        initialize=lambda init: compilation.jit_once(lambda: as_read(init()),
                                                     out_shardings=shardings(jax.eval_shape(init)))(),
        place=lambda state: jax.device_put(state, shardings(state)),
        gather=lambda state: state,
        place_data=lambda tree: processes.place(tree, replicated),
        feed=lambda tree: processes.join_parts(tree, by_batch),
        compile=compile_steps,
    )


def _mapped_axis(count: int) -> Axis:
    """The axis of pmap: every program holds one slice and speaks to the others by collectives."""
    def split(tree):
        index = jax.lax.axis_index(AXIS)
        def part(leaf):
            size = leaf.shape[0] // count
            return jax.lax.dynamic_slice_in_dim(leaf, index * size, size)
        return jax.tree.map(part, tree)

    def mean(tree):
        def part(leaf):
            return jax.lax.pmean(leaf, AXIS) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
        return jax.tree.map(part, tree)

    return Axis(size=count, split=split, whole=lambda tree: tree, mean=mean,
                local=lambda key: jax.random.fold_in(key, jax.lax.axis_index(AXIS)))


def _pmap(mesh: Mesh) -> Parallel:
    devices = list(mesh.devices.flat)
    count = len(devices)

    def place(tree):
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), tree)

    def feed(tree):
        def part(leaf):
            steps, slots, batch, *rest = leaf.shape
            return leaf.reshape(steps, slots, count, batch // count, *rest).swapaxes(0, 2).swapaxes(1, 2)
        return jax.tree.map(part, tree)

    def compile_steps(steps):
        compiled = {}
        def run(state, batches, data, *, due):
            if due not in compiled:
                compiled[due] = jax.pmap(lambda *arguments: steps(*arguments, due=due), axis_name=AXIS, devices=devices,
                                         donate_argnums=0)
            state, metrics = compiled[due](state, batches, data)
            return state, jax.tree.map(lambda leaf: leaf[0], metrics)
        return run

    return Parallel(
        axis=_mapped_axis(count),
        mesh=mesh,
        shardings=lambda tree: jax.tree.map(lambda leaf: NamedSharding(mesh, PartitionSpec()), tree),
        initialize=lambda init: place(compilation.jit_once(init)()),
        place=place,
        gather=lambda state: jax.tree.map(lambda leaf: leaf[0], state),
        place_data=place,
        feed=feed,
        compile=compile_steps,
    )
