"""The record of a set while it is made: a process killed anywhere goes on from it, and ends in the same bytes."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxgan.config import differences, parse_json
from jaxgan.errors import InputError

NAME = ".unfinished.jsonl"


class Journal:
    """A file with one line for the options of a set, and one for each block of it that is whole on the disk.

    lines: the blocks there were when it was opened. Raises InputError where it is of a set with other options.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any], name: str):
        self.path = folder / NAME
        self.lines: list[dict[str, Any]] = []
        whole = 0
        if self.path.exists():
            for line in self.path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break  # the process was killed while it wrote this one
                self.lines.append(_parsed(line, self.path))
                whole += len(line)
            with open(self.path, "r+b") as file:
                file.truncate(whole)
        if self.lines:
            check_options(self.lines.pop(0)["options"], options, name)
        else:
            self.append({"options": options})

    def append(self, line: Mapping[str, Any]) -> None:
        """Adds a line, which is on the disk when this returns."""
        with open(self.path, "ab") as file:
            file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """The set is finished."""
        self.path.unlink(missing_ok=True)


def _parsed(line: bytes, path: Path) -> dict[str, Any]:
    try:
        found = parse_json(line)
        if not found.keys() & {"options", "real", "images", "scenes"}:
            raise ValueError
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path} is damaged: remove the folder it is in, and begin anew.") from error
    return found


def check_options(there: Mapping[str, Any], wanted: Mapping[str, Any], name: str) -> None:
    """Refuses a place that holds a set made with other options."""
    if changed := differences(there, json.loads(json.dumps(wanted))):
        raise InputError(f"--output={name} holds a set made with other options:\n  " + "\n  ".join(changed)
                         + "\nChoose another --output, remove that one, or go on with the options it was begun with.")
