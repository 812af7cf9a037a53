"""What a private run must not have, each with its reason.

That nothing in the discriminator's objective looks across examples is no matter of trust: it is given one at a time.
What is refused here either reads the data beside that path, would remember something of them, or would mean something
else on single examples than what its name says.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from jaxgan import catalogue
from jaxgan.data import Info
from jaxgan.errors import InputError

# Penalties that are a mean over examples, or of weights, and terms of the generator that look at fakes alone.
REGULARIZERS = ("r1", "r2", "gradient_penalty", "weight_clip", "orthogonal", "path_length", "top_k", "mode_seeking")
CONDITIONING = ("auxiliary_classifier",)
AUGMENTATION = ("diffaugment", "blur", "instance_noise")
ALLOWED = {"regularizers": REGULARIZERS, "conditioning": CONDITIONING, "augmentation": AUGMENTATION}
COLLECTIONS = ("spectral", "constants")  # of the discriminator's variables: functions of its weights, or of nothing


def check_config(config: Mapping[str, Any]) -> None:
    """Refuses what the config alone shows."""
    for group, allowed in ALLOWED.items():
        for name, spec in config[group].items():
            part, arguments = catalogue.split_spec(spec, f"{group}.{name}")
            if part not in allowed:
                raise InputError(f"config.{group}.{name}: {part} looks across examples, keeps what it saw, or is not "
                                 f"known to do neither, which config.privacy forbids. Allowed: {', '.join(allowed)}.")
            if arguments.get("class_weights") is not None:
                raise InputError(f"config.{group}.{name}.class_weights may be counted from the data, which "
                                 "config.privacy does not bound; leave it out.")
    if config["degradation"]:
        raise InputError("config.degradation gives the generator the data, only spoilt, which config.privacy forbids; "
                         "leave one of the two out.")
    _, data = catalogue.split_spec(config["data"], "data")
    wrong = {
        "evaluate_every": (config["evaluate_every"], 0, "scores against the training data choose a checkpoint"),
        "max_rollbacks": (config["max_rollbacks"], 0, "a rollback spends budget that the plan does not have"),
        "parallel": (config["parallel"] == "pmap" and "pmap", False, "each device would add noise of its own"),
        "data.mirror": (data.get("mirror", False), False, "each image would be two examples"),
    }
    for key, (value, wanted, reason) in wrong.items():
        if value != wanted:
            advice = "use jit or fsdp" if key == "parallel" else f"set --config.{key}={wanted}"
            raise InputError(f"config.{key} is {value}, and with config.privacy {reason}: {advice}.")


def check_data(config: Mapping[str, Any], info: Info) -> int:
    """How many training examples there are."""
    if info.label_kind not in ("none", "class"):
        raise InputError("config.privacy: the generator would train on labels that are more than a class, so on the "
                         "data themselves; use classes, or --config.data.labels=false.")
    _, data = catalogue.split_spec(config["data"], "data")
    split = data.get("split", "train")
    if split not in info.splits:
        raise InputError(f"config.privacy counts the examples of a whole split, and {split!r} is none of "
                         f"{', '.join(info.splits)}.")
    count = info.splits[split] - len(info.skipped)
    if config["batch_size"] > count:
        raise InputError(f"config.batch_size is {config['batch_size']}, and a private batch is drawn of {count:,} "
                         "examples: make it at most that.")
    return count


def check_parts(parts: Any, collections: Mapping[str, Iterable[str]]) -> None:
    """Refuses what only the parts of an experiment show. collections: of each player's variables besides its params."""
    if parts.loss.paired:
        raise InputError("config.loss compares fakes with real images in the generator's update too, which "
                         "config.privacy forbids; choose another, such as non_saturating.")
    if "batch_stats" in collections["generator"]:
        raise InputError("config.generator has BatchNorm, which with config.privacy would see one fake at a time in "
                         "the discriminator's updates; choose one without, such as norm=none.")
    if beyond := sorted(set(collections["discriminator"]) - set(COLLECTIONS)):
        raise InputError(f"config.discriminator keeps {', '.join(beyond)} (BatchNorm does), statistics of real images "
                         "that config.privacy does not bound; choose one without, such as norm=none.")
    network = parts.networks["discriminator"]
    network = getattr(network, "discriminator", network)  # under its heads
    if getattr(network, "stddev_group", 1) > 1:
        raise InputError("config.discriminator compares the images of a batch, and with config.privacy it sees one at "
                         "a time; set --config.discriminator.stddev_group=1.")
    for key, term in parts.terms.items():
        if term.every > 1 and term.part.player == "discriminator":
            raise InputError(f"config.{key.rpartition('.')[0] if key.count('.') > 1 else key}.every is {term.every}: "
                             "with config.privacy every look at the data is paid for, so join it to every step (1).")
    stateful = [key for key, part in parts.augmentations.items() if part.init() != ()]
    stateful += [key for key, term in parts.terms.items()
                 if term.part.player == "discriminator" and term.part.init() != ()]
    if stateful:
        raise InputError(f"config.{stateful[0]} keeps a state that real images would change (a schedule or a control "
                         "does), which config.privacy does not bound; give it plain numbers.")
