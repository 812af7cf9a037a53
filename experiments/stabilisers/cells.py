"""The runs of this experiment: small DCGANs on MNIST at 16×16, a part of the question each. Imports no jax."""

import functools
from typing import Any, NamedTuple

from experiments.campaign import ROOT
from jaxgan import config as configs

RECIPE = ROOT / "configs" / "dcgan.py"
WIDTH, NUM_FAKES = 16, 2500
JUDGE = {"name": "tfds", "dataset": "mnist", "split": "test", "resolution": 16}
SEEDS = (0, 1)

GAMMAS, RATES = (0.0, 0.01, 0.1, 1.0, 10.0), (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
TURNS = (1, 2, 3, 5)
CRITICS = {"non-saturating, R1": ("non_saturating", {"r1": {"name": "r1", "gamma": 1.0}}),
           "Wasserstein, gradient penalty": ("wasserstein", {"gp": {"name": "gradient_penalty", "gamma": 10.0}})}
HALF_LIVES = (0.5, 2.0, 8.0, 32.0)  # thousand images
COUNTS = (500, 2_000, 10_000)
HELP = {"none": {}, "DiffAugment": {"diffaugment": {"name": "diffaugment"}},
        "ADA": {"ada": {"name": "ada", "preset": "bgc", "adjust_kimg": 20.0}}}


class Run(NamedTuple):
    """changes: config key -> value. looks: how often it is scored."""

    part: str
    key: tuple[Any, ...]
    seed: int
    kimg: float
    changes: dict[str, Any]
    looks: int = 1

    @property
    def name(self) -> str:
        words = "_".join(str(each) for each in (self.part, *self.key, self.seed))
        return "".join(letter if letter.isalnum() or letter in "_.-" else "-" for letter in words).lower()

    def config(self) -> Any:
        return configuration(self)

    @property
    def settings(self) -> dict[str, Any]:
        return {"config": self.config().to_dict(), "fakes": NUM_FAKES, "looks": self.looks}


def configuration(run: Run) -> Any:
    config = recipe().copy_and_resolve_references()
    config.seed, config.total_kimg = run.seed, run.kimg
    with config.unlocked():
        for key, value in run.changes.items():
            *parents, last = key.split(".")
            functools.reduce(lambda node, name: node[name], parents, config)[last] = value
    configs.validate(config)
    return config


@functools.cache
def recipe() -> Any:
    """configs/dcgan.py:tiny:mnist, half as wide; its learning rate falls to a tenth over the run."""
    config = configs.load(f"{RECIPE}:tiny:mnist")
    config.generator.width = config.discriminator.width = WIDTH
    config.metrics, config.evaluate_every = (), 0
    return config


def rate(start: float, end: float) -> dict[str, Any]:
    schedule = {"name": "cosine", "start": start, "end": end}
    return {f"optimizers.{player}.learning_rate": schedule for player in ("generator", "discriminator")}


def r1(gamma: float) -> dict[str, Any]:
    return {"regularizers": {"r1": {"name": "r1", "gamma": gamma}} if gamma else {}}


def runs(seed: int) -> list[Run]:
    """All of one seed."""
    found = [Run("r1", (gamma, start), seed, 32.0, r1(gamma) | rate(start, start / 10))
             for gamma in GAMMAS for start in RATES]
    found += [Run("turns", (name, turns), seed, 38.4, {"loss": {"name": loss}, "regularizers": terms,
                                                       "num_critic": turns})
              for name, (loss, terms) in CRITICS.items() for turns in TURNS]
    averages = {f"ema{number}": {"name": "exponential", "half_life_kimg": half_life, "rampup": 0.0}
                for number, half_life in enumerate(HALF_LIVES)}
    found.append(Run("average", (), seed, 64.0, rate(1e-3, 1e-3) | {"average": averages}, looks=4))
    found += [Run("augmentation", (name, count), seed, 64.0, r1(0.1) | {
        "augmentation": parts, "data.split": f"train[:{count}]"}, looks=4)
        for count in COUNTS for name, parts in HELP.items()]
    return found


RUNS = [run for seed in SEEDS for run in runs(seed)]
