"""A run as its page shows it: what its folder holds, and what its generator makes."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgan import config as config_lib
from jaxgan import images
from jaxgan.data import Info
from jaxgan.data.source import Source, read
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.latents import neighbours, plane
from jaxgan.latents.interpolation import closed_loop, label_loop
from jaxgan.metrics.pixels import shrink
from jaxgan.reporting import scores
from jaxgan.reporting.page.comparison import comparison_page
from jaxgan.reporting.page.encoding import thinned, tiles_of
from jaxgan.reporting.page.pictures import MOST_FRAMES
from jaxgan.reporting.page.portrait import Finding, Frame, Near, Neighbours, Plane, Portrait, Row
from jaxgan.reporting.page.run import run_page
from jaxgan.runs import RunFolder
from jaxgan.training.logging import read_metrics
from jaxgan.typing import PyTree

NUM_TILES = 64  # images of a grid
MOST_CLASSES, SEEDS = 12, 8  # rows and columns of the table of classes
WALKS, STEPS = 4, 9  # interpolations, and images of each
SAMPLES, NEAREST = 6, 4
MOST_REAL, MOST_DECODED = 5000, 500  # images that neighbours are looked for among, in memory and from files
SIDE = 32  # pixels they are compared at
PLANE_CLASSES, PLANE_SEEDS = 10, 4
FINDING = "finding/"
MACHINE = {"jaxgan": str, "python": str, "packages": dict, "platform": str, "backend": str, "devices": list,
           "processes": int}
LARGEST = 2**63  # whole numbers of a record, from wherever it comes

Report = Callable[[int, int], None]


class Model(NamedTuple):
    """A generator with the weights to draw with, and the images it was trained on; None where they are not at hand."""

    experiment: Experiment
    weights: PyTree
    source: Source | None

    def images(self, seeds: Sequence[int], labels: np.ndarray | None = None) -> np.ndarray:
        """uint8 [N, H, W, C]."""
        return images.to_uint8(self.experiment.generate(self.weights, seeds, labels))


def of_folder(folder: RunFolder) -> Portrait:
    """What the files of a run tell. Raises InputError where it is no run, or its files are damaged."""
    config, info, environment = folder.config(trust=True), folder.info(), folder.record()  # shown, never built
    if not all(isinstance(environment.get(key), kind) for key, kind in MACHINE.items()):
        raise InputError(f"{folder.environment_file} is damaged: it does not say what the run was trained on.")
    records = [sound(record) for record in read_metrics(folder.metrics_file)] if folder.metrics_file.exists() else []
    options, default = config_lib.flat(config), config_lib.flat(config_lib.default())
    per_step = config["batch_size"] * config["num_critic"]
    return Portrait(
        name=folder.path.resolve().name, config=config.to_dict(), options=options, environment=environment,
        records=records,
        differences=[(key, value, default.get(key)) for key, value in options.items()
                     if key not in default or default[key] != value],
        total_steps=-(-int(config["total_kimg"] * 1000) // per_step), parameters={}, findings=findings(records),
        frames=frames(folder, info.shape, per_step), scores=evaluations(folder.path),
        commands=commands(folder, info, config))


def sound(record: Mapping[str, Any]) -> dict[str, Any]:
    """What of a line of the log a page can show: numbers, and the texts of findings."""
    def fits(key: str, value: Any) -> bool:
        if key.startswith(FINDING):
            return isinstance(value, str)
        return isinstance(value, float) or (type(value) is int and abs(value) < LARGEST)
    return {key: value for key, value in record.items() if fits(key, value)}


def findings(records: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """What the doctor wrote into the records, each finding once, the latest first."""
    found: dict[str, Finding] = {}
    for record in records:
        for key in record:
            if key.startswith(FINDING):
                name, step = key.removeprefix(FINDING), record["step"]
                old = found.pop(name, Finding(name, "", step, step, 0))
                found[name] = old._replace(text=str(record[key]), last=step, times=old.times + 1)
    return list(found.values())[::-1]


def frames(folder: RunFolder, shape: Sequence[int], images_per_step: int) -> list[Frame]:
    """The pictures through training that the folder holds, at most as many as a page shows."""
    found = []
    for path in thinned(sorted(folder.samples.glob("step*.png")), MOST_FRAMES):
        try:
            picture, step = images.load_png(path), int(path.stem.removeprefix("step"))
        except (OSError, ValueError):  # half a picture of a run that was killed is none
            continue
        tiles = tiles_of(picture, shape)
        label = f"step {step:,} · {step * images_per_step / 1000:,.4g}k"
        found.append(Frame(label, picture if tiles is None else tiles))
    return found


def evaluations(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Results of jaxgan.evaluate that were written into the folder of a run: file -> results."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            results = scores.read_json(path)
            scores.table(results)
        except (InputError, LookupError, TypeError, ValueError, AttributeError):  # some other JSON
            continue
        found[path.name] = results
    return found


def commands(folder: RunFolder, info: Info, config: Mapping[str, Any]) -> dict[str, str]:
    """What can be done with a run, to be pasted into a shell."""
    def command(name: str, *arguments: str) -> str:
        return shlex.join(["python", "-m", f"jaxgan.{name}", *arguments, *trust])
    workdir, trust = f"--workdir={folder.name}", ["--trust"] * bool(config_lib.outside(config))
    found = {"Resume, or see that it is finished": command("main", f"--config={folder.config_file}", workdir),
             "Sample images by seed": command("sample", workdir, "--seeds=0-63", "--output=samples.png"),
             "Evaluate": command("evaluate", workdir, f"--json={folder.path / 'scores.json'}"),
             "Make this page anew": command("report", workdir, f"--output={folder.path / 'report.html'}")}
    if info.kind != "point":
        found["Make it with a latent explorer"] = found["Make this page anew"] + " --explore"
    return found


def with_images(portrait: Portrait, model: Model) -> Portrait:
    """The portrait with what the generator makes now, and real images beside it."""
    info = model.experiment.info
    portrait = portrait._replace(parameters={"generator": count(model.weights["params"])})
    if info.kind == "point":
        return portrait
    if not portrait.frames:
        portrait = portrait._replace(frames=[Frame("now", model.images(range(NUM_TILES)))])
    real = None if model.source is None else read(model.source, np.arange(min(NUM_TILES, len(model.source)))).images
    return portrait._replace(real=real, classes=classes(model), walks=walks(model), neighbours=nearest(model))


def count(params: PyTree) -> int:
    """How many numbers."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def class_name(info: Info, label: int) -> str:
    """What a class is called."""
    name = info.class_names[label] if info.class_names else str(label)
    return f"class {name}" if name.isdecimal() else name


def chosen_classes(info: Info, most: int) -> list[int]:
    """At most so many classes, evenly spaced."""
    return thinned(range(info.num_classes), most) if info.label_kind == "class" else []


def classes(model: Model) -> list[Row]:
    """The same seeds in every class."""
    info = model.experiment.info
    return [Row(class_name(info, label), model.images(range(SEEDS), np.full(SEEDS, label, np.int32)))
            for label in chosen_classes(info, MOST_CLASSES)]


def walks(model: Model) -> list[Row]:
    """Ways from one seed to the next, each open at its end."""
    experiment, sampler = model.experiment, model.experiment.sampler
    classes = experiment.info.num_classes
    seeds = list(range(2 * WALKS))
    labels = experiment.draw_labels(seeds) if experiment.info.labelled else None
    codes = sampler.codes(model.weights, seeds, labels)
    spherical = sampler.prior.spherical and not sampler.has_w
    mixed = sampler.has_w or experiment.info.label_kind in ("vector", "image")
    if classes and not mixed:  # there is nothing between two whole classes, so each way stays in one
        labels = np.repeat(labels[::2], 2)
        codes = sampler.codes(model.weights, seeds, labels)
    rows = []
    for first in seeds[::2]:
        pair = slice(first, first + 2)
        along = None if labels is None else label_loop(labels[pair], STEPS - 1, classes, mixed)[:STEPS]
        way = closed_loop(codes[pair], STEPS - 1, spherical)[:STEPS]
        made = images.to_uint8(sampler.synthesize(model.weights, way, along))
        rows.append(Row(f"seed {first} → {first + 1}", made))
    return rows


def nearest(model: Model) -> Neighbours | None:
    """Samples of the first seeds beside the real images nearest to them."""
    if model.source is None:
        return None
    most = MOST_REAL if hasattr(model.source, "arrays") else MOST_DECODED
    rows = np.array(thinned(range(len(model.source)), most))
    real = read(model.source, rows).images
    points, made = shrink(real, SIDE), model.images(range(SAMPLES))
    distances, near = neighbours.nearest(shrink(made, SIDE), points, min(NEAREST, len(real)))
    found = [Near(f"seed {seed}", made[seed], [(float(distance), real[row]) for distance, row in zip(*pairs)])
             for seed, pairs in enumerate(zip(distances, near))]
    return Neighbours(found, neighbours.usual_distance(points), len(real))


def with_plane(portrait: Portrait, model: Model, report: Report | None = None) -> Portrait:
    """The portrait with a latent explorer. Raises InputError where there is no plane to explore."""
    experiment, info = model.experiment, model.experiment.info
    if info.kind == "point":
        raise InputError("--explore: this run makes points, which are no pictures one by one.")
    sampler = experiment.sampler
    vectors = plane.axes(sampler, model.weights, experiment.draw_labels if info.labelled else None)
    if info.label_kind == "class":
        variants = {class_name(info, label): (0, np.array([label], np.int32))
                    for label in chosen_classes(info, PLANE_CLASSES)}
    else:
        variants = {f"seed {seed}": (seed, experiment.draw_labels([seed]) if info.labelled else None)
                    for seed in range(PLANE_SEEDS)}
    levels, made = plane.psis(sampler), {}
    for place, (name, start) in enumerate(variants.items()):
        made[name] = {}
        for index, psi in enumerate(levels):
            if report:
                report(place * len(levels) + index, len(variants) * len(levels))
            made[name]["none" if psi == 1 else f"{psi:g}"] = plane.cells(sampler, model.weights, vectors, *start, psi)
    space = "w" if sampler.has_w else "z"
    around = "seed 0" if info.label_kind == "class" else "a seed"
    words = (f"Drag over the map, or use the arrow keys: the two directions of {space} in which images change most "
             f"(PCA), around {around}, which is in the middle. The images are the generator's own, made beforehand at "
             f"{plane.COUNT}×{plane.COUNT} places.")
    return portrait._replace(plane=Plane("class" if info.label_kind == "class" else "start", made,
                                         plane.REACH[space], words))


def write(found: Sequence[Portrait], path: Path) -> None:
    """Writes the page of a run, or of several side by side."""
    page = run_page(found[0]) if len(found) == 1 else comparison_page(distinct(found))
    with images.replacing(path) as file:
        file.write(page.encode())


def distinct(found: Sequence[Portrait]) -> list[Portrait]:
    """The portraits, those of one name told apart by a number."""
    seen: dict[str, int] = {}
    for portrait in found:
        seen[portrait.name] = seen.get(portrait.name, 0) + 1
    counts: dict[str, int] = {}
    named = []
    for portrait in found:
        counts[portrait.name] = counts.get(portrait.name, 0) + 1
        number = f" ({counts[portrait.name]})" if seen[portrait.name] > 1 else ""
        named.append(portrait._replace(name=portrait.name + number))
    return named
