"""The folder of a run: what is in it, and what a command may assume when it opens one."""

import json
import os
import platform
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
from etils import epath

import jaxgan
from jaxgan import buckets, processes
from jaxgan import config as config_lib
from jaxgan.data import Info
from jaxgan.errors import InputError

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
CONVERTED = "converted"  # the name of a converted run's data, of which no more is known than their shape


class RunFolder:
    """Paths and small files of one run. name: what messages call it.

    Of a run in a bucket, `path` is a copy on this machine of everything but checkpoints, which `publish` brings back.
    """

    def __init__(self, path: str | Path):
        self.name = str(path)
        in_bucket = buckets.is_bucket(path)
        self._mirror = buckets.Mirror(self.name, without=("checkpoints", "profile")) if in_bucket else None
        self.path = self._mirror.folder if self._mirror else Path(path)
        self.config_file = self.path / "config.json"
        self.environment_file = self.path / "environment.json"
        self.metrics_file = self.path / "metrics.jsonl"
        self.samples = self.path / "samples"
        self.checkpoints = (epath.Path(self.name) if self._mirror else self.path) / "checkpoints"
        self.averages = self.path / "averages"
        self.profile = self.path / "profile"

    def publish(self) -> None:
        """Brings what is new in a run's folder to its bucket, where it is in one."""
        if self._mirror and processes.is_first():
            self._mirror.publish()

    def check_config(self, config: Mapping[str, Any]) -> None:
        """Refuses a folder that belongs to another config, or holds something else than a run."""
        if self.config_file.exists():
            if self.environment_file.exists() and self.info().name == CONVERTED:
                raise InputError(f"{self.name} holds converted weights without the data they were trained on. To train "
                                 f"from them, choose another --workdir and say --config.init_from={self.name}.")
            changed = config_lib.differences(self.config(), config)
            if changed:
                raise InputError(f"{self.name} holds a run with another config:\n  " + "\n  ".join(changed)
                                 + "\nChoose another --workdir, or go on with the options it was started with.")
        elif self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.name} is a file: choose another --workdir.")
        elif self.path.is_dir() and any(self.path.iterdir()):
            raise InputError(f"{self.name} holds other files and no run: choose another --workdir.")

    def prepare(self, config: Mapping[str, Any], info: Info) -> None:
        """Makes the folder and writes what the run is. Refuses one whose data have changed, or that is not writable."""
        if self.environment_file.exists() and self.info().content_hash != info.content_hash:
            raise InputError(f"{self.name} holds a run on other data: their content has changed since. "
                             "Choose another --workdir.")
        try:
            self.samples.mkdir(parents=True, exist_ok=True)
            write_text(self.environment_file, json.dumps(environment(info), indent=2) + "\n")
            write_text(self.config_file, config_lib.to_json(config))
        except OSError as error:
            raise InputError(f"Cannot write to {self.name} ({error.strerror}): choose another --workdir.") from error

    def config(self) -> Mapping[str, Any]:
        """The run's config. Raises InputError where there is no run."""
        return config_lib.from_json(self._read(self.config_file), self.config_file)

    def info(self) -> Info:
        """What the run's data were."""
        text = self._read(self.environment_file)
        try:
            return Info.from_dict(json.loads(text)["data"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.environment_file} is damaged: it does not say what the data were.") from error

    def _read(self, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{self.name} is not a run: there is no readable {path.name} in it. "
                             "Give the folder a training run wrote, such as outputs/dcgan-digits.") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is damaged: it is not text.") from error


def environment(info: Info) -> dict[str, Any]:
    """Versions, hardware and data, for the record."""
    devices = jax.devices()
    return {
        "jaxgan": jaxgan.__version__,
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "backend": jax.default_backend(),
        "devices": [device.device_kind for device in devices],
        "processes": jax.process_count(),
        "data": info.to_dict(),
    }


def write_text(path: Path, text: str) -> None:
    """Writes a whole file or none: a reader never sees half of it."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
