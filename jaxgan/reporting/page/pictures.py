"""The parts of a page that show images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxgan.reporting.page.encoding import embedded, sheet, shrunk, side_by_side, thinned
from jaxgan.reporting.page.markup import Markup, Section, element, section
from jaxgan.reporting.page.portrait import Frame, Neighbours, Plane, Portrait, Row

MOST_FRAMES = 50
FRAMES_BYTES = 2_000_000  # of all pictures through training; in the page they take a third more, as base64
PICTURE_BYTES = 120_000
PLANE_BYTES = 1_200_000  # of the explorer
CELLS_BYTES = 40_000_000  # pixels of the explorer, before compression
SMALL = 480  # pixels: pictures not wider are magnified without blur
TILE = 128  # pixels: what single images are shrunk to


def image(picture: np.ndarray, alt: str, most: int = PICTURE_BYTES, class_: str = "picture") -> Markup:
    """An `<img>` that holds its picture."""
    return shown(embedded(picture, most), alt, class_)


def shown(found: dict[str, Any], alt: str, class_: str = "picture") -> Markup:
    """An `<img>` of what `embedded` made."""
    small = " pixels" if found["width"] <= SMALL else ""
    return element("img", src=found["src"], alt=alt, width=found["width"], height=found["height"],
                   class_=class_ + small, decoding="async")


def frames_data(frames: Sequence[Frame], most: int = FRAMES_BYTES) -> list[dict[str, Any]]:
    """Pictures through training as the page's script takes them, at most 50, the first and the last among them."""
    kept = thinned(frames, MOST_FRAMES)
    each = max(8_000, most // max(1, len(kept)))
    return [embedded(tiled(frame.picture), each) | {"label": frame.label} for frame in kept]


def tiled(picture: np.ndarray) -> np.ndarray:
    """Images as one picture; a picture as it is."""
    return sheet(picture) if picture.ndim == 4 else picture


def slideshow(frames: list[dict[str, Any]], index: int, alt: str) -> Markup:
    """The last picture, and a slider that leads to the others."""
    last = len(frames) - 1
    controls = element("div", element("button", "▶", type="button", class_="play", aria_label="play"),
                       element("input", type="range", min=0, max=last, value=last, aria_label="time in training"),
                       element("output", frames[last]["label"]), class_="controls") if last else None
    return element("figure", element("div", shown(frames[last], alt), controls,
                                     data_frames=str(index) if last else None))


def images_section(run: Portrait, frames: list[dict[str, Any]], index: int = 0) -> Section | None:
    """Fakes through training beside real images."""
    if not frames:
        return None
    points = run.frames[-1].picture.ndim == 3
    words = ("Points of the same seeds over real ones." if points else
             "The same seeds throughout; move the slider to see them learn.")
    made = element("div", element("h3", "Generated"), slideshow(frames, index, "what the generator makes of its seeds"),
                   element("figcaption", words), class_="card")
    data = run.environment["data"]
    real = None if run.real is None else element(
        "div", element("h3", "Real"), image(sheet(run.real), "real images", max(PICTURE_BYTES, 200_000)),
        element("figcaption", f"From {data['name']}, as the discriminator sees them before augmentation."),
        class_="card")
    return section("Images", element("div", made, real, class_="pair"))


def strips(rows: Sequence[Row], most: int = 25_000) -> Markup:
    """A name and a strip of images a row."""
    cells = []
    for row in rows:
        strip = side_by_side(list(shrunk(row.images, TILE)))
        cells += [element("span", row.name), image(strip, row.name, most, "strip")]
    return element("div", cells, class_="strips")


def classes_section(run: Portrait) -> Section | None:
    return section("Class by class", strips(run.classes), about="The same seeds in every class, so a column shares its "
                   "latent.") if run.classes else None


def walks_section(run: Portrait) -> Section | None:
    return section("Interpolation", strips(run.walks), about="From one seed on the left to another on the right. "
                   "Smooth change says that the generator has learned more than single images.") if run.walks else None


def neighbours_section(run: Portrait) -> Section | None:
    """Samples beside the nearest real images."""
    found: Neighbours | None = run.neighbours
    if found is None:
        return None

    def tile(picture: np.ndarray, caption: str) -> Markup:
        return element("figure", image(shrunk(picture[None], TILE)[0], caption, 12_000, "tile"),
                       element("figcaption", caption))
    rows = [element("div", tile(row.image, row.name),
                    [tile(other, f"{distance:.2f}") for distance, other in row.others], class_="card")
            for row in found.rows]
    return section("Nearest real images", element("div", rows, class_="near"), about=(
        f"Each sample, and the nearest of {found.num_real:,} real images with their distances, pixel by pixel. A real "
        f"image lies {found.usual:.2f} from the nearest other one, by the median: samples much nearer than that would "
        "be copies."))


def plane_data(plane: Plane) -> dict[str, Any]:
    """The explorer's images as its script takes them: one sheet for each variant and truncation."""
    sheets = [each for variant in plane.variants.values() for each in variant.values()]
    count, _, height, width, channels = sheets[0].shape
    room = int((CELLS_BYTES / (len(sheets) * count * count * channels)) ** 0.5)
    side = min(max(height, width), max(room, 16))

    def packed(cells: np.ndarray) -> dict[str, Any]:
        tiles = shrunk(cells.reshape(-1, *cells.shape[2:]), side)
        rows = tiles.reshape(count, count, *tiles.shape[1:]).transpose(0, 2, 1, 3, 4)
        return embedded(rows.reshape(count * tiles.shape[1], count * tiles.shape[2], channels),
                        PLANE_BYTES // len(sheets))
    made = [[packed(cells) for cells in variant.values()] for variant in plane.variants.values()]
    return {"count": count, "reach": plane.reach, "sheet": made[0][0],
            "sheets": [[each["src"] for each in variant] for variant in made]}


def plane_section(plane: Plane, data: dict[str, Any]) -> Section:
    """The explorer: a map of the plane, and the image of the place that is chosen on it."""
    def chooser(name: str, heading: str, options: Sequence[str]) -> Markup:
        return element("label", heading, element("select", [element("option", each, value=index)
                                                            for index, each in enumerate(options)], name=name))
    first = next(iter(plane.variants.values()))
    choices = element("div", chooser("variant", plane.what, list(plane.variants)),
                      chooser("truncation", "truncation", list(first)), class_="choices")
    marks = [element("div", class_="here"), element("span", "first direction →", class_="axis across"),
             element("span", "↑ second direction", class_="axis up")]
    chart = element("div", shown(data["sheet"], "images over the plane of two latent directions", ""), marks,
                    class_="map", tabindex="0", role="application",
                    aria_label="map of the latent plane: drag, or use the arrow keys")
    view = element("div", element("canvas", class_="pixels" if data["sheet"]["width"] < 2 * SMALL else None,
                                  aria_label="the image at this place"),
                   element("p", element("output"), class_="note"))
    return section("Latent explorer", element("div", choices, element("div", chart, view, class_="explorer"),
                                              data_plane="0"), about=plane.words)
