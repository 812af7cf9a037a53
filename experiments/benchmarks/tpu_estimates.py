"""What share of a TPU's peak three large recipes reach in bfloat16, by the compiler's estimate. See README.md.

    pip install -e '.[plan]'
    JAX_PLATFORMS=cpu python experiments/benchmarks/tpu_estimates.py [--target=v5e:2x2] [--recipes NAME ...]

No TPU is needed: the compiler for TPUs runs on any machine, for 15 to 40 minutes a recipe on one core. Recipes that are
not asked for keep the results they have.
"""

import argparse
import datetime
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import page

from jaxgan import command, planning
from jaxgan import config as configs
from jaxgan.data import Info

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "tpu_estimates.json"
NARROW = tuple(f"{player}.dtype=bfloat16" for player in ("generator", "discriminator"))


class Recipe(NamedTuple):
    """batch: images a chip. overrides: what the README says is different here."""

    location: str
    side: int
    num_classes: int
    num_images: int
    batch: int
    overrides: tuple[str, ...] = ()


RECIPES = {
    "BigGAN-128": Recipe("configs/biggan.py:imagenet", 128, 1000, 1_281_167, 64, ("num_critic=1",)),
    "StyleGAN2-256": Recipe("configs/stylegan2.py:paper256", 256, 0, 70_000, 16,
                            ("regularizers.path_length.every=16",)),
    "R3GAN-FFHQ-256": Recipe("configs/r3gan.py:ffhq256", 256, 0, 70_000, 4),
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="v5e:2x2", help="a TPU slice, as for jaxgan.plan (default: v5e:2x2)")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--batch", type=int, default=0, help="images a chip (default: the recipe's own, in the table)")
    options = parser.parse_args(arguments)
    target = planning.find_target(options.target)
    found = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for name in options.recipes:
        found[name] = estimate(RECIPES[name], target, options.batch)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
        page.write("tpu_estimates.py", table(found), RESULTS.parent)
    print(table(found))


def estimate(recipe: Recipe, target: planning.Target, batch: int) -> dict[str, Any]:
    overrides = [*NARROW, *recipe.overrides, f"batch_size={(batch or recipe.batch) * len(target.devices)}"]
    config = configs.load(recipe.location, overrides)
    count = recipe.num_classes
    info = Info("described", (recipe.side, recipe.side, 3), num_classes=count, label_kind="class" if count else "none",
                label_frequencies=(1 / count,) * count if count else (), class_names=tuple(map(str, range(count))))
    found = planning.plan(config, info, recipe.num_images, target, progress)
    return {"config": recipe.location, "overrides": overrides, "target": target.name, "jax": jax.__version__,
            "libtpu": libtpu_version(), "date": datetime.date.today().isoformat()} | found._asdict()


def libtpu_version() -> str:
    return importlib.metadata.version("libtpu")


def table(found: dict[str, dict[str, Any]]) -> str:
    lines = ["| recipe | target | images a chip | GFLOP an image | memory a chip, GiB | images/s a chip "
             "| share of peak | modelled |", "|---|---|---|---|---|---|---|---|"]
    for name, plan in found.items():
        rates = [f"{rate / plan['devices']:,.3g}" for rate in plan["images_per_second"]]
        lines.append(f"| {name} | {plan['target']} | {plan['batch_size'] // plan['devices']} "
                     f"| {plan['flops_per_image'] / 1e9:,.0f} | {plan['memory_per_device'] / 2**30:.1f} "
                     f"| {' – '.join(rates)} | {plan['share_of_peak']:.1%} | {plan['modelled']:.0%} |")
    plan = next(iter(found.values()))
    return "\n".join([*lines, "", f"jax {plan['jax']}, libtpu {plan['libtpu']}; {plan['date']}."])


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    command.run(main)
