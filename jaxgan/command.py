"""What every command shares: arguments, messages, exit codes."""

import argparse
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from jaxgan import buckets
from jaxgan.errors import InputError

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """argparse whose refusals are one message, and which lists close matches for an unknown option."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[0].upper()}{message[1:]}. See `python -m {self.prog} --help`.")


def place(text: str) -> Path | str:
    """The folder of a run: a path, or the address of one in a bucket as it stands."""
    return text if buckets.is_bucket(text) else Path(text)


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


def run(main: Callable[[list[str]], int | None]) -> NoReturn:
    """Runs a command's main with the process's arguments and leaves with the right exit code."""
    # Importing jax and tracing make a great many objects that live on; looking through them over and over costs a fifth
    # of the time to the first step.
    gc.set_threshold(100_000, 50, 100)
    try:
        code = main(sys.argv[1:]) or DONE
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        code = REFUSED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of our stdout left, as `| head` does; nothing more can be said to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    sys.exit(code)
