"""What `jaxgan.sample --show=NAME` draws: SHOWS, name -> Show.

What is drawn lies in `jaxgan.latents`; here it is given what it needs of a run. Nothing heavy is imported before it is
drawn, for the command asks this table what it may be told to do.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxgan.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from jaxgan.trained import Trained

MAX_CLASSES = 20  # columns of the table of classes
NEIGHBOURS = 6
MOST_REAL = 10_000  # images a spectrum is taken of


class Scene(NamedTuple):
    """A run with the codes to draw. options: what the command was told. number(text, option, limit) reads a list of
    numbers; codes_of(seeds, labels) -> codes, as those of `codes` came about."""

    run: "Trained"
    weights: Any
    seeds: Sequence[int]
    codes: "np.ndarray"
    labels: "np.ndarray | None"
    options: Any
    numbers: Callable[[str, str, int], list[int]]
    codes_of: Callable[[Sequence[int], "np.ndarray | None"], "np.ndarray"]

    @property
    def sampler(self):
        return self.run.experiment.sampler

    def images(self) -> "np.ndarray":
        """uint8 [N, H, W, C]."""
        from jaxgan.images import to_uint8
        return to_uint8(self.sampler.synthesize(self.weights, self.codes, self.labels))

    def names(self) -> list[str]:
        """`"seed 7 · class 3"` for each seed."""
        return [f"seed {seed}" + class_words(self.labels, index) for index, seed in enumerate(self.seeds)]


class Show(NamedTuple):
    """draw(scene) -> a picture, and what it shows in words. seeds: the default. options: those that go with it."""

    draw: Callable[[Scene], "tuple[np.ndarray, str]"]
    seeds: str
    options: tuple[str, ...] = ()


def class_words(labels: "np.ndarray | None", index: int) -> str:
    """`" · class 3"`, or nothing where there are no classes."""
    return f" · class {labels[index]}" if labels is not None and labels.ndim == 1 else ""


def directions(scene: Scene) -> "tuple[np.ndarray, str]":
    """What directions of the code change."""
    from jaxgan.latents import directions
    method = scene.options.show
    found = directions.find(method, scene.sampler, scene.weights, scene.run.draw_labels, scene.options.num_directions)
    title = (f"{'SeFa' if method == 'sefa' else 'PCA'}: {'w' if scene.sampler.has_w else 'z'} of {scene.run.title}, "
             "moved along directions")
    picture = directions.strip(scene.sampler, scene.weights, scene.seeds, scene.codes, scene.labels, found, title)
    return picture, f"{len(found.vectors)} directions of {len(scene.seeds):,} seeds"


def mixing(scene: Scene) -> "tuple[np.ndarray, str]":
    """Styles of one seed in the image of another."""
    import numpy as np

    from jaxgan.latents import mixing
    if not scene.sampler.has_w:
        other = "; --show=classes is a table of seeds and classes" if scene.run.info.label_kind == "class" else ""
        raise InputError(f"--show=mixing: styles are rows of w, and this run's generator has no w{other}.")
    num_rows = scene.codes.shape[1]
    parts = mixing.thirds(num_rows)
    if scene.options.rows:
        rows = scene.numbers(scene.options.rows, "--rows", num_rows - 1)
        if rows != list(range(rows[0], rows[-1] + 1)):
            raise InputError(f"--rows={scene.options.rows}: give one range of rows, such as 0-{num_rows // 2}.")
        parts = {"": range(rows[0], rows[-1] + 1)}
    first = max(scene.seeds) + 1
    others = scene.numbers(scene.options.styles or f"{first}-{first + 5}", "--styles", 2**32 - 1)
    labels = scene.labels
    if labels is not None:
        labels = scene.run.draw_labels(others) if scene.options.labels is None else np.resize(labels, len(others))
    picture = mixing.mixing(
        scene.sampler, scene.weights, mixing.Parents(scene.seeds, scene.codes),
        mixing.Parents(others, scene.codes_of(others, labels)),
        {mixing.part_name(name, rows): rows for name, rows in parts.items()},
        f"style mixing: {scene.run.title}; each row keeps its seed but for the rows of w it names")
    return picture, f"{len(scene.seeds):,} seeds with the styles of {len(others):,} others"


def classes(scene: Scene) -> "tuple[np.ndarray, str]":
    """Each seed in every class."""
    import numpy as np

    from jaxgan.latents.mixing import by_class
    info = scene.run.info
    if info.label_kind != "class":
        raise InputError("--show=classes: this run was trained without class labels.")
    chosen = scene.numbers(scene.options.labels or f"0-{min(info.num_classes, MAX_CLASSES) - 1}", "--labels",
                           info.num_classes - 1)
    codes = [scene.codes_of(scene.seeds, np.full(len(scene.seeds), label, np.int32)) for label in chosen]
    names = [info.class_names[label] if info.class_names else str(label) for label in chosen]
    names = [f"class {name}" if name.isdecimal() else name for name in names]
    picture = by_class(scene.sampler, scene.weights, scene.seeds, codes, chosen, names,
                       f"classes: {scene.run.title}; each row is one seed")
    return picture, f"{len(scene.seeds):,} seeds in {len(chosen)} classes"


def neighbours(scene: Scene) -> "tuple[np.ndarray, str]":
    """Samples beside the training images nearest to them."""
    from jaxgan.data.source import read
    from jaxgan.latents import neighbours
    made, source, backbone = scene.images(), scene.run.real.source, scene.options.backbone
    spec = {"name": "pixels", "size": 32} if backbone == "pixels" else backbone
    real, fake = scene.run.features(spec, made, scene.labels)
    distances, rows = neighbours.nearest(fake, real, NEIGHBOURS)
    found = read(source, rows.ravel())
    near = found.images.reshape(*rows.shape, *found.images.shape[1:])
    captions = [[f"{distance:.{2 if distance < 100 else 0}f}" for distance in line] for line in distances]
    title = (f"{scene.run.title}: nearest of {len(source):,} real images by {backbone}; real ones lie "
             f"{neighbours.usual_distance(real):.3g} from their own nearest")
    picture = neighbours.picture(made, scene.names(), near, captions, title)
    return picture, f"{len(made):,} images beside their nearest of {len(source):,} real ones"


def spectrum(scene: Scene) -> "tuple[np.ndarray, str]":
    """Power over frequency, against that of real images."""
    import numpy as np

    from jaxgan.data.source import read
    from jaxgan.latents import spectra
    source = scene.run.real.source
    rows = np.random.default_rng(0).permutation(len(source))[:MOST_REAL]
    real = read(source, rows).images
    made, mean, std = scene.images(), float(real.mean()), float(real.std())
    ours, theirs = spectra.spectrum(made, mean, std), spectra.spectrum(real, mean, std)
    gap = spectra.difference(ours, theirs)
    halves = [spectra.spectrum(part, mean, std) for part in (real[::2], real[1::2])] if len(real) > 1 else [theirs] * 2
    words = (f"generated and real spectra differ by {gap:.2f} dB on average, two halves of the real images by "
             f"{spectra.difference(*halves):.2f} dB")
    title = f"{scene.run.title}, {len(made):,} images: {gap:.2f} dB from {len(real):,} {scene.run.real.name} images"
    return spectra.picture(theirs, ours, title), words


SHOWS: dict[str, Show] = {
    "sefa": Show(directions, "0-2", ("num_directions",)),
    "pca": Show(directions, "0-2", ("num_directions",)),
    "mixing": Show(mixing, "0-2", ("styles", "rows")),
    "classes": Show(classes, "0-7"),
    "neighbours": Show(neighbours, "0-7", ("backbone", "real")),
    "spectrum": Show(spectrum, "0-1999", ("real",)),
}
