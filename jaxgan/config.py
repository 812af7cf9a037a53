"""The whole tree of options: defaults, command-line overrides, validation, JSON. Imports no jax.

A config file is trusted Python with `get_config(arg="")` returning `default()` with its differences. Sections that
choose a part (`generator`, `loss` …) hold `name` and the arguments of that part; which arguments exist is checked
when the part is built, by the part's own signature.
"""

import ast
import importlib.util
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxgan.catalogue import suggest
from jaxgan.errors import InputError

PARTS = ("data", "latent", "generator", "discriminator", "loss")  # one part each: a name, or {name, arguments}
OPTIONAL = ("privacy",)  # one part, or an empty section
GROUPS = ("regularizers", "conditioning", "augmentation", "degradation", "optimizers", "average")
OPEN = PARTS + OPTIONAL + GROUPS  # sections whose keys are not listed here
PARALLEL = ("jit", "fsdp", "pmap")
DEEPEST = 64  # levels of JSON that are read
TINY_SIZE, TINY_KIMG = 16, 64.0  # height and width, and budget, of the recipes' tiny variants


def default() -> ConfigDict:
    """Every top-level option with its default. Durations are in thousands of images, cadences in steps (0: never)."""
    config = ConfigDict({
        "seed": 0,
        "total_kimg": 100.0,       # real images shown to the discriminator, in thousands
        "batch_size": 64,          # over all devices
        "num_critic": 1,           # discriminator updates a generator update, each on its own batch
        "data": {"name": "digits"},
        "latent": {"name": "normal", "dim": 64},
        "generator": {"name": "dcgan"},
        "discriminator": {"name": "dcgan"},
        "loss": {"name": "non_saturating"},
        "regularizers": {},        # a name of yours -> {name, every, arguments}; every > 1 is lazy regularization
        "conditioning": {},
        "augmentation": {},
        "degradation": {},         # makes of each image the one that the generator is to make it from again
        "optimizers": {
            "generator": {"name": "adam", "learning_rate": 2e-4, "b1": 0.5, "b2": 0.999},
            "discriminator": {"name": "adam", "learning_rate": 2e-4, "b1": 0.5, "b2": 0.999},
        },
        "average": {               # of the generator's weights; samples come from the first
            "ema": {"name": "exponential", "half_life_kimg": 10.0, "rampup": 0.05},
        },
        "privacy": {},             # a method that bounds what the weights can tell of any one training image
        "init_from": "",           # another run's folder: start from its weights, as far as they fit
        "init_checkpoint": "latest",  # which of its checkpoints: latest, best or a step
        "parallel": "jit",         # "jit": one program over a mesh; "fsdp": that, the state in shares; "pmap"
        "accumulate": 1,           # parts a batch passes in, one after another, their gradients averaged: less memory
        "steps_per_call": 10,      # steps fused into one compiled call; cadences are best multiples of it
        "log_every": 100,
        "sample_every": 500,
        "checkpoint_every": 1000,
        "evaluate_every": 0,
        "average_every": 0,        # stores the power-function averages, of which others are put together afterwards
        "health_every": 500,       # looks for signs of collapse
        "max_rollbacks": 3,        # numerical failures in a row, without a checkpoint between, that a run survives
        "metrics": (),             # the first one decides which checkpoint is the best
        "log": {                   # where else metrics and sample grids go while it trains, beside the run's folder
            "tensorboard": False,  # event files in the run's folder
            "wandb": "",           # a project of Weights & Biases
            "mlflow": "",          # an experiment of MLflow
        },
    }, type_safe=False)
    return config.lock()


def data_argument(argument: str) -> dict[str, Any]:
    """The `data` section an argument names: digits, stacked_mnist, mnist, cifar10, folder:PATH, npz:PATH, pairs:PATH,
    tfds:NAME."""
    name, _, value = argument.partition(":")
    if name in ("mnist", "cifar10") and not value:
        return {"name": "tfds", "dataset": name}
    if name in ("digits", "stacked_mnist") and not value:
        return {"name": name}
    keys = {"folder": "path", "npz": "path", "pairs": "path", "tfds": "dataset"}
    if name in keys and value:
        return {"name": name, keys[name]: value}
    if name in keys:
        raise InputError(f"Data {argument!r} lacks its {keys[name]}: write {name}:{keys[name].upper()}.")
    known = ["digits", "mnist", "cifar10", "stacked_mnist", "folder:PATH", "npz:PATH", "pairs:PATH", "tfds:NAME"]
    raise InputError(f"There is no data called {argument!r}. " + suggest(name, known, "Data"))


def variant(argument: str) -> tuple[dict[str, Any], bool]:
    """What a recipe's argument says: the `data` section, and whether the recipe's tiny variant is meant.

    `tiny` is that variant on the embedded digits, `tiny:DATA` on other data; both at 16×16.
    """
    first, _, rest = argument.partition(":")
    if first != "tiny":
        return data_argument(argument), False
    return data_argument(rest or "digits") | {"resolution": TINY_SIZE}, True


def tiny(config: ConfigDict, width: int = 16) -> ConfigDict:
    """Shrinks a recipe to a few minutes on a CPU: narrow networks, small batches, a budget that all recipes
    share, and samples from a short average of the weights. What makes the recipe what it is, stays."""
    config.generator.width = config.discriminator.width = width
    config.batch_size, config.total_kimg = 32, TINY_KIMG
    config.average = {"ema": {"name": "exponential", "half_life_kimg": 5.0, "rampup": 0.1}}
    config.metrics = ("fd_pixels",)
    steps = int(TINY_KIMG * 1000) // (config.batch_size * config.num_critic)
    config.log_every, config.sample_every = max(steps // 300, 1) * 10, max(steps // 100, 1) * 10
    config.checkpoint_every = config.evaluate_every = max(steps // 30, 1) * 10
    config.health_every = config.sample_every
    return config


def load(location: str, overrides: Sequence[str] = (), trust: bool = False) -> ConfigDict:
    """Reads `FILE[:ARGUMENT]`, applies overrides of the form `key.key=value`, validates.

    FILE may also be the bare name of a recipe that ships with jaxgan, such as `dcgan`, or the config.json of a run;
    trust: that may name parts from outside jaxgan, as a config file may.
    """
    path, _, argument = location.partition(":")
    if path.endswith(".json") and not argument:
        config = _of_run(Path(path), trust)
    else:
        config = _get_config(_file(path), argument)
    for text in overrides:
        override(config, text)
    validate(config)
    return config


def recipes() -> dict[str, Path]:
    """The recipes that ship with jaxgan, by name: in the package where it is installed, beside it in a checkout."""
    package = Path(__file__).parent
    folder = package / "configs" if (package / "configs").is_dir() else package.parent / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.py"))}


def _file(location: str) -> Path:
    """A word without a folder or an ending is the recipe of that name."""
    path, shipped = Path(location), recipes()
    if not location or path.suffix or path.name != location:
        return path
    if location not in shipped:
        raise InputError(f"There is no recipe {location!r}. {suggest(location, shipped, 'Recipes')}")
    return shipped[location]


def run_name(location: str, config: Mapping[str, Any]) -> str:
    """`configs/dcgan.py:folder:my/cats` -> `dcgan-folder-my-cats`; without an argument, the name of the data."""
    path, _, argument = location.partition(":")
    data = config["data"] if isinstance(config["data"], str) else config["data"]["name"]
    return "-".join([Path(path).stem, *re.findall(r"\w+", argument or data)])


def _of_run(path: Path, trust: bool) -> ConfigDict:
    try:
        config = from_json(path.read_text(encoding="utf-8", errors="replace"), path)
    except OSError as error:
        raise InputError(f"Cannot read the config file {str(path)!r} ({error.strerror}).") from error
    if not trust and (names := outside(config)):
        raise InputError(f"{path} names code from outside jaxgan, which training would execute: "
                         f"{', '.join(names)[:300]}. If you trust whoever made it, add --trust.")
    return config


def _get_config(path: Path, argument: str) -> ConfigDict:
    if not path.is_file():
        beside = [str(p) for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        hint = suggest(str(path), beside, "There are") if beside else "Give one, or a recipe by name: --config=dcgan."
        raise InputError(f"There is no config file {str(path)!r}. {hint}")
    spec = importlib.util.spec_from_file_location(f"jaxgan_config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"The config file {str(path)!r} is not a Python file (.py).")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not hasattr(module, "get_config"):
            raise InputError(f"The config file {str(path)!r} has no function get_config(arg).")
        config = module.get_config(argument) if argument else module.get_config()
    except InputError:
        raise
    except Exception as error:  # whatever a config file raises, the person wants the place and the reason
        raise InputError(f"The config file {str(path)!r} failed: {type(error).__name__}: {_one_line(error)}") from error
    if not isinstance(config, ConfigDict):
        raise InputError(f"get_config in {str(path)!r} must return a ConfigDict, such as jaxgan.config.default().")
    return config


def override(config: ConfigDict, text: str) -> None:
    """Sets one key, in place, from `a.b=value`. Values are Python literals; anything else is taken as a string."""
    key, separator, raw = text.partition("=")
    if not separator:
        raise InputError(f"--config.{key} needs a value: --config.{key}=VALUE.")
    *parents, last = key.split(".")
    node = config
    for depth, name in enumerate(parents):
        if parents[0] in OPEN and name in node and isinstance(node[name], str):
            with node.unlocked():
                node[name] = ConfigDict({"name": node[name]}, type_safe=False)  # "hinge" becomes {name: "hinge"}
        if not isinstance(node, ConfigDict) or name not in node or not isinstance(node[name], ConfigDict):
            options = list(node) if isinstance(node, ConfigDict) else []
            where = ".".join(["config", *parents[:depth + 1]])
            raise InputError(f"There is no section {where}. " + (suggest(name, options) if options else ""))
        node = node[name]
    if last not in node and key.split(".")[0] not in OPEN:
        raise InputError(f"There is no option config.{key}. {suggest(last, node)}")
    plain_text = last in node and isinstance(node[last], str) and key.split(".")[0] not in OPEN
    value = raw if plain_text else _parse(raw)
    try:
        value = ConfigDict(value, type_safe=False) if isinstance(value, dict) else value
    except (ValueError, TypeError) as error:  # of a name with a dot, or that is no word
        raise InputError(f"config.{key}: {value!r} has names that no option can have. Write words.") from error
    with node.unlocked():
        node[last] = value


def _parse(raw: str) -> Any:
    if raw in ("true", "false"):  # beside Python's own True and False; "none" stays a word that a part may have
        return raw == "true"
    try:
        with warnings.catch_warnings(action="ignore"):  # Python has opinions on what is not quite a literal
            return ast.literal_eval(raw)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return raw


def validate(config: Mapping[str, Any]) -> None:
    """Checks keys, types and ranges against `default()`; converts whole numbers where a float is meant, in place."""
    reference = default()
    for key in config:
        if key not in reference:
            raise InputError(f"There is no option config.{key}. {suggest(key, reference)}")
    for key in reference:
        if key not in config:
            raise InputError(f"config.{key} is missing: start from jaxgan.config.default().")
        if key in PARTS or (key in OPTIONAL and config[key]):
            _check_part(config[key], key)
        elif key in GROUPS:
            _check_group(config[key], key)
        elif key not in OPTIONAL:
            _check(config, reference, key)
    _check_ranges(config)


def _check(config: ConfigDict, reference: ConfigDict, key: str, path: str = "config") -> None:
    value, expected, name = config[key], reference[key], f"{path}.{key}"
    if isinstance(expected, ConfigDict):
        if not isinstance(value, Mapping | ConfigDict):
            raise InputError(f"{name} must be a section with {', '.join(expected)}; got {value!r}.")
        for inner in value:
            if inner not in expected:
                raise InputError(f"There is no option {name}.{inner}. {suggest(inner, expected)}")
            _check(value, expected, inner, name)
    elif isinstance(expected, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{name} must be a number; got {value!r}.")
        with config.unlocked():
            config[key] = float(value)
    elif isinstance(expected, tuple):
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise InputError(f"{name} must be a list of parts, such as ('fd_pixels',); got {value!r}.")
    elif type(value) is not type(expected):
        kind = {int: "a whole number", str: "a string", bool: "true or false"}[type(expected)]
        raise InputError(f"{name} must be {kind}; got {value!r}.")


def _check_part(value: Any, key: str) -> None:
    named = isinstance(value, str) or (isinstance(value, Mapping | ConfigDict) and "name" in value
                                       and isinstance(value["name"], str))
    if not named:
        raise InputError(f"config.{key} must name a part: a string, or a section with `name`; got {_plain(value)!r}.")


def _check_group(value: Any, key: str) -> None:
    if not isinstance(value, Mapping | ConfigDict):
        raise InputError(f"config.{key} must be a section of named parts; got {value!r}.")
    for player in ("generator", "discriminator") if key == "optimizers" else ():
        if player not in value:
            raise InputError(f"config.optimizers has no {player}, but {', '.join(map(str, value))}: both players need "
                             "one.")
    for name in value:
        _check_part(value[name], f"{key}.{name}")
        every = value[name]["every"] if not isinstance(value[name], str) and "every" in value[name] else 1
        if type(every) is not int or every < 1:
            raise InputError(f"config.{key}.{name}.every must be a whole number of steps from 1; got {every!r}.")


def _check_ranges(config: Mapping[str, Any]) -> None:
    for key in ("batch_size", "num_critic", "accumulate", "steps_per_call"):
        if config[key] < 1:
            raise InputError(f"config.{key} must be at least 1; got {config[key]}.")
    for key in ("seed", "log_every", "sample_every", "checkpoint_every", "evaluate_every",
                "average_every", "health_every", "max_rollbacks"):
        if config[key] < 0:
            raise InputError(f"config.{key} must not be negative; got {config[key]}.")
    if config["seed"] >= 2**32:
        raise InputError(f"config.seed must be below 2**32; got {config['seed']}.")
    if not config["total_kimg"] > 0:
        raise InputError(f"config.total_kimg must be above 0; got {config['total_kimg']}.")
    if config["parallel"] not in PARALLEL:
        hint = suggest(config["parallel"], PARALLEL)
        raise InputError(f"config.parallel: there is no {config['parallel']!r}. {hint}")


def _plain(value: Any) -> Any:
    if isinstance(value, ConfigDict | Mapping):
        return {str(key): _plain(value[key]) for key in value}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def to_json(config: Mapping[str, Any]) -> str:
    """Stable text: sorted keys, tuples as lists."""
    return json.dumps(_plain(config), indent=2, sort_keys=True) + "\n"


def from_json(text: str, path: Path) -> ConfigDict:
    """The config of a run folder. Options that came to jaxgan after the run have their defaults, which change nothing;
    a run always had its parts. `path` is for the message."""
    added = {key: value for key, value in default().items() if key not in PARTS}
    try:
        config = ConfigDict(added | parse_json(text), type_safe=False)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise InputError(f"{path} is not a jaxgan config: {_one_line(error)[:200]}") from error
    validate(config)
    return config.lock()


def parse_json(text: str | bytes) -> Any:
    """JSON from anywhere. Raises ValueError for what is none, or so deeply nested that nothing could walk it."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    level = [found]
    for _ in range(DEEPEST):
        level = [entry for node in level if isinstance(node, dict | list)
                 for entry in (node.values() if isinstance(node, dict) else node)]
        if not level:
            return found
    raise ValueError("it is nested too deeply")


def outside(config: Mapping[str, Any]) -> list[str]:
    """`key=module:name` of every part that is not jaxgan's own: using the config imports and runs those.

    Any string with a colon counts, but in arguments of the data and in folders, which are only ever paths.
    """
    found = []

    def look(value: Any, key: str) -> None:
        if isinstance(value, str) and ":" in value:
            found.append(f"{key}={value}")
        elif isinstance(value, dict | list):
            for name, entry in value.items() if isinstance(value, dict) else enumerate(value):
                look(entry, f"{key}.{name}")

    plain = _plain(config)
    data = plain.pop("data")
    while data:  # those that are made of others name them in `of`
        look(data if isinstance(data, str) else data["name"], "data")
        data = data["of"] if isinstance(data, dict) and "of" in data else None
    for key, value in plain.items():
        if key not in ("init_from", "init_checkpoint"):
            look(value, key)
    return found


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Lines `key: old -> new` for every option in which two configs differ."""
    flat_old, flat_new = flat(old), flat(new)
    missing = "(not set)"
    return [f"{key}: {flat_old.get(key, missing)!r} -> {flat_new.get(key, missing)!r}"
            for key in sorted(flat_old.keys() | flat_new.keys())
            if flat_old.get(key, missing) != flat_new.get(key, missing)]


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every option by its whole key, `{"data.name": "digits"}`, in the order of the config; tuples as lists."""
    return _flatten(_plain(config))


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            found |= _flatten(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
