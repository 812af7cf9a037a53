"""One side of the comparison, as a process of its own:

    python -m experiments.equal_work.contestant --side=jaxgan --config=FILE:ARG --seed=0 --samples=5000 --output=DIR

trains, writes DIR/samples.npz, and DIR/facts.json with seconds and parameters.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan import config as configs
from jaxgan import data, images

CHUNK = 250  # images the twin makes at a time
Samples = Callable[[int], np.ndarray]


def ours(config: Any, source: data.Source) -> tuple[dict[str, Any], Samples]:
    """(facts, what makes so many images)."""
    from experiments.short_runs import train

    trained = train(config, source)
    return trained.facts, trained.samples


def theirs(config: Any, source: data.Source) -> tuple[dict[str, Any], Samples]:
    """The same by the PyTorch twin, eager and channels last, which is its fastest form here."""
    import torch

    from experiments.benchmarks.twins.trainer import PLAYERS, begin
    from experiments.campaign import clock

    facts: dict[str, Any] = {}
    images_a_step, first = config.batch_size * config.num_critic, config.steps_per_call
    total = math.ceil(config.total_kimg * 1000 / images_a_step)
    with clock(facts, "prepare"):
        trainer, feed = begin(config, source, channels_last=True, compiled=False)
        for step in range(first):
            trainer.step(feed[step])
    with clock(facts, "steps"):
        for step in range(first, total):
            trainer.step(feed[step])
    facts["images_per_second"] = (total - first) * images_a_step / facts["steps"]["seconds"]
    facts["parameters"] = {player: sum(each.numel() for each in getattr(trainer, player).parameters())
                           for player in PLAYERS}

    @torch.inference_mode()
    def samples(count: int) -> np.ndarray:
        network = (trainer.average or trainer.generator).eval()
        made = [network(trainer.latents(CHUNK), None).permute(0, 2, 3, 1).numpy() for _ in range(0, count, CHUNK)]
        return images.to_uint8(np.concatenate(made)[:count])

    return facts, samples


SIDES = {"jaxgan": ours, "PyTorch": theirs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--side", choices=SIDES, required=True)
    parser.add_argument("--config", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--started", type=float, required=True, help="when the process was, in seconds since 1970")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # one core: threads that wait for each other on a busy machine burn time
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    config = configs.load(options.config, [f"seed={options.seed}"])
    facts, samples = SIDES[options.side](config, data.open(config.data))
    facts["whole"] = {"seconds": time.time() - options.started, "cpu_seconds": time.process_time()}
    np.savez(options.output / "samples.npz", images=samples(options.samples))
    (options.output / "facts.json").write_text(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
