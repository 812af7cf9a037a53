"""Finding a part by the name a config gives it.

A catalogue is a plain dict, name -> factory. `build` looks a spec up and calls the factory with the spec's other
entries as keywords; a name with a colon (`"my_package.my_loss:softmargin"`) is imported from outside jaxgan.
"""

import difflib
import importlib
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from jaxgan.errors import InputError


def suggest(name: str, options, noun: str = "Options") -> str:
    """A short hint: the closest of `options` to `name`, or all of them when none is close."""
    options = sorted(map(str, options))
    close = difflib.get_close_matches(str(name), options, n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(map(repr, close))}?" if close else f"{noun}: {', '.join(options)}."


def split_spec(spec: str | Mapping[str, Any], key: str) -> tuple[str, dict[str, Any]]:
    """`"hinge"` or `{"name": "hinge", ...}` -> (name, arguments). `key` is the config key, for the message."""
    if isinstance(spec, str):
        return spec, {}
    arguments = dict(spec) if hasattr(spec, "keys") else {}
    if not isinstance(arguments.get("name"), str):
        raise InputError(f"config.{key} needs a name: a string, or a dict with a `name` entry; got {spec!r}.")
    return arguments.pop("name"), arguments


def find(catalogue: Mapping[str, Any], name: str, key: str) -> Any:
    """The entry called `name`, or the object that `"module:attribute"` imports."""
    if ":" in name:
        return _import(name, key)
    if name not in catalogue:
        raise InputError(f"config.{key}: there is no {name!r}. {suggest(name, catalogue)}")
    return catalogue[name]


def build(catalogue: Mapping[str, Any], spec: str | Mapping[str, Any], key: str, **context: Any) -> Any:
    """Looks `spec` up and calls what it finds, as `call` does."""
    name, arguments = split_spec(spec, key)
    return call(find(catalogue, name, key), arguments, key, **context)


def call(factory: Callable, arguments: Mapping[str, Any], key: str, **context: Any) -> Any:
    """Calls `factory` with the arguments of a config, once each is known to be one it takes, and of its type.

    `context` is what the engine offers (the shape of the images, say): passed where the factory takes it. An argument
    of the config wins over it.
    """
    parameters = accepted(factory)
    for name, value in arguments.items():
        if name not in parameters:
            hint = suggest(name, parameters) if parameters else "It takes none."
            raise InputError(f"config.{key}.{name}: {_title(factory)} takes no such argument. {hint}")
        _check_type(value, parameters[name], f"config.{key}.{name}")
    values = {name: value for name, value in context.items() if name in parameters} | dict(arguments)
    missing = [name for name, parameter in parameters.items()
               if parameter.default is parameter.empty and name not in values]
    if missing:
        raise InputError(f"config.{key}: {_title(factory)} needs {', '.join(missing)}.")
    return factory(**values)


def _check_type(value: Any, parameter: inspect.Parameter, key: str) -> None:
    """Refuses a value that a plainly annotated parameter (int, float, bool, str, or None) cannot mean."""
    annotation = parameter.annotation
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "a string", type(None): "None"}
    plain = all(option in kinds for option in options)
    if type(value) in options or (float in options and type(value) is int) or options == (parameter.empty,):
        return
    if plain or (float in options and (type(value) in kinds or hasattr(value, "keys"))):  # or a schedule, by now built
        wanted = " or ".join(kinds[option] for option in options if option in kinds)
        raise InputError(f"{key} must be {wanted}; got {value!r}.")


def accepted(factory: Callable) -> dict[str, inspect.Parameter]:
    """The keyword arguments `factory` takes (Linen's own `parent` and `name` left out)."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(factory).parameters
    return {name: p for name, p in parameters.items() if p.kind in kinds and name not in ("parent", "name", "self")}


def _title(factory: Callable) -> str:
    return getattr(factory, "__name__", str(factory))


def _import(name: str, key: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"config.{key}: cannot import {module!r} ({error}). "
                         "Is it installed, or its folder on PYTHONPATH?") from error
    if not hasattr(found, attribute):
        options = [item for item in vars(found) if not item.startswith("_")]
        raise InputError(f"config.{key}: {module!r} has no {attribute!r}. {suggest(attribute, options)}")
    return getattr(found, attribute)
