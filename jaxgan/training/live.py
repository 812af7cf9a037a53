"""Where else a run is watched while it trains: TensorBoard, Weights & Biases, MLflow. None is needed, and each is
imported only where `config.log` asks for it."""

import importlib.util
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from jaxgan import config as config_lib
from jaxgan.errors import InputError
from jaxgan.images import replacing

IDS = "live.json"  # the names by which services know the run, so that it goes on under them


class Watcher(Protocol):
    """One service. id: what it calls the run; None where it needs no name for it."""

    id: str | None

    def write(self, step: int, numbers: Mapping[str, float], texts: Mapping[str, str]) -> None: ...
    def draw(self, step: int, picture: np.ndarray) -> None: ...
    def close(self) -> None: ...


class Start(NamedTuple):
    """What a service is opened with. target: the value of its option. step: that the run goes on from. id: as when the
    run began; None then."""

    target: Any
    folder: Path
    step: int
    id: str | None
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.folder.resolve().name


class TensorBoard:
    """Event files in the run's folder: `tensorboard --logdir=outputs`."""

    id = None

    def __init__(self, start: Start):
        from tensorboardX import SummaryWriter
        # What was written after the checkpoint that the run goes on from will be written again.
        purged = start.step + 1 if start.step else None
        self._writer = SummaryWriter(str(start.folder / "tensorboard"), purge_step=purged)

    def write(self, step: int, numbers: Mapping[str, float], texts: Mapping[str, str]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)
        for name, text in texts.items():
            self._writer.add_text(name, text, step)
        self._writer.flush()

    def draw(self, step: int, picture: np.ndarray) -> None:
        self._writer.add_image("samples", picture, step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class Wandb:
    """A run of a project of Weights & Biases; WANDB_MODE=offline keeps it in the run's folder."""

    def __init__(self, start: Start):
        import wandb
        self._image = wandb.Image
        self._run = wandb.init(project=start.target, name=start.name, dir=str(start.folder), id=start.id,
                               resume="allow", config=dict(start.config))
        self.id = self._run.id

    def write(self, step: int, numbers: Mapping[str, float], texts: Mapping[str, str]) -> None:
        self._run.log({**numbers, **texts}, step=step)

    def draw(self, step: int, picture: np.ndarray) -> None:
        self._run.log({"samples": self._image(picture)}, step=step)

    def close(self) -> None:
        self._run.finish()


class MLflow:
    """A run of an MLflow experiment; MLFLOW_TRACKING_URI says where that is kept."""

    def __init__(self, start: Start):
        import mlflow
        self._mlflow = mlflow
        mlflow.set_experiment(start.target)
        self.id = mlflow.start_run(run_id=start.id, run_name=start.name).info.run_id
        if start.id is None:
            mlflow.log_params(start.config)

    def write(self, step: int, numbers: Mapping[str, float], texts: Mapping[str, str]) -> None:
        self._mlflow.log_metrics({name: value for name, value in numbers.items() if math.isfinite(value)}, step=step)
        for name, text in texts.items():
            self._mlflow.set_tag(name, text)

    def draw(self, step: int, picture: np.ndarray) -> None:
        self._mlflow.log_image(picture, key="samples", step=step)

    def close(self) -> None:
        self._mlflow.end_run()


WATCHERS: dict[str, tuple[str, Callable[[Start], Watcher]]] = {
    "tensorboard": ("tensorboardX", TensorBoard), "wandb": ("wandb", Wandb), "mlflow": ("mlflow", MLflow)}


def check(log: Mapping[str, Any]) -> None:
    """Raises InputError where a package is missing that `config.log` asks for."""
    for name, (package, _) in WATCHERS.items():
        if log[name] and importlib.util.find_spec(package) is None:
            raise InputError(f"config.log.{name} needs {package}: pip install 'jaxgan[{name}]', or leave the option "
                             "out.")


class Live:
    """Everything that `config.log` asks for, told together. Use it in `closing`."""

    def __init__(self, config: Mapping[str, Any], folder: Path, step: int):
        path = folder / IDS
        ids = json.loads(path.read_text(encoding="utf-8")) if step and path.exists() else {}
        options = config_lib.flat(config)
        self._watchers = {name: make(Start(config["log"][name], folder, step, ids.get(name), options))
                          for name, (_, make) in WATCHERS.items() if config["log"][name]}
        if ids := {name: watcher.id for name, watcher in self._watchers.items() if watcher.id}:
            with replacing(path) as file:
                file.write(json.dumps(ids).encode())

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Numbers and texts of a step."""
        texts = {name: value for name, value in values.items() if isinstance(value, str)}
        numbers = {name: float(value) for name, value in values.items() if name not in texts and value is not None}
        for watcher in self._watchers.values():
            watcher.write(step, numbers, texts)

    def draw(self, step: int, picture: np.ndarray) -> None:
        """The fixed-seed picture of a step, uint8 [H, W, C]."""
        shown = picture[:, :, :3] if picture.shape[2] > 1 else picture.repeat(3, axis=2)
        for watcher in self._watchers.values():
            watcher.draw(step, shown)

    def close(self) -> None:
        for watcher in self._watchers.values():
            watcher.close()
