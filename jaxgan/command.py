"""What every command shares: arguments, messages, exit codes."""

import argparse
import errno
import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from jaxgan import buckets
from jaxgan.errors import InputError

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
LONGEST = 8000  # characters of a message


class Parser(argparse.ArgumentParser):
    """argparse whose refusals are one message, and which lists close matches for an unknown option."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[0].upper()}{message[1:]}. See `python -m {self.prog} --help`.")


def place(text: str) -> Path | str:
    """The folder of a run: a path, or the address of one in a bucket as it stands."""
    return text if buckets.is_bucket(text) else Path(text)


def add_trust(parser: Parser) -> None:
    """The option that lets a run's folder name code from outside jaxgan: see `RunFolder.config`."""
    parser.add_argument("--trust", action="store_true",
                        help="a run may name parts from outside jaxgan, whose code is then executed")


def add_state(parser: Parser, group: argparse._ActionsContainer | None = None) -> None:
    """The options that say which weights of a run are meant. group: that of which --raw is one."""
    parser.add_argument("--checkpoint", default="latest", help="latest, best or a step (default: latest)")
    (group or parser).add_argument("--raw", action="store_true",
                                   help="the weights of the last step, not their average")


def add_weights(parser: Parser) -> None:
    """The options that say what of a run makes images, and how near to the middle: see `Trained.choose_weights`."""
    weights = parser.add_mutually_exclusive_group()
    add_state(parser, weights)
    weights.add_argument("--average_std", type=float, metavar="STD",
                         help="an average as wide as this share of training, put together from those that "
                              "config.average_every stored")
    parser.add_argument("--standing", type=int, metavar="N",
                        help="BatchNorm statistics over N fresh batches of samples, not the running ones")
    parser.add_argument("--truncation", type=float, metavar="PSI",
                        help="less variety, better looks: w drawn towards its mean, such as 0.7; without a w, no entry "
                             "of z beyond PSI")
    parser.add_argument("--cutoff", type=int, metavar="N", help="with --truncation: of the first N rows of w alone")
    parser.add_argument("--centres", type=int, metavar="K",
                        help="with --truncation: w drawn towards the nearest of K centres, such as 64, of its class")


def check_folder(path: Path, option: str = "--output") -> None:
    """Refuses a file where a folder is to be written."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{option}={path} is a file: give a folder.")


@contextmanager
def writing(path: Path, option: str = "--output") -> Iterator[None]:
    """What cannot be written inside is refused, by the option that says where."""
    try:
        yield
    except OSError as error:
        raise InputError(f"Cannot write {path} ({error.strerror}): choose another {option}.") from error


def check_needed(arguments: argparse.Namespace, needed: Mapping[str, str]) -> None:
    """Refuses options given without another that they mean something with only. needed: option -> that one."""
    given = {name for name, value in vars(arguments).items() if value is not None and value is not False}
    for name, other in needed.items():
        if name in given and other not in given:
            raise InputError(f"--{name} goes with --{other}: give both or neither.")


def numbers(text: str, option: str, limit: int) -> list[int]:
    """`"1,5,8-12"` -> [1, 5, 8, 9, 10, 11, 12]. Raises InputError for what is not that, or above `limit`."""
    found = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(f"{option}={text}: {part!r} is no number or range; write something like 0-63 or 1,5,8-12.")
        low, high = int(first), int(last or first)
        if high < low:
            raise InputError(f"{option}={text}: the range {part} runs backwards; write {high}-{low}.")
        if high > limit:
            raise InputError(f"{option}={text}: {high} is too large; the largest is {limit}.")
        if high - low >= 10_000_000:
            raise InputError(f"{option}={text}: that is more than ten million; ask for fewer at a time.")
        found += range(low, high + 1)
    return found


def parse_spec(text: str, option: str) -> str | dict[str, str | int]:
    """`inception,resizer=clean` -> {"name": "inception", "resizer": "clean"}; a name alone stays one."""
    name, *pairs = text.split(",")
    if not pairs:
        return name
    spec: dict[str, str | int] = {"name": name}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"{option}={text}: {pair!r} is no argument; write NAME,key=value.")
        spec[key] = int(value) if value.isdecimal() else value
    return spec


def percentile(text: str) -> float | None:
    """What --reject says: a percentile, or None for `exact`."""
    if text == "exact":
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 100:
        raise InputError(f"--reject={text}: give a percentile from 0 to below 100, such as 80, or exact.")
    return value


def check_run(workdir: Path | str, trust: bool) -> None:
    """Refuses what is no run at once, before jax is imported. One in a bucket is left for later: it is copied first."""
    from jaxgan.runs import RunFolder
    if not buckets.is_bucket(workdir):
        folder = RunFolder(workdir)
        folder.config(trust)
        folder.info()


def split_overrides(arguments: list[str], prefix: str = "--config.") -> tuple[list[str], list[str]]:
    """Separates `--config.key=value` and `--config.key value` from the rest: (overrides as `key=value`, rest)."""
    overrides, rest = [], []
    remaining = iter(arguments)
    for argument in remaining:
        if not argument.startswith(prefix):
            rest.append(argument)
            continue
        text = argument.removeprefix(prefix)
        if "=" not in text and (value := next(remaining, None)) is not None:
            text = f"{text}={value}"
        overrides.append(text)
    return overrides, rest


def shown(message: str) -> str:
    """A message as a terminal may have it: names in strangers' files can be endless, or hold its control sequences."""
    text = "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in message[:LONGEST])
    return text if len(message) <= LONGEST else f"{text} …"


def failure(error: OSError) -> str:
    """What a machine refused, of which file, and what to do where that is plain."""
    text = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
    return f"{text}. Make room, and give the same command again." if error.errno == errno.ENOSPC else text


def run(main: Callable[[list[str]], int | None]) -> NoReturn:
    """Runs a command's main with the process's arguments and leaves with the right exit code."""
    # Importing jax and tracing make a great many objects that live on; looking through them over and over costs a fifth
    # of the time to the first step.
    gc.set_threshold(100_000, 50, 100)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as by `>&-`
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (open as long as the process lives)
    sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no reason to fail
    try:
        code = _left(main)
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {shown(str(error))}", file=sys.stderr)
        code = REFUSED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except OSError as error:  # a full disk, a file system that is gone; or the reader of our stdout, as `| head` does
        if not (_abandon_stdout() and isinstance(error, BrokenPipeError)):
            print(f"error: {shown(failure(error))}", file=sys.stderr)
        code = FAILED
    sys.exit(code)


def _left(main: Callable[[list[str]], int | None]) -> int:
    """The exit code of `main`, also where it leaves by itself, as --help does."""
    try:
        return main(sys.argv[1:]) or DONE
    except SystemExit as leaving:
        return leaving.code or DONE


def _abandon_stdout() -> bool:
    """What can no longer be printed goes nowhere, for Python would try once more at its end; whether that was so."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False
