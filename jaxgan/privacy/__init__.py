"""Training that bounds what its result can tell of any one image; config.privacy = {name, ...}, or {} for none.

`build` gives what the update asks of such a method, `statement` what a run may say of itself.
"""

from collections.abc import Callable, Mapping
from typing import Any

from jaxgan import catalogue
from jaxgan.data import Info
from jaxgan.privacy.dp_sgd import DPSGD, Plan, dp_sgd
from jaxgan.privacy.refusals import check_config, check_data, check_parts

__all__ = ["DPSGD", "PRIVACY", "Plan", "build", "check_parts", "in_words", "statement"]

PRIVACY: dict[str, Callable[..., DPSGD]] = {
    "dp_sgd": dp_sgd,
}


def build(config: Mapping[str, Any], info: Info) -> DPSGD | None:
    """What config.privacy names, for these data; None where it is empty. Raises InputError where config or data would
    let out more than it bounds."""
    if not config["privacy"]:
        return None
    check_config(config)
    return catalogue.build(PRIVACY, config["privacy"], "privacy", plan=Plan.of(config, check_data(config, info)),
                           info=info)


def statement(config: Mapping[str, Any], info: Info, step: int) -> dict[str, Any] | None:
    """What holds of a run's weights after `step` steps, ready for JSON; None where it trains without privacy.

    epsilon, delta: of adding or removing one training image. noise: standard deviation, in units of the clipping
    norm. sampling_rate: chance of an image to be in a batch. updates: noisy gradients taken. covers, public, limits:
    sentences, without which the numbers mean nothing.
    """
    private = build(config, info)
    if private is None:
        return None
    limits = [*LIMITS]
    if config["init_from"]:
        limits.append(f"It began with the weights of {config['init_from']}; what those tell of their own data is not "
                      "counted.")
    return {"method": catalogue.split_spec(config["privacy"], "privacy")[0], "epsilon": private.epsilon_at(step),
            "delta": private.delta, "clip": private.clip, "noise": private.noise,
            "sampling_rate": private.plan.rate, "updates": step * private.plan.turns, "unit": UNIT,
            "accountant": ACCOUNTANT, "covers": COVERS, "public": PUBLIC, "limits": limits}


def in_words(said: Mapping[str, Any] | None) -> str:
    """A statement as a card has it."""
    if said is None:
        return "None: the run was trained without, so nothing bounds what it can tell of a training image."
    return " ".join([f"Epsilon {said['epsilon']:.3g} at delta {said['delta']:g}, of {said['unit']} "
                     f"({said['accountant']}; {said['updates']:,} updates at a sampling rate of "
                     f"{said['sampling_rate']:.3g}, noise {said['noise']:.3g}, clipping norm {said['clip']:g}).",
                     said["covers"], said["public"], *said["limits"]])


UNIT = "one training image, added or removed"
ACCOUNTANT = "Rényi, of the Poisson-sampled Gaussian mechanism, by dp-accounting"
COVERS = ("The weights of both players, and every image made of them: the discriminator sees the data through clipped "
          "and noised gradients alone, the generator sees the discriminator alone.")
PUBLIC = ("Taken as known to everybody: how many training images there are, their size, the names of the classes and "
          "their shares. Values are scaled by constants, not by statistics of the data.")
LIMITS = (
    "It covers nothing else that is made with real images: the run's folder with its logs and pages, cards and audits "
    "of data sets, hashes of the data.",
    "It holds towards those who know neither config.seed nor a checkpoint, which give the noise away; seeds have 32 "
    "bits.",
    "Scores against the training data, and choices made by them, are not counted.",
    "Somebody with several images in the data is covered for each of them, not for all together.",
)
