"""What a config costs before it runs: the real update, compiled for a machine that need not be there."""

import math
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jaxgan.data import Info
from jaxgan.data.pipeline import DEVICE_MEMORY_LIMIT
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.training.parallel import AXIS
from jaxgan.training.phases import due_phases
from jaxgan.training.update import make_steps
from jaxgan.typing import PyTree

Say = Callable[[str], None]


class Chip(NamedTuple):
    """What a device can do, as published: bfloat16 FLOP/s, bytes of memory, Hz."""

    name: str
    flops: float
    memory: float
    clock: float


CHIPS = {
    "v4": Chip("TPU v4", 275e12, 32 * 2**30, 1.05e9),
    "v5e": Chip("TPU v5e", 197e12, 16 * 2**30, 1.5e9),
    "v5p": Chip("TPU v5p", 459e12, 95 * 2**30, 1.75e9),
    "v6e": Chip("TPU v6e", 918e12, 32 * 2**30, 1.75e9),
}
COLLECTIVE = re.compile(r"= (.*?) (?:all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\(")
ARRAY = re.compile(r"\b([a-z]+\d+)\[([\d,]*)\]")
CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
WORK = re.compile(r" (?:fusion|convolution|dot|copy|reduce|sort|gather|scatter|"
                  r"(?:all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?)\(")
INSIDE = re.compile(r"calls=(%[\w.-]+)")
LOOP = re.compile(r" while\(.*condition=(%[\w.-]+), body=(%[\w.-]+)")
LIMIT = re.compile(r"= [su]32\[\]\S* constant\((\d+)\)")
NAMED = re.compile(r"(?:ENTRY )?(%[\w.-]+) \(.*\{$")
OUT_OF_MEMORY = re.compile(r"RESOURCE_EXHAUSTED|out of memory|exceeds", re.IGNORECASE)


class Target(NamedTuple):
    """name: as it was asked for. chip: None for this machine, on which time is measured."""

    name: str
    devices: list[Any]
    chip: Chip | None


class Cost(NamedTuple):
    """Of one compiled program, for one device. cycles: of the operations that the compiler has a model for, whose
    share of all is `modelled`."""

    collective_bytes: float
    cycles: float
    modelled: float
    memory: int


class Plan(NamedTuple):
    """What a step costs. Per device where it says so; step_seconds: (lowest, highest), the same where measured.
    share_of_peak: at the highest."""

    parameters: dict[str, int]
    batch_size: int
    devices: int
    flops_per_image: float
    memory_per_device: int
    collective_bytes_per_step: float
    step_seconds: tuple[float, float]
    images_per_second: tuple[float, float]
    share_of_peak: float | None
    modelled: float | None
    hours: tuple[float, float]
    device_hours: tuple[float, float]


def find_target(text: str) -> Target:
    """`local`, or a TPU slice such as `v5e:4x4`: jax's topology names. Raises InputError for any other."""
    if text == "local":
        return Target(text, jax.devices(), None)
    kind = text.partition(":")[0]
    if kind not in CHIPS or not re.fullmatch(r"\w+:\d+x\d+(x\d+)?", text):
        raise InputError(f"--target={text}: write local, or a TPU slice: {', '.join(CHIPS)} and its sides, such as "
                         "v5e:4x4, v6e:2x2, v5p:2x2x2 or v4:2x2x1.")
    # There is no TPU to be asked what and where it is, nor one to have for oneself.
    for name, value in (("TPU_SKIP_MDS_QUERY", "1"), ("TPU_WORKER_HOSTNAMES", "localhost"),
                        ("TPU_ACCELERATOR_TYPE", text.replace(":", "-")), ("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")):
        os.environ.setdefault(name, value)
    try:
        from jax.experimental import topologies
        devices = topologies.get_topology_desc(text, platform="tpu").devices
    except (ImportError, RuntimeError, ValueError, jax.errors.JaxRuntimeError) as error:
        raise InputError(f"--target={text}: the compiler for TPUs does not know it or is not here: "
                         f"pip install 'jaxgan[plan]' ({str(error).splitlines()[0][:200]}).") from error
    return Target(text, list(devices), CHIPS[kind])


def plan(config: Mapping[str, Any], info: Info, num_images: int, target: Target, say: Say) -> Plan:
    """Compiles every program a step may be and adds them up as often as they run. num_images: in the data set.

    Raises InputError, with the largest batch that fits, where this one does not.
    """
    if config["parallel"] == "pmap":
        raise InputError("config.parallel is pmap, for which there is no plan: choose jit or fsdp.")
    experiment = Experiment(config, info, target.devices)
    shares = programs(experiment)
    try:
        costs = {due: compile_step(experiment, num_images, due, say) for due in shares}
    except jax.errors.JaxRuntimeError as error:
        if not OUT_OF_MEMORY.search(str(error)):
            raise
        raise InputError(too_large(config, info, num_images, target, say)) from error
    if target.chip and max(cost.memory for cost in costs.values()) > target.chip.memory:
        raise InputError(too_large(config, info, num_images, target, say))
    cycles, exchanged = (sum(share * getattr(costs[due], name) for due, share in shares.items())
                         for name in ("cycles", "collective_bytes"))
    work = flops(experiment, num_images)
    seconds = bounds(target, work, cycles) if target.chip else measured(experiment, num_images, say)
    images = experiment.method.images_per_step
    rate = images / seconds[1], images / seconds[0]
    hours = tuple(config["total_kimg"] * 1000 / each / 3600 for each in reversed(rate))
    return Plan(
        parameters=parameters(experiment), batch_size=config["batch_size"], devices=len(target.devices),
        flops_per_image=work / images,
        memory_per_device=max(cost.memory for cost in costs.values()),
        collective_bytes_per_step=exchanged, step_seconds=seconds, images_per_second=rate,
        share_of_peak=seconds[0] / seconds[1] if target.chip else None,
        modelled=min(cost.modelled for cost in costs.values()) if target.chip else None,
        hours=hours, device_hours=tuple(each * len(target.devices) for each in hours))


def programs(experiment: Experiment) -> dict[tuple[str, ...], float]:
    """The sets of phases that may be due in a step, and their shares of all steps."""
    phases = experiment.method.phases
    period = math.lcm(*(phase.every for phase in phases))
    counts = Counter(due_phases(phases, step) for step in range(period))
    return {due: count / period for due, count in counts.items()}


def repeats(experiment: Experiment, phase: Any) -> int:
    """How often the program of a phase runs through its batch in a step."""
    return phase.repeat * experiment.method.accumulate


def parameters(experiment: Experiment) -> dict[str, int]:
    players = experiment.abstract_state().players
    return {name: sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(player.params))
            for name, player in players.items()}


def inputs(experiment: Experiment, num_images: int) -> tuple[PyTree, PyTree]:
    """The shapes of one step's feed and of the data that live on the devices, as `Feed` would give them."""
    method, info, mesh = experiment.method, experiment.info, experiment.parallel.mesh
    whole, split = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), (None, None, AXIS)))
    point = info.kind == "point"
    label = {"none": {}, "class": {"label": ((), jnp.int32)},
             "image": {} if experiment.parts.degrade else {"label": (info.label_shape, jnp.uint8)},
             "vector": {"label": ((info.num_classes,), jnp.float32)}}
    arrays = {"image": (info.shape, jnp.float32 if point else jnp.uint8)} | label[info.label_kind]
    size = sum(num_images * math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in arrays.values())
    private = method.privacy
    slots = 1, method.num_slots, private.places(mesh.size) if private else method.batch_size
    present = {"present": jax.ShapeDtypeStruct(slots, jnp.bool_, sharding=split)} if private else {}
    if size > DEVICE_MEMORY_LIMIT:
        return present | {name: jax.ShapeDtypeStruct((*slots, *shape), dtype, sharding=split)
                          for name, (shape, dtype) in arrays.items()}, {}
    return (present | {"index": jax.ShapeDtypeStruct(slots, jnp.int32, sharding=split)},
            {name: jax.ShapeDtypeStruct((num_images, *shape), dtype, sharding=whole)
             for name, (shape, dtype) in arrays.items()})


def compile_step(experiment: Experiment, num_images: int, due: tuple[str, ...], say: Say) -> Cost:
    """One step with these phases, compiled for the experiment's devices."""
    say(f"compiling {', '.join(due)}")
    feed, data = inputs(experiment, num_images)
    steps = experiment.parallel.compile(make_steps(experiment.method))
    compiled = steps.lower(experiment.abstract_state(), feed, data, due=due).compile()
    memory, text = compiled.memory_analysis(), compiled.as_text()
    held = (memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
            + memory.temp_size_in_bytes + memory.generated_code_size_in_bytes)
    parts = computations(text)
    cycles, modelled = expected_cycles(parts)
    exchanged = sum(times * collective_bytes("\n".join(parts[name])) for name, times in turns(parts).items())
    return Cost(exchanged, cycles, modelled, held)


def flops(experiment: Experiment, num_images: int) -> float:
    """What a step asks for on average, on all devices together: a compiler that gives convolutions zeros to multiply,
    or makes something twice, does more."""
    here = Experiment(experiment.config, experiment.info, jax.devices()[:1])
    steps = here.parallel.compile(make_steps(here.method))

    def asked(due):  # as of a GPU, where convolutions stay what they are; bodies of loops count once
        traced = steps.trace(here.abstract_state(), *inputs(here, num_images), due=due)
        return traced.lower(lowering_platforms=("cuda",)).cost_analysis()["flops"]
    rest = asked(())
    return rest + sum(repeats(here, phase) / phase.every * (asked((phase.name,)) - rest)
                      for phase in here.method.phases)


def computations(text: str) -> dict[str, list[str]]:
    """The lines of a compiled program, by the computation they stand in."""
    found: dict[str, list[str]] = {"": []}
    lines = found[""]
    for line in text.splitlines():
        if heading := NAMED.match(line):
            lines = found[heading[1]] = []
        lines.append(line)
    return found


def turns(parts: Mapping[str, list[str]]) -> dict[str, int]:
    """How often each computation runs: the body of a loop as often as its condition says, where that is one number."""
    around = {found[2]: (name, found[1]) for name, lines in parts.items() for line in lines
              if (found := LOOP.search(line))}

    def count(name):
        if name not in around:
            return 1
        outer, condition = around[name]
        limits = LIMIT.findall("\n".join(parts[condition]))
        return (int(limits[0]) if len(limits) == 1 else 1) * count(outer)
    return {name: count(name) for name in parts}


def expected_cycles(parts: Mapping[str, list[str]]) -> tuple[int, float]:
    """What the compiler expects of the operations of a program that it has a model for, and their share of all.

    What other operations are made of is not counted again, nor is what only moves data ahead of their use.
    """
    inside = {name for lines in parts.values() for line in lines for name in INSIDE.findall(line)}
    cycles = modelled = work = 0
    for name, times in turns(parts).items():
        for line in parts[name] if name not in inside else ():
            expected = CYCLES.search(line)
            cycles += times * int(expected[1]) if expected else 0
            modelled += bool(expected)
            work += bool(expected or WORK.search(line))
    return cycles, modelled / max(work, 1)


def collective_bytes(text: str) -> int:
    """Bytes that the collectives of a compiled program give out, on one device."""
    total = 0
    for results in COLLECTIVE.findall(text):
        for dtype, sides in ARRAY.findall(results):
            bits = int(re.sub(r"\D", "", dtype))
            total += math.prod(int(side) for side in sides.split(",") if side) * bits // 8
    return total


def bounds(target: Target, work: float, cycles: float) -> tuple[float, float]:
    """Seconds of a step from below, by what the chips can do at most, and as the compiler has it, if that is more.

    Bytes are no bound: the compiler counts them where they stay in a chip's fast memory too, and the whole of an array
    that a loop changes in place.
    """
    least = work / (target.chip.flops * len(target.devices))
    return least, max(cycles / target.chip.clock, least)


def measured(experiment: Experiment, num_images: int, say: Say) -> tuple[float, float]:
    """Seconds of a step on this machine, run on noise: the median of a few, each due set by its share."""
    say("measuring")
    feed, data = jax.tree.map(lambda leaf: jax.device_put(np.zeros(leaf.shape, leaf.dtype), leaf.sharding),
                              inputs(experiment, num_images))
    steps = experiment.parallel.compile(make_steps(experiment.method))
    state, seconds = experiment.initial_state(), 0.0
    for due, share in programs(experiment).items():
        times = []
        for _ in range(4):
            begun = time.perf_counter()
            state, metrics = steps(state, feed, data, due=due)
            jax.block_until_ready(metrics)
            times.append(time.perf_counter() - begun)
        seconds += share * float(np.median(times[1:]))
    return seconds, seconds


def too_large(config: Mapping[str, Any], info: Info, num_images: int, target: Target, say: Say) -> str:
    """What to say of a batch that does not fit: the largest that does."""
    step = len(target.devices) * config["accumulate"]

    def memory(count: int) -> float:
        """Of a device, with `count` images in each part of the batch."""
        smaller = dict(config) | {"batch_size": count * step}
        experiment = Experiment(smaller, info, target.devices)
        say(f"trying a batch of {count * step}")
        try:
            return compile_step(experiment, num_images, max(programs(experiment), key=len), say).memory
        except jax.errors.JaxRuntimeError as error:
            if not OUT_OF_MEMORY.search(str(error)):
                raise
            return math.inf

    fits = largest_fit(memory, target.chip.memory, config["batch_size"] // step)
    advice = f"--config.batch_size={fits * step} is the largest that does" if fits else "not one image a device does"
    return (f"A batch of {config['batch_size']} does not fit into {target.chip.memory / 2**30:.0f} GiB a device on "
            f"{target.name}: {advice}. --config.accumulate, --config.parallel=fsdp or more devices help too.")


def largest_fit(memory: Callable[[int], float], limit: float, fails: int) -> int:
    """The largest count below `fails` whose memory is within the limit; 0 if none is.

    Memory grows with the count, nearly along a line, and each look at it takes minutes: a few times the next count to
    try is where the line through the last two meets the limit. After that the bracket is halved.
    """
    known: dict[int, float] = {}
    fits, lines = 0, 4
    while fails - fits > 1:
        guess = (fits + fails) // 2 if known else 1
        if len(known) > 1 and lines:
            (one, low), (other, high) = sorted(known.items())[-2:]
            guess = int(one + (limit - low) * (other - one) / (high - low)) if high > low else guess
            guess, lines = min(max(guess, fits + 1), fails - 1), lines - 1
        used = memory(guess)
        if math.isfinite(used):
            known[guess] = used
        fits, fails = (guess, fails) if used <= limit else (fits, guess)
    return fits
