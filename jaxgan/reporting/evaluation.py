"""What scores are made of, as one page: precision against recall, each class, and the fakes that look most copied."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg  # not pyplot: it keeps global state
from matplotlib.figure import Figure

from jaxgan.errors import InputError
from jaxgan.images import grid, replacing, save_png
from jaxgan.metrics.base import Sample, Sides
from jaxgan.metrics.prdc import squared_distances, squared_radii
from jaxgan.reporting import scores
from jaxgan.reporting.page.markup import document, element, section

REAL, FAKE, HELD_OUT = "#1b8a6b", "#d1495b", "#5b5f97"
MOST_IMAGES = 5000  # of a side that distances are taken of
MOST_CLASSES = 40
SUSPECTS, NEIGHBOURS = 8, 5
BALANCE = ("precision", "density", "recall", "coverage")
K = 5  # neighbours that a class's coverage is counted with


class Part(NamedTuple):
    """A figure with its heading and what it shows, in words."""

    heading: str
    file: str
    words: str


def write_report(folder: Path, results: Sequence[Mapping[str, Any]], sides: Sides | None,
                 class_names: Sequence[str]) -> Path:
    """Writes `index.html` and its pictures into `folder`. sides: with features; None where there are none.

    Distances are taken on the features of at most 5,000 images of each side, evenly spaced.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        parts = [part for part in (_balance(folder, results), *_compared(folder, sides, class_names)) if part]
        with replacing(folder / "index.html") as file:
            file.write(page(results, parts).encode())
    except OSError as error:
        raise InputError(f"Cannot write {folder} ({error.strerror}): choose another --report.") from error
    return folder / "index.html"


def page(results: Sequence[Mapping[str, Any]], parts: Sequence[Part]) -> str:
    """The HTML."""
    title = f"{results[0]['protocol']['fake'][0]['data']} against {results[0]['protocol']['real']['data']}"
    sections = [section("Scores", element("pre", scores.table(results)))]
    sections += [section(part.heading, element("div", element("img", src=part.file, alt=part.heading), class_="figure"),
                         about=part.words) for part in parts]
    return document(title, None, sections, {"frames": [], "charts": []}, files=True)


def _compared(folder: Path, sides: Sides | None, class_names: Sequence[str]) -> list[Part | None]:
    if sides is None:
        return []
    real, fake = _some(sides.real), _some(sides.fake)
    return [_classes(folder, sides, real, fake, class_names), *_neighbours(folder, sides, real, fake)]


def _some(sample: Sample) -> np.ndarray:
    """Rows of at most 5,000 images, evenly spaced."""
    return np.unique(np.linspace(0, sample.num - 1, min(sample.num, MOST_IMAGES)).round().astype(int))


def _balance(folder: Path, results: Sequence[Mapping[str, Any]]) -> Part | None:
    """Bars of precision, density, recall and coverage with their intervals."""
    found = {result["short"]: result for result in results if result["short"] in BALANCE}
    if not found:
        return None
    figure, axes = _figure(7.2, 0.55 * len(found) + 0.9)
    for place, name in enumerate(name for name in BALANCE if name in found):
        value, high = found[name]["value"], found[name]["high"]
        axes.barh(place, value, height=0.6, color=FAKE if name in ("precision", "density") else REAL,
                  xerr=None if high is None else high - value, error_kw={"ecolor": "#333333", "capsize": 3})
        axes.text(max(value, high or value) + 0.015, place, f"{value:.3f}", va="center", fontsize=10, color="#333333")
    names = [name for name in BALANCE if name in found]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, max(1.1, *(1.12 * (each["high"] or each["value"]) for each in found.values())))
    axes.axvline(1, color="#999999", linewidth=0.8, linestyle=":")
    _save(figure, folder / "balance.png")
    return Part("Fidelity and variety", "balance.png",
                "Red: are fakes like real images (fidelity)? Green: are all real images matched (variety)? High red "
                "with low green is a generator that repeats a few good images; the other way round, one that makes "
                "everything badly.")


def _classes(folder: Path, sides: Sides, real: np.ndarray, fake: np.ndarray,
             class_names: Sequence[str]) -> Part | None:
    """For each class, how much of the fakes it is, and how much of its real images fakes come near."""
    if any(side.labels is None or np.ndim(side.labels) != 1 for side in (sides.real, sides.fake)):
        return None
    count = max(int(sides.real.labels.max()), int(sides.fake.labels.max())) + 1
    if count > MOST_CLASSES or min(len(real), len(fake)) <= K:
        return None
    covered = _covered(_rows(sides.real, real), _rows(sides.fake, fake))
    labels = np.asarray(sides.real.labels)[real]
    coverage = [covered[labels == each].mean() if (labels == each).any() else 0 for each in range(count)]
    shares = [np.bincount(side.labels, minlength=count) / side.num for side in (sides.real, sides.fake)]
    figure, (above, below) = _figure(max(7.2, 0.32 * count), 4.6, rows=2)
    places = np.arange(count)
    above.bar(places - 0.2, shares[0], 0.4, color=REAL, label="real")
    above.bar(places + 0.2, shares[1], 0.4, color=FAKE, label="fake")
    above.set_title("share of images", loc="left", fontsize=11)
    above.legend(frameon=False, ncols=2, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1))
    below.bar(places, coverage, 0.6, color=REAL)
    below.axhline(covered.mean(), color="#555555", linewidth=0.9, linestyle=":")
    below.set_title("coverage: share of real images that a fake comes near", loc="left", fontsize=11)
    below.set_ylim(0, 1.02)
    named = list(class_names) if len(class_names) == count else [str(place) for place in places]
    for axes in (above, below):
        axes.set_xlim(-0.6, count - 0.4)
        axes.set_xticks(places, named, rotation=90 if max(map(len, named)) > 4 else 0)
    _save(figure, folder / "classes.png")
    return Part("Class by class", "classes.png",
                "A class whose coverage lies below the dotted mean is one that the generator does badly or leaves out.")


def _covered(real: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """Whether a fake is nearer to a real image than its K-th nearest other real image, bool [N]."""
    return nearest(real, fake, 1)[0][:, 0] < squared_radii(real, K)


def _neighbours(folder: Path, sides: Sides, real: np.ndarray, fake: np.ndarray) -> list[Part]:
    """Distances to the nearest training image, and the fakes with the shortest beside those images."""
    train, made = _rows(sides.real, real), _rows(sides.fake, fake)
    square, rows = nearest(made, train, NEIGHBOURS)
    if sides.held_out:
        usual, of = nearest(_rows(sides.held_out, _some(sides.held_out)), train, 1)[0][:, 0], "held-out image"
    else:
        usual, of = squared_radii(train, 1), "training image"
    closest, usual = np.sqrt(square[:, 0]), np.sqrt(usual)
    figure, axes = _figure(7.2, 2.9)
    edges = np.linspace(0, max(np.quantile(np.concatenate([closest, usual]), 0.995), 1e-9), 50)
    axes.hist(usual, edges, density=True, color=HELD_OUT, alpha=0.55, label=f"{of}s")
    axes.hist(closest, edges, density=True, color=FAKE, alpha=0.55, label="fakes")
    axes.set_xlabel("distance to the nearest training image, in feature space", fontsize=10)
    axes.set_yticks([])
    axes.legend(frameon=False, fontsize=9)
    _save(figure, folder / "distances.png")
    order = np.argsort(closest, kind="stable")
    order = order[np.sort(np.unique(rows[order, 0], return_index=True)[1])][:SUSPECTS]
    save_png(_gallery(sides, fake[order], real[rows[order]]), folder / "neighbours.png")
    share = float(np.mean(closest < np.quantile(usual, 0.05)))
    return [Part("Is it copied?", "distances.png",
                 f"{share:.1%} of fakes are nearer to a training image than 19 in 20 {of}s are"
                 f"{' to another' if sides.held_out is None else ''}; 5 % is what new images of the same kind would "
                 "give, and many more are copies, or fakes that vary little."),
            Part("The most suspicious fakes", "neighbours.png",
                 f"Each row: the fake on the left, then its {rows.shape[1]} nearest training images, nearest first. "
                 "The first row is the nearest of all; of fakes with one nearest image in common, one is shown.")]


def nearest(ours: np.ndarray, theirs: np.ndarray, count: int, block: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances [N, count] of each of `ours` to its nearest `theirs`, nearest first, and their rows."""
    count, found = min(count, len(theirs)), []
    for start in range(0, len(ours), block):
        square = squared_distances(ours[start:start + block], theirs)
        rows = np.argpartition(square, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(square, rows, 1)
        order = np.argsort(values, axis=1, kind="stable")
        found.append((np.take_along_axis(values, order, 1), np.take_along_axis(rows, order, 1)))
    return np.concatenate([values for values, _ in found]), np.concatenate([rows for _, rows in found])


def _gallery(sides: Sides, fakes: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """A row for each fake: itself, a gap, its neighbours."""
    left, right = _enlarged(sides.fake.images[fakes]), _enlarged(sides.real.images[neighbours.ravel()])
    shape = np.maximum(left.shape[1:], right.shape[1:])
    left, right = (grid(_on_white(side, shape), columns=columns, pad=6, scale=1)
                   for side, columns in ((left, 1), (right, neighbours.shape[1])))
    gap = np.full((len(left), 12, shape[2]), 255, np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def _enlarged(images: np.ndarray) -> np.ndarray:
    """Small images made large enough to be looked at."""
    scale = max(1, min(8, 96 // images.shape[1]))
    return np.asarray(images).repeat(scale, axis=1).repeat(scale, axis=2)


def _on_white(images: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Images [N, h, w, c] filled up with white to [N, H, W, C]; grey ones are repeated for each colour."""
    if images.shape[3] == 1:
        images = images.repeat(min(shape[2], 3), axis=3)
    missing = [(0, 0), *((0, wanted - there) for wanted, there in zip(shape, images.shape[1:]))]
    return np.pad(images, missing, constant_values=255)


def _rows(sample: Sample, rows: np.ndarray) -> np.ndarray:
    return np.asarray(sample.pool[rows], np.float64)


def _figure(width: float, height: float, rows: int = 1) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), dpi=110, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows)
    for each in np.atleast_1d(axes):
        _dress(each)
    return figure, axes


def _dress(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#bbbbbb")
    axes.tick_params(labelsize=9.5, colors="#444444", length=3)


def _save(figure: Figure, path: Path) -> None:
    figure.canvas.draw()
    save_png(np.ascontiguousarray(np.asarray(figure.canvas.buffer_rgba())[:, :, :3]), path)
