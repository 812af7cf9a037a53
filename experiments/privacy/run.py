"""What does a promise of privacy cost, and what does it hide? See the README beside this.

    TFDS_DATA_DIR=FOLDER python -m experiments.privacy.run
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from experiments.campaign import Campaign, command, done, rows, spread
from jaxgan import config as configs

RECIPE = Path(__file__).with_name("recipe.py")
BUDGETS = ("none", "100", "10", "1")
NUM = 10_000  # fakes that are scored


def measure(budget: str, seed: int, picture: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        run, scores, audit = (Path(scratch, name) for name in ("run", "scores.json", "audit"))
        done(command("main", f"--config={RECIPE}:{budget}", f"--workdir={run}", f"--config.seed={seed}", "--quiet"))
        done(command("evaluate", f"--workdir={run}", "--metrics=fd,cas", f"--num={NUM}", "--draws=1",
                     f"--json={scores}"))
        done(command("audit", f"--workdir={run}", f"--output={audit}"))
        shutil.copy(sorted(run.joinpath("samples").glob("step*.png"))[-1], picture)
        found = json.loads((audit / "audit.json").read_text())
        values = {result["short"]: result["value"] for result in json.loads(scores.read_text())["results"]}
    keep = ("attack", "by", "advantage", "chance", "auc", "tpr")
    stated = found["differential_privacy"]
    return {"scores": values, "membership": [{key: attack[key] for key in keep} for attack in found["membership"]],
            "noise": stated["noise"] if stated else 0.0, "epsilon": stated["epsilon"] if stated else None}


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    body = []
    for budget, runs in found.items():
        white = [each["membership"][0] for each in runs]
        body.append([budget, f"{runs[0]['noise']:.2f}", spread([each["scores"]["fd"] for each in runs]),
                     spread([100 * each["scores"]["gan_train"] for each in runs], 1),
                     spread([each["advantage"] for each in white], 3),
                     f"{white[0]['chance']:.3f}", spread([100 * each["tpr"]["0.001"] for each in white], 2)])
    return rows(["epsilon", "noise", "FD, classifier", "accuracy learnt from samples, %", "attacker's advantage",
                 "by chance below", "found at 0.1 % false, %"], body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    seeds, campaign, found = parser.parse_args().seeds, Campaign(__file__), {}
    campaign.results.mkdir(exist_ok=True)
    for seed in seeds:
        for budget in BUDGETS:
            settings = {"config": configs.load(f"{RECIPE}:{budget}").to_dict(), "fakes": NUM}
            picture = campaign.results / f"epsilon_{budget}.png"
            found.setdefault(budget, []).append(campaign.cell(
                f"{budget}_{seed}", settings, lambda: measure(budget, seed, picture)))  # noqa: B023
            campaign.publish(table(found), {f"epsilon_{name}.png": f"Samples, ε: {name}" for name in BUDGETS})


if __name__ == "__main__":
    main()
