"""Where a set lies, and what a command finds there."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxgan.config import parse_json
from jaxgan.errors import InputError
from jaxgan.images import replacing
from jaxgan.synthesis import journal
from jaxgan.training import lock


class Place(NamedTuple):
    """A folder, or an .npz with its other files beside it, `digits.npz` with `digits.manifest.json` and so on."""

    output: Path

    @property
    def is_npz(self) -> bool:
        return self.output.suffix == ".npz"

    @property
    def folder(self) -> Path:
        """Where images are written: of an .npz, a hidden folder beside it until it is put together."""
        return self.output.with_name(f".{self.output.name}.part") if self.is_npz else self.output

    def beside(self, name: str) -> Path:
        """The place of a file such as manifest.json."""
        return self.output.with_name(f"{self.output.stem}.{name}") if self.is_npz else self.output / name

    def check(self) -> None:
        """Refuses what cannot be written, or holds something else. Looks at the disk alone."""
        path = self.output
        if path.suffix not in ("", ".npz"):
            raise InputError(f"--output={path}: write to a folder (a name without an ending) or to a .npz.")
        if self.is_npz:
            if path.is_dir() or not path.parent.is_dir():
                raise InputError(f"--output={path}: name a file in a folder that exists.")
            if path.exists() and not (self.beside("manifest.json").exists() or self.folder.is_dir()):
                raise InputError(f"--output={path} is there already, and not by jaxgan.synthesize: choose another.")
            return
        if path.exists() and not path.is_dir():
            raise InputError(f"--output={path} is a file: give a folder, or a name ending in .npz.")
        if path.is_dir() and not (path / "manifest.json").exists() and not (path / journal.NAME).exists() and any(
                other.name != lock.NAME for other in path.iterdir()):
            raise InputError(f"--output={path} holds other files: give a new folder.")

    def finished(self, options: Mapping[str, Any]) -> dict[str, Any] | None:
        """The manifest of the set that is here; None where there is none yet. Refuses one with other options."""
        path = self.beside("manifest.json")
        if not path.exists() or (self.folder / journal.NAME).exists():
            return None
        try:
            manifest = parse_json(path.read_text(encoding="utf-8"))
            there = manifest["options"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InputError(f"{path} is damaged, or no manifest of jaxgan.synthesize: choose another --output.") from (
                error)
        journal.check_options(there, options, str(self.output))
        return manifest

    def sweep(self) -> None:
        """Removes what a killed process had not finished writing. Only whoever holds the folder may."""
        found = [*self.folder.rglob(".*.tmp")]
        if self.is_npz:
            for name in (self.output.name, self.beside("manifest.json").name):
                found += self.output.parent.glob(f".{name}.*.tmp")
        for unfinished in found:
            unfinished.unlink()

    def clear(self) -> None:
        """Removes what an .npz was put together from."""
        if self.is_npz:
            shutil.rmtree(self.folder, ignore_errors=True)


def write_json(path: Path, head: Mapping[str, Any], **lists: Sequence[Mapping[str, Any]]) -> None:
    """JSON with each entry of the lists on a line of its own."""
    text = json.dumps(head, indent=2, ensure_ascii=False)[:-2]
    for name, entries in lists.items():
        lines = ",\n".join("    " + json.dumps(entry, ensure_ascii=False) for entry in entries)
        text += f',\n  "{name}": [\n{lines}\n  ]'
    with replacing(path) as file:
        file.write((text + "\n}\n").encode())
