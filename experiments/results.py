"""The README's section of results, and what the configs quote of them, from the files that the experiments left.

No number in either is typed by hand.

    python -m experiments.results
"""

import json
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from experiments.campaign import ROOT, rows, spread

EXPERIMENTS = ROOT / "experiments"
BEGIN, END = "<!-- written by experiments/results.py: begin -->", "<!-- written by experiments/results.py: end -->"
QUOTE = "`experiments/zoo` trained the tiny variant on "
NAMES = {"dcgan": "DCGAN", "wgan_gp": "WGAN-GP", "sngan": "SNGAN", "r3gan": "R3GAN", "stylegan2": "StyleGAN2",
         "mnist": "MNIST", "cifar10": "CIFAR-10", "relativistic": "relativistic loss",
         "relativistic_r1": "with R1", "relativistic_r1_r2": "with R1 and R2"}


def read(path: str) -> Any:
    """A file of results; None where there is none."""
    found = EXPERIMENTS / path
    return json.loads(found.read_text()) if found.exists() else None


def cells(folder: str) -> dict[str, Any]:
    """What the cells of a campaign found, by name."""
    return {name: record["found"] for name, record in records(folder).items()}


def records(folder: str) -> dict[str, Any]:
    """The cells themselves, with their settings."""
    files = sorted((EXPERIMENTS / folder / "results" / "cells").glob("*.json"))
    return {path.stem: json.loads(path.read_text()) for path in files}


def by_seed(found: dict[str, Any]) -> dict[str, list[Any]]:
    """Cells called NAME_SEED, gathered by name."""
    gathered: dict[str, list[Any]] = {}
    for name, each in found.items():
        gathered.setdefault(name.rpartition("_")[0], []).append(each)
    return gathered


def listed(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def named(name: str) -> str:
    return NAMES.get(name, name.replace("_", " "))


def first_run() -> str:
    if not (found := read("first_run/results/results.json")):
        return ""
    judged = found["judged"]
    asked = judged["share_of_the_class_asked_for"]
    return (f"The first command ends after {found['seconds']:.0f} s on {found['cores']} cores, with "
            f"{found['peak_memory_gib']:.2f} GiB; {asked:.1%} of 1,000 samples read as the digit asked for.")


def benchmarks() -> str:
    files = sorted((EXPERIMENTS / "benchmarks" / "results").glob("training-*.json"))
    found = {path.stem.removeprefix("training-"): json.loads(path.read_text())["ratio"]["median"] for path in files}
    if not found:
        return ""
    return "Training steps at so many times the rate of the fastest PyTorch twin: " + listed(
        f"{name} {ratio:.2f}" for name, ratio in found.items()) + "."


def parity() -> str:
    if not (found := read("parity/results/parity.json")):
        return ""
    worst = {width: [max(case[part] for case in found if width in case["case"]) for part in ("forward", "gradient")]
             for width in ("float64", "float32")}
    return f"{len(found)} comparisons with published networks; largest relative errors: " + listed(
        f"{forward:.0e} of outputs and {gradient:.0e} of gradients in {width}"
        for width, (forward, gradient) in worst.items()) + "."


def mixtures() -> str:
    found = [json.loads(path.read_text()) for path in (EXPERIMENTS / "mixtures/results/cells").glob("*.json")]
    if not found:
        return ""
    means: dict[str, list[float]] = {}
    for cell in found:
        means.setdefault(cell["regularizer"], []).append(statistics.fmean(cell["layouts"]["grid"]["modes"]))
    ordered = sorted(means.items(), key=lambda item: -statistics.fmean(item[1]))
    losses = len({cell["loss"] for cell in found})
    return f"Modes found of a grid of 25, mean of {losses} losses: " + listed(
        f"{named(name)} {statistics.fmean(values):.1f}" for name, values in ordered) + "."


def stacked_mnist() -> str:
    found = by_seed(cells("stacked_mnist"))
    order = [name for name in NAMES if name in found]
    return "Modes found of 1,000: " + listed(
        f"{named(name)} {spread([each['modes'] for each in found[name]], 0)}" for name in order) + "." if order else ""


def reproducibility() -> str:
    found = [(way, apart) for ways in cells("reproducibility").values() for way, apart in ways.items()]
    if not found:
        return ""
    same = sorted({way for way, _ in found if all(apart["bits"] for name, apart in found if name == way)})
    rest = [apart["relative"] for way, apart in found if way not in same]
    return f"The same bits after {len(cells('reproducibility'))} recipes' runs: {listed(same) or 'none'}" + (
        f"; the weights of all other ways within {max(rest):.0e}." if rest else ".")


def equal_work() -> str:
    found = by_seed(cells("equal_work"))
    said = []
    for pair in sorted({name.rpartition("_")[0] for name in found}):
        sides = [found.get(f"{pair}_{side}") for side in ("jaxgan", "pytorch")]
        if all(sides):
            scores = [spread([each["scores"]["fd"] for each in side]) for side in sides]
            seconds = [statistics.fmean(each["steps"]["cpu_seconds"] for each in side) for side in sides]
            recipe, _, data = pair.partition("_")
            said.append(f"{named(recipe)} on {named(data)}: FD {scores[0]} against PyTorch's {scores[1]}, in "
                        f"{seconds[0]:.0f} processor seconds against {seconds[1]:.0f}")
    return "; ".join(said) + "." if said else ""


def zoo() -> str:
    found = cells("zoo")
    if not found:
        return ""
    ordered = sorted(found.items(), key=lambda item: item[1]["scores"]["fd"])
    shown = (*ordered[:3], *ordered[3:][-1:])
    return f"{len(found)} recipes after as many images, FD (classifier), best three and last: " + listed(
        f"{name} {each['scores']['fd']:.1f}" for name, each in shown) + "."


def stabilisers() -> str:
    found = by_seed(cells("stabilisers"))

    def value(seeds: list[Any]) -> float:
        scores = [seed["curves"][""][-1]["fd"] for seed in seeds]
        return float("inf") if None in scores else statistics.fmean(scores)

    heat = {tuple(name.split("_")[1:]): value(seeds) for name, seeds in found.items() if name.startswith("r1_")}
    if not heat:
        return ""
    best = {gamma: min(score for (each, _), score in heat.items() if each == gamma) for gamma, _ in heat}
    said = "FD (classifier) at the best learning rate, by γ of R1: " + listed(
        f"{float(gamma):g} {score:.1f}" for gamma, score in sorted(best.items(), key=lambda item: float(item[0])))
    augmented = {name.removeprefix("augmentation_").rpartition("_")[::2]: value(seeds) for name, seeds in found.items()
              if name.startswith("augmentation_")}
    fewest = [(name, score) for (name, count), score in augmented.items() if count == "500"]
    helped = listed(f"{name} {score:.1f}" for name, score in fewest)
    return f"{said}; from 500 images, by augmentation: {helped}." if fewest else f"{said}."


def faults() -> str:
    if not (found := read("faults/results/results.json")):
        return ""
    each = [line for lines in found.values() for line in lines]
    kept, tried = (sum(line[place] for line in each) for place in (2, 3))
    return f"{kept} of {tried} tries of {len(each)} faults kept what is promised."


def soak() -> str:
    if not (found := read("soak/results/results.json")):
        return ""
    whole, later = (found[key]["rss"] for key in ("trends", "second_half"))
    return (f"{found['minutes']:.0f} minutes with {found['checkpoints']:,} checkpoints: memory from "
            f"{whole['first']:.0f} to {whole['last']:.0f} MiB, with a slope of {later['low']:+.0f} to "
            f"{later['high']:+.0f} MiB an hour in the second half.")


def fuzz() -> str:
    found = [readers for name in ("fuzz", "medical") if (readers := read(f"fuzz/results/{name}.json"))]
    readers = [reader for each in found for reader in each["readers"].values()]
    findings = sum(len(reader["findings"]) for reader in readers)
    return (f"{sum(reader['inputs'] for reader in readers):,} spoiled files to {len(readers)} readers: {findings} "
            "findings in the last campaign, all mended since.") if readers else ""


def enhancement() -> str:
    if not (found := read("enhancement/results/scores.json")):
        return ""
    return (f"CIFAR-10 doubled in size by a small network: {found['made']['psnr']:.1f} dB, bicubic "
            f"{found['interpolated']['psnr']:.1f} dB.")


def inversion() -> str:
    found = read("inversion/results/psnr.json") or ()
    return "Ten unseen digits come back with " + listed(
        f"{statistics.fmean(each['psnr']):.1f} dB from {each['space']} of {named(each['recipe'])}" for each in found
    ) + "." if found else ""


def few_shot() -> str:
    files = sorted((EXPERIMENTS / "few_shot/results/cells").glob("*.json"))
    found = [json.loads(path.read_text()) for path in files]
    return "From 388 X-rays, coverage of unseen ones: " + listed(
        f"{cell['cell']} {spread([each['coverage'] for each in cell['scores']])}" for cell in found
    ) + "." if found else ""


def privacy() -> str:
    found = by_seed(cells("privacy"))
    order = [name for name in ("none", "100", "10", "1") if name in found]
    return "FD (classifier) on MNIST by ε: " + listed(
        f"{name} {spread([each['scores']['fd'] for each in found[name]], 1)}" for name in order) + "." if order else ""


def augmentation() -> str:
    found = [each for each in cells("augmentation").values() if each["part"] == "digits"]
    if not found:
        return ""
    size = min(each["size"] for each in found)
    scores = [each["scores"] for each in found if each["size"] == size]
    return f"Balanced accuracy of a classifier from {size} real digits a class: " + listed(
        f"{words} {spread([each[name]['balanced_accuracy'] for each in scores], 3)}" for name, words in (
            ("real", "these alone"), ("geometric", "moved"), ("both", "with synthetic ones"))) + "."


SENTENCES: dict[str, Callable[[], str]] = {function.__name__: function for function in (
    first_run, benchmarks, equal_work, parity, mixtures, stacked_mnist, reproducibility, zoo, stabilisers, faults, soak,
    fuzz, enhancement, inversion, few_shot, augmentation, privacy)}


def page() -> str:
    """The section's table: a line for every experiment."""
    def line(folder: str) -> Sequence[str]:
        said = SENTENCES[folder]() if folder in SENTENCES else "see there"
        return f"[{folder}](experiments/{folder}/README.md)", said or "not run yet"

    return rows(["experiment", "what was found"], [line(folder) for folder in folders()])


def folders() -> list[str]:
    """Experiments in the order of their own list, experiments/README.md."""
    return re.findall(r"^\| \[(\w+)\]\(\1/README\.md\)", (EXPERIMENTS / "README.md").read_text(), flags=re.MULTILINE)


def section(readme: str) -> str:
    """The README with the table between its marks."""
    before, _, rest = readme.partition(BEGIN)
    return f"{before}{BEGIN}\n{page()}\n{END}{rest.partition(END)[2]}"


def quotes() -> dict[Path, str]:
    """Configs that the zoo has trained, with what it found at the end of their docstrings."""
    found = {}
    for recipe, record in records("zoo").items():
        config, scores = ROOT / "configs" / f"{recipe}.py", record["found"]["scores"]
        docstring, code = config.read_text().split('\n"""\n', maxsplit=1)
        said = (f"{1000 * record['settings']['config']['total_kimg']:,.0f} images of MNIST: FD {scores['fd']:.1f}, "
                f"precision {scores['precision']:.2f}, recall {scores['recall']:.2f}.")
        found[config] = f'{docstring.partition(QUOTE)[0].rstrip()}\n\n{QUOTE}{said}\n"""\n{code}'
    return found


def main() -> None:
    readme = Path(ROOT, "README.md")
    readme.write_text(section(readme.read_text()))
    for config, text in quotes().items():
        config.write_text(text)
    print(page())


if __name__ == "__main__":
    main()
