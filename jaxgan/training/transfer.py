"""Starting from another run's weights: what fits is taken, what does not begins afresh."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxgan.errors import InputError
from jaxgan.training.state import TrainState
from jaxgan.typing import PyTree

Path = tuple[str, ...]


class Fit(NamedTuple):
    """Names of a player's tensors by what became of them."""

    taken: list[str]
    adapted: list[str]
    fresh: list[str]


class Resized(NamedTuple):
    """An axis that counts what the two runs have different numbers of, and the factor on what is spread over it."""

    old: int
    new: int
    scale: float = 1.0


def transfer(state: TrainState, source: Mapping[str, Any], channels: tuple[int, int],
             classes: tuple[int, int]) -> tuple[TrainState, dict[str, Fit]]:
    """`state`, of step 0, with the weights of another run's checkpoint, and what was taken for each player.

    source: a checkpoint as plain dicts. channels, classes: (old, new) numbers of them. A tensor of the same name and
    shape is taken. One that differs in a single axis is adapted: where that axis counts channels or classes, every new
    one begins as the mean of the old, so that grey pictures stay what they were; where it is the inputs of a kernel,
    as when a label joins z, the entries both have are taken. Networks of another number of blocks are lined up from
    the latent side or from the image side, whichever lets more fit. Averages begin as the source's first one, the
    optimizers afresh. Raises InputError if nothing of a player fits.
    """
    players, fits = {}, {}
    for name, player in state.players.items():
        if name not in source["players"]:
            continue
        theirs = source["players"][name]
        # The discriminator sums over the channels of its input; for the generator they are outputs.
        scale = channels[0] / channels[1] if name == "discriminator" else 1.0
        resized = [Resized(*channels, scale), Resized(*classes)]
        params, fits[name] = merge(player.params, theirs["params"], resized)
        if not fits[name].taken:
            raise InputError(f"config.init_from: nothing of its {name} fits this run's: give this run the same model "
                             f"and width (config.{name}).")
        variables, _ = merge(player.variables, theirs["variables"], resized)
        players[name] = player.replace(params=params, variables=variables)
    generator = source["players"]["generator"]
    average = next(iter(source["averages"].values()), {key: generator[key] for key in ("params", "variables")})
    resized = [Resized(*channels), Resized(*classes)]
    averages = {name: {part: merge(mine[part], average[part], resized)[0] for part in mine}
                for name, mine in state.averages.items()}
    return state.replace(players=state.players | players, averages=averages), fits


def describe(fits: Mapping[str, Fit]) -> str:
    """What was taken, a line a player."""
    lines = []
    for name, fit in fits.items():
        total = sum(map(len, fit))
        line = f"  {name}: {len(fit.taken)} of {total} tensors taken"
        for what, names in (("adapted", fit.adapted), ("fresh", fit.fresh)):
            line += f"; {what}: {', '.join(names[:6])}{' …' if len(names) > 6 else ''}" if names else ""
        lines.append(line)
    return "\n".join(lines)


def merge(mine: PyTree, theirs: PyTree, resized: Sequence[Resized]) -> tuple[PyTree, Fit]:
    """`mine` with what fits of `theirs`, both nested dicts of arrays."""
    new, old = flatten_dict(mine), {_bare(path): np.asarray(leaf) for path, leaf in flatten_dict(theirs).items()}
    old = max(_alignments(new, old), key=lambda tree: sum(
        _bare(path) in tree and tree[_bare(path)].shape == leaf.shape for path, leaf in new.items()))
    fit, merged = Fit([], [], []), {}
    for path, leaf in new.items():
        found = adapt(leaf, old[_bare(path)], resized) if _bare(path) in old else None
        kind = fit.fresh if found is None else fit.taken if old[_bare(path)].shape == leaf.shape else fit.adapted
        kind.append("/".join(path))
        merged[path] = leaf if found is None else jnp.asarray(found, leaf.dtype)
    return unflatten_dict(merged), fit


def adapt(mine: jax.Array, theirs: np.ndarray, resized: Sequence[Resized]) -> np.ndarray | None:
    """`theirs` in the shape of `mine`; None where there is no sensible way."""
    if theirs.shape == mine.shape:
        return theirs
    if theirs.ndim != mine.ndim:
        return None
    differing = [axis for axis, (a, b) in enumerate(zip(theirs.shape, mine.shape)) if a != b]
    if len(differing) > 1:
        return None
    (axis,) = differing
    old, new = theirs.shape[axis], mine.shape[axis]
    for known in resized:
        if (old, new) == (known.old, known.new):
            return np.broadcast_to(theirs.mean(axis, keepdims=True) * known.scale, mine.shape)
    if axis != mine.ndim - 2:
        return None
    both = tuple(slice(min(old, new) if i == axis else None) for i in range(mine.ndim))
    result = np.array(mine)
    result[both] = theirs[both]
    return result


def _bare(path: Path) -> Path:
    """Without the wrapper that conditioning heads put round a discriminator."""
    return tuple(name for name in path if name != "discriminator")


def _alignments(new: Mapping[Path, Any], old: Mapping[Path, Any]) -> list[dict[Path, Any]]:
    """`old` under its own names, and with numbered blocks renumbered so that the last ones meet."""
    ours, theirs = _last_numbers(new), _last_numbers(old)
    shifts = {stem: ours[stem] - number for stem, number in theirs.items() if stem in ours}
    return [dict(old), {_renumbered(path, shifts): leaf for path, leaf in old.items()}]


def _last_numbers(tree: Mapping[Path, Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in tree:
        if (match := _block(path)) is not None:
            _, stem, number, _ = match
            found[stem] = max(number, found.get(stem, 0))
    return found


def _renumbered(path: Path, shifts: Mapping[str, int]) -> Path:
    if (match := _block(path)) is None:
        return path
    place, stem, number, rest = match
    return (*path[:place], f"{stem}{number + shifts.get(stem, 0)}{rest}", *path[place + 1:])


def _block(path: Path) -> tuple[int, str, int, str] | None:
    """The outermost numbered name of a path: (its place, "block", 3, "_1") of `block3_1`; None without one."""
    for place, name in enumerate(path):
        if match := re.fullmatch(r"([a-z]+)(\d+)(_\d+)?", name):
            return place, match[1], int(match[2]), match[3] or ""
    return None
