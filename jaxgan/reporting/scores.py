"""Scores as text: a table with the protocol beneath, and several results side by side.

Results are the dicts that `jaxgan.evaluate --json` writes: name, short, value, low, high, interval,
details, protocol.
"""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxgan.config import parse_json
from jaxgan.errors import InputError

Result = Mapping[str, Any]

WIDTH = 110
HASH = 12  # characters of a sha256 that are shown
FAKE_FACTS = ("fake", "copies", "seed", "jaxgan")  # in what two results that are compared may differ
NOTES = {"draws": "95 %, Student's, of the mean of {repeats} draws of fakes by other seeds",
         "jackknife": "95 %, by a jackknife over {repeats} groups of the fakes; the real images are taken as they are"}
LOWER_IS_BETTER = {"fd", "fd_infinity", "sfd", "intra_fd", "kid", "kid_rbf", "kid_full", "cmmd", "mind", "reverse_kl",
                   "class_kl"}
HIGHER_IS_BETTER = {"is", "precision", "recall", "density", "coverage", "modes", "high_quality", "classes", "gan_train"}


def read_json(path: Path) -> list[dict[str, Any]]:
    """The results in a file that `jaxgan.evaluate --json` wrote. Raises InputError where it holds none that could be
    shown."""
    try:
        results = parse_json(path.read_text(encoding="utf-8"))["results"]
        table(results)
        comparison({"": results}, protocol_differences({"": results, "again": results}))
    except OSError as error:
        raise InputError(f"Cannot read {path} ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"{path} holds no results of jaxgan.evaluate --json.") from error
    return results


def table(results: Sequence[Result]) -> str:
    """Name, value and interval of each result, then what all of them or some were computed from."""
    rows = [("score", "value", "± 95 %", "fakes", "real", "better", "features")]
    for result in results:
        protocol = result["protocol"]
        rows.append((result["name"], number(result["value"]), margin(result), f"{protocol['n_fake']:,}",
                     f"{protocol['n_real']:,}", direction(result["short"]),
                     protocol["backbone"]["name"] if protocol["backbone"] else "none"))
    return columns(rows, left=(0, 5, 6)) + "\n\n" + protocol_lines(results)


def protocol_lines(results: Sequence[Result]) -> str:
    """What the numbers depend on; a line that does not hold for all says for which it does."""
    found: dict[tuple[str, str], list[str]] = {}
    for result in results:
        for name, text in facts(result):
            found.setdefault((name, text), []).append(result["name"])
    lines = []
    for (name, text), holds in found.items():
        note = f" ({', '.join(holds)})" if len(holds) < len(results) else ""
        lines += textwrap.wrap(f"{name:<12}{text}{note}", WIDTH, subsequent_indent=" " * 12, break_long_words=False,
                               break_on_hyphens=False)
    return "\n".join(lines)


def facts(result: Result) -> list[tuple[str, str]]:
    """The protocol of a result in words."""
    protocol = result["protocol"]
    lines = [("NOTE", text)] if (text := warning(protocol)) else []
    lines.append(("real", side(protocol["real"])))
    fakes = protocol["fake"]
    seeds = f"; {len(fakes)} draws up to {fakes[-1]['split']}" if len(fakes) > 1 else ""
    lines.append(("fake", side(fakes[0]) + seeds))
    if protocol["held_out"]:
        lines.append(("held out", f"{side(protocol['held_out'])}; {protocol['n_held_out']:,} images"))
    if backbone := protocol["backbone"]:
        weights = backbone["weights_sha256"]
        lines.append(("features", f"{backbone['name']}, resizer {backbone['resizer']}, "
                                  f"{f'weights sha256 {weights[:HASH]}' if weights else 'no weights'}"))
    if protocol["arguments"]:
        lines.append(("arguments", f"{protocol['metric']}: " + ", ".join(
            f"{name}={value}" for name, value in protocol["arguments"].items())))
    if interval := result["interval"]:
        lines.append(("interval", NOTES[interval["kind"]].format(**interval)))
    return [*lines, ("pixels", protocol["quantisation"]), ("seed", f"{protocol['seed']}, jaxgan {protocol['jaxgan']}")]


def warning(protocol: Mapping[str, Any]) -> str:
    """What is to be said where fakes are real images; else nothing."""
    fakes = protocol["fake"]
    if all(fake["sha256"] == protocol["real"]["sha256"] for fake in fakes):
        return "the fake side is the real side: these numbers say nothing of a generator."
    copies, all_fakes = protocol["copies"], protocol["n_fake"] * len(fakes)
    if not copies:
        return ""
    if copies == all_fakes:
        return ("every fake is one of the real images, pixel for pixel: the fake side is part of the real side, and "
                "these numbers say nothing of a generator.")
    return f"{copies:,} of {all_fakes:,} fakes are real images, pixel for pixel."


def side(record: Mapping[str, str]) -> str:
    return f"{record['data']}, {record['split']}, content sha256 {record['sha256'][:HASH]}"


def direction(short: str) -> str:
    """Which values are good ones; nothing for scores of which that is not so simple."""
    return "lower" if short in LOWER_IS_BETTER else "higher" if short in HIGHER_IS_BETTER else ""


def number(value: float) -> str:
    """Four digits, without an exponent where that is short."""
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e4 or value == 0 else f"{value:,.0f}" if abs(value) >= 1e4 else (
        f"{value:.2e}")


def margin(result: Result) -> str:
    """Half the width of the interval, in two digits."""
    if result["high"] is None:
        return "–"
    half = (result["high"] - result["low"]) / 2
    return f"± {half:.2g}" if half == 0 or 1e-4 <= half < 100 else f"± {half:.1e}" if half < 1e-4 else f"± {half:,.0f}"


def columns(rows: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    """Rows as aligned text, the first as a heading; columns in `left` start at the left, others end at the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) if index in left else cell.rjust(width)
                       for index, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows]
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def comparison(files: Mapping[str, Sequence[Result]], differing: Sequence[str]) -> str:
    """A row for each score, a column for each file; with what differs between the protocols beneath."""
    names = list(dict.fromkeys(result["name"] for results in files.values() for result in results))
    rows = [("score", *files)]
    for name in names:
        cells = [next((f"{number(result['value'])} {margin(result)}" for result in results if result["name"] == name),
                      "–") for results in files.values()]
        rows.append((name, *cells))
    warning = ["", "PROTOCOLS DIFFER: these numbers do not belong side by side.", *differing] if differing else []
    fakes = [f"{name}: {side(results[0]['protocol']['fake'][0])}" for name, results in files.items()]
    return "\n".join([columns(rows, left=(0,)), "", *fakes, *warning])


def protocol_differences(files: Mapping[str, Sequence[Result]]) -> list[str]:
    """Lines such as `fd: n_real is 1797 in a.json and c.json, 1000 in b.json`: every fact in which any two of the files
    differ about a metric that both have."""
    found: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
    for (one, results), (other, others) in itertools.combinations(files.items(), 2):
        for metric in dict.fromkeys(result["protocol"]["metric"] for result in results):
            for key, *values in unlike(protocols(results, metric), protocols(others, metric)):
                for name, value in zip((one, other), values):
                    found.setdefault((metric, key), {}).setdefault(str(value), {})[name] = None
    return [f"{metric}: {key} is " + ", ".join(f"{value} in {' and '.join(names)}" for value, names in values.items())
            for (metric, key), values in found.items()]


def protocols(results: Sequence[Result], metric: str) -> list[dict[str, Any]]:
    """What the results of one metric were obtained by, each way once."""
    ways: list[dict[str, Any]] = []
    for result in results:
        if result["protocol"]["metric"] == metric and (way := flatten(result)) not in ways:
            ways.append(way)
    return ways


def unlike(one: Sequence[Mapping[str, Any]], two: Sequence[Mapping[str, Any]]) -> list[tuple[str, Any, Any]]:
    """(fact, its value in one, its value in two) of what keeps two lists of protocols apart; nothing where all of one
    are among the other. A protocol that has no equal is set against the nearest it has."""
    few, many = sorted((one, two), key=len)
    lines = []
    for way in few:
        if way not in many:
            apart = [[(key, way.get(key), other.get(key)) for key in sorted({*way, *other})
                      if way.get(key) != other.get(key)] for other in many]
            lines += min(apart, key=len)
    return [(key, *(values if few is one else values[::-1])) for key, *values in lines]


def flatten(result: Result) -> dict[str, Any]:
    """The protocol less what concerns the fakes alone: `{"real": {"split": "train"}}` -> `{"real.split": "train"}`."""
    flat: dict[str, Any] = {}
    for name, value in result["protocol"].items():
        if name not in FAKE_FACTS:
            flat |= {f"{name}.{key}": each for key, each in value.items()} if isinstance(value, Mapping) else {
                name: value}
    return flat
