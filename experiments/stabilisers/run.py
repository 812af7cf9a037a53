"""What each stabiliser buys, on small networks and MNIST; see the README beside this.

    TFDS_DATA_DIR=FOLDER python -m experiments.stabilisers.run
"""

import argparse
import functools
import json
from typing import Any

from experiments.campaign import Campaign, machine, rows, spread
from experiments.short_runs import Score, Trained, jury, train
from experiments.stabilisers import figures
from experiments.stabilisers.cells import (
    COUNTS,
    CRITICS,
    GAMMAS,
    HALF_LIVES,
    HELP,
    JUDGE,
    NUM_FAKES,
    RATES,
    RUNS,
    TURNS,
    Run,
)
from jaxgan import compilation, data
from jaxgan.data import Source

PARTS = ("r1", "turns", "average", "augmentation")
METRICS = ("fd", "prdc")
RAW = "none"  # the weights as they are
Found = dict[tuple[Any, ...], list[dict[str, Any]]]  # key of a cell -> what each seed found


@functools.cache
def source(spec: str) -> Source:
    """The data section of a config, as JSON, opened once."""
    return data.open(json.loads(spec))


def measure(run: Run, score: Score) -> dict[str, Any]:
    """curves: by average (one, unless that is the question) a list of scores with the images seen by then."""
    config, curves = run.config(), {}

    def look(trained: Trained) -> None:
        averages = trained.state.averages
        asked = {"": None}
        if run.part == "average":
            asked = {str(half_life): averages[f"ema{number}"] for number, half_life in enumerate(HALF_LIVES)}
            asked[RAW] = trained.experiment.weights(trained.state, raw=True)
        for name, weights in asked.items():
            curves.setdefault(name, []).append({"images": trained.images_seen,
                                                **scored(trained, weights, score)})

    trained = train(config, source(json.dumps(config.data.to_dict())), run.looks, look)
    return trained.facts | {"curves": curves}


def scored(trained: Trained, weights: Any, score: Score) -> dict[str, float | None]:
    """The values; none where the weights have diverged."""
    try:
        return score(trained.samples(NUM_FAKES, weights))
    except FloatingPointError:
        return {"fd": None}


def gathered(campaign: Campaign, part: str) -> Found:
    found: Found = {}
    for run in RUNS:
        if run.part == part and (each := campaign.kept(run.name, run.settings)):
            found.setdefault(run.key, []).append(each)
    return found


def last(cells: list[dict[str, Any]] | None, name: str = "", value: str = "fd") -> str:
    """What stands in a table of the scores at the end: mean ± sd over the seeds."""
    if not cells:
        return "not run yet"
    values = [cell["curves"][name][-1][value] for cell in cells]
    return "diverged" if None in values else spread(values)


def table(found: dict[str, Found]) -> str:
    """Four tables, and what they cost."""
    heat = rows(["γ of R1, by learning rate", *(f"{rate:g}" for rate in RATES)],
                [[f"{gamma:g}", *(last(found["r1"].get((gamma, rate))) for rate in RATES)] for gamma in GAMMAS])
    turns = rows(["D:G", *(f"{name}: {what}" for name in CRITICS for what in ("FD", "processor seconds"))],
                 [[f"{count}:1", *(entry for name in CRITICS for entry in costs(found["turns"].get((name, count))))]
                  for count in TURNS])
    half_lives = [*(str(half_life) for half_life in HALF_LIVES), RAW]
    average = rows(["half-life, thousand images", "FD", "coverage"],
                   [[name, *(last(found["average"].get(()), name, value) for value in ("fd", "coverage"))]
                    for name in sorted(half_lives, key=lambda name: 0.0 if name == RAW else float(name))])
    helped = rows(["training images", *HELP],
                  [[f"{count:,}", *(last(found["augmentation"].get((name, count))) for name in HELP)]
                   for count in COUNTS])
    cells = [cell for part in found.values() for seeds in part.values() for cell in seeds]
    minutes = sum(cell[part]["cpu_seconds"] for cell in cells for part in ("prepare", "steps")) / 60
    return "\n\n".join([
        "**γ of R1 and learning rate: FD**", heat, "**Turns of the discriminator**", turns,
        "**Average of the weights**", average, "**Augmentation: FD at the end**", helped,
        f"{len(cells)} of {len(RUNS)} runs, {minutes:.0f} processor minutes of training. On {machine()}."])


def costs(cells: list[dict[str, Any]] | None) -> tuple[str, str]:
    """FD, and processor seconds of the steps."""
    return last(cells), spread([cell["steps"]["cpu_seconds"] for cell in cells], 0) if cells else ""


def publish(campaign: Campaign) -> None:
    found = {part: gathered(campaign, part) for part in PARTS}
    figures.draw(found, campaign.results)
    campaign.publish(table(found), {"heat.png": "γ of R1 and learning rate", "augmentation.png": "augmentation",
                                    "curves.png": "turns of the discriminator, and averages"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--part", choices=PARTS, help="one part of the question")
    parser.add_argument("--table", action="store_true", help="write the tables of what there is, and train nothing")
    options, campaign = parser.parse_args(), Campaign(__file__)
    campaign.results.mkdir(exist_ok=True)
    compilation.enable_cache()
    if not options.table:
        with jury(JUDGE, METRICS) as score:
            for run in RUNS:
                if options.part in (None, run.part):
                    campaign.cell(run.name, run.settings, lambda: measure(run, score))  # noqa: B023
    publish(campaign)


if __name__ == "__main__":
    main()
