"""The folder of a run: what is in it, and what a command may assume when it opens one."""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import jaxgan
from jaxgan import buckets, images
from jaxgan import config as config_lib
from jaxgan.data import Info
from jaxgan.errors import InputError
from jaxgan.training import lock

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
FORMAT = 1  # of a run's folder; goes up when an older jaxgan could no longer use one, or would use it wrongly
FIXED = ("seed", "batch_size", "num_critic")  # what --allow_change cannot change
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
        self.checkpoints = self.path / "checkpoints"
        if in_bucket:
            from etils import epath  # takes as long to import as all else here
            self.checkpoints = epath.Path(self.name) / "checkpoints"
        self.averages = self.path / "averages"
        self.profile = self.path / "profile"

    def publish(self) -> None:
        """Brings what is new in a run's folder to its bucket, where it is in one."""
        from jaxgan import processes  # brings jax: see `environment`
        if self._mirror and processes.is_first():
            self._mirror.publish()

    @contextmanager
    def held(self) -> Iterator[str]:
        """Keeps other processes from training here, see `lock.held`, and clears away what a killed one had not finished
        writing. The first process holds it for all; nothing guards a bucket."""
        from jaxgan import processes
        if self._mirror or not processes.is_first():
            yield ""
            return
        with lock.held(self.path) as warning:
            for folder in (self.path, self.samples, self.averages):
                for unfinished in folder.glob(".*.tmp"):
                    unfinished.unlink()
            yield warning

    def check_config(self, config: Mapping[str, Any], allow_change: bool = False) -> bool:
        """Refuses a folder that belongs to another config, or holds something else than a run; says whether the config
        is another that is allowed."""
        if self.config_file.exists():
            if self.environment_file.exists() and self.info().name == CONVERTED:
                raise InputError(f"{self.name} holds converted weights without the data they were trained on. To train "
                                 f"from them, choose another --workdir and say --config.init_from={self.name}.")
            changed = config_lib.differences(self.config(trust=True), config)  # compared, never built
            self._check_change(changed, allow_change)
            return bool(changed)
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.name} is a file: choose another --workdir.")
        if self.path.is_dir() and any(path.name != lock.NAME for path in self.path.iterdir()):
            raise InputError(f"{self.name} holds other files and no run: choose another --workdir.")
        return False

    def _check_change(self, changed: list[str], allowed: bool) -> None:
        """Refuses differences from the run's config, such as "loss.name: 'hinge' -> 'minimax'"."""
        fixed = [line for line in changed if line.split(":")[0] in FIXED]
        if fixed and allowed:
            raise InputError(f"{self.name}: a run counts its steps, images and random numbers by these, so it keeps "
                             "them:\n  " + "\n  ".join(fixed) + "\nTo begin anew from its weights, choose another "
                             f"--workdir and --config.init_from={self.name}.")
        if changed and not allowed:
            raise InputError(f"{self.name} holds a run with another config:\n  " + "\n  ".join(changed)
                             + "\nChoose another --workdir, go on with the options it was started with, or with these "
                             "from the last checkpoint: --allow_change.")

    def prepare(self, config: Mapping[str, Any], info: Info) -> None:
        """Makes the folder and writes what the run is. Refuses one whose data have changed, or that is not writable.

        The config comes first: what has one is a run, wherever its process was killed."""
        if self.environment_file.exists() and self.info().content_hash != info.content_hash:
            raise InputError(f"{self.name} holds a run on other data: their content has changed since. "
                             "Choose another --workdir.")
        try:
            if not self.config_file.exists():
                write_text(self.config_file, config_lib.to_json(config))
            write_text(self.environment_file, json.dumps(environment(info), indent=2) + "\n")
            self.samples.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"Cannot write to {self.name} ({error.strerror}): choose another --workdir.") from error

    def change_config(self, config: Mapping[str, Any], step: int) -> None:
        """Writes the config that the run goes on with after `step`; the one it had is kept under that step."""
        before = self.path / f"config_until_step{step:08d}.json"
        if step and not before.exists():  # else nothing was ever trained by the config that is there now
            write_text(before, self._read(self.config_file))
        write_text(self.config_file, config_lib.to_json(config))

    def config(self, trust: bool = False) -> Mapping[str, Any]:
        """The run's config. Raises InputError where there is no run.

        trust: it may name parts from outside jaxgan, which are imported once it is used: a run folder is no config
        file, and whoever opens one does not mean to run what it says.
        """
        text = self._read(self.config_file)
        if self.environment_file.exists():
            self.record()  # a later format may well have other options
        config = config_lib.from_json(text, self.config_file)
        if not trust and (names := config_lib.outside(config)):
            raise InputError(f"{self.config_file} names code from outside jaxgan, which opening the run would execute: "
                             f"{', '.join(names)[:300]}. If you trust whoever made it, add --trust.")
        return config

    def info(self) -> Info:
        """What the run's data were."""
        try:
            return Info.from_dict(self.record()["data"])
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{self.environment_file} is damaged: it does not say what the data were.") from error

    def record(self) -> dict[str, Any]:
        """What `environment` said when the run began. Raises InputError for the folder of a later jaxgan."""
        text = self._read(self.environment_file)
        try:
            record = config_lib.parse_json(text)
            form = record.get("format", 1)
        except (ValueError, AttributeError) as error:
            raise InputError(f"{self.environment_file} is damaged: it is not the record of a run.") from error
        if form != FORMAT:
            raise InputError(f"{self.name} was written by a later jaxgan: its folder is of format {form!r:.20}, "
                             f"and this one knows {FORMAT}. Update jaxgan.")
        return record

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
    import jax  # only here: it takes seconds, and a wrong folder is to be refused at once
    devices = jax.devices()
    return {
        "format": FORMAT,
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
    with images.replacing(path) as file:
        file.write(text.encode())
