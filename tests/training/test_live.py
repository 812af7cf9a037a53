"""Weights & Biases and MLflow, by modules that stand in for them and remember what they were told."""

import importlib.machinery
import sys
import types

import numpy as np
import pytest

from jaxgan import training_run
from jaxgan.errors import InputError
from jaxgan.training.live import Live, check


@pytest.fixture
def stand_in(monkeypatch):
    """`stand_in(name, **functions)` -> a module that records every call: [(function, arguments, keywords)]."""
    def make(name, **results):
        module, calls = types.ModuleType(name), []
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        for function, result in results.items():
            def call(*arguments, _name=function, _result=result, **keywords):
                calls.append((_name, arguments, keywords))
                return _result
            setattr(module, function, call)
        monkeypatch.setitem(sys.modules, name, module)
        return module, calls
    return make


def told(config, folder, step):
    live = Live(config, folder, step)
    live.write(step, {"d/loss": np.float32(0.5), "g/loss": float("nan"), "finding/odd": "Look."})
    live.draw(step, np.zeros((4, 6, 1), np.uint8))
    live.close()


def test_weights_and_biases(tiny, stand_in, tmp_path):
    """The run goes on under its own id."""
    run, calls = stand_in("run", log=None, finish=None)
    run.id = "abc"
    _, opened = stand_in("wandb", init=run, Image="picture")
    config = tiny("log.wandb=digits")
    told(config, tmp_path / "one", 0)
    told(config, tmp_path / "one", 20)
    first, second = (keywords for name, _, keywords in opened if name == "init")
    assert (first["project"], first["name"], first["id"]) == ("digits", "one", None)
    assert first["dir"] == str(tmp_path / "one")
    assert first["config"]["generator.width"] == 16
    assert (second["id"], second["resume"]) == ("abc", "allow")
    values, picture, finish = calls[:3]
    assert values[1][0]["d/loss"] == 0.5
    assert values[1][0]["finding/odd"] == "Look."
    assert values[2] == {"step": 0}
    assert picture[1] == ({"samples": "picture"},)
    assert finish[0] == "finish"


def test_mlflow(tiny, stand_in, tmp_path):
    started = types.SimpleNamespace(info=types.SimpleNamespace(run_id="xyz"))
    _, calls = stand_in("mlflow", set_experiment=None, start_run=started, log_params=None, log_metrics=None,
                        set_tag=None, log_image=None, end_run=None)
    config = tiny("log.mlflow=digits")
    told(config, tmp_path / "one", 0)
    assert [name for name, *_ in calls] == ["set_experiment", "start_run", "log_params", "log_metrics", "set_tag",
                                            "log_image", "end_run"]
    assert calls[1][2] == {"run_id": None, "run_name": "one"}
    assert calls[3][1:] == (({"d/loss": 0.5},), {"step": 0})
    assert calls[5][1][0].shape == (4, 6, 3)
    told(config, tmp_path / "one", 20)
    assert [each[2] for each in calls if each[0] == "start_run"][1] == {"run_id": "xyz", "run_name": "one"}
    assert sum(name == "log_params" for name, *_ in calls) == 1


def test_nothing_is_needed_where_nothing_is_asked_for(tiny, tmp_path, monkeypatch):
    for name in ("tensorboardX", "wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
    config = tiny()
    check(config["log"])
    told(config, tmp_path / "one", 0)
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize(("option", "package"), [("tensorboard=true", "tensorboardX"), ("wandb=a", "wandb"),
                                                 ("mlflow=a", "mlflow")])
def test_what_is_missing_is_named_before_anything_is_written(tiny, tmp_path, monkeypatch, option, package):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    name = option.partition("=")[0]
    with pytest.raises(InputError, match=rf"config.log.{name} needs {package}: pip install 'jaxgan\[{name}\]'"):
        training_run.train(tiny(f"log.{option}"), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("option", "message"), [("log.tensorboard=5", "true or false"),
                                                 ("log.tensorbord=true", "no option config.log.tensorbord")])
def test_wrong_options_are_refused(tiny, option, message):
    with pytest.raises(InputError, match=message):
        tiny(option)
