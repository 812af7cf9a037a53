"""The page of a data set that a generator made: what it is, and how good, useful and private it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxgan.reporting import scores
from jaxgan.reporting.page.encoding import shrunk
from jaxgan.reporting.page.markup import Markup, document, element, section, table
from jaxgan.reporting.page.pictures import TILE, image, strips
from jaxgan.reporting.page.portrait import Near, Row
from jaxgan.reporting.page.text import count_words, value_text

PREVIEW_BYTES = 900_000
USEFUL = ("A small classifier learns from these images, and is tested on real ones: what it gets right there is what "
          "the set can teach (CAS, or train on synthetic, test on real).")
PRIVATE = {
    "authpct": "Share of images whose nearest training image has another training image nearer still, in percent: "
               "copies are at 0, new images of the same kind at 50 or above.",
    "nn_ratio": "Distance to the nearest training image, against that of held-out real images: 1 is as far as new "
                "images are, 0 is copies.",
    "nn_close": "Share of images nearer to a training image than all but 1 % of held-out ones are: 0.01 is expected.",
}


def card_page(name: str, card: Mapping[str, Any], generated: Sequence[Row], real: Sequence[Row],
              nearest: Sequence[Near], preview: np.ndarray | None) -> str:
    """The whole page, as HTML. card: what card.json holds. preview: scenes with what is annotated."""
    parts = [scenes_section(card, preview), images_section(generated, real), classes_section(card),
             rejection_section(card), quality_section(card["quality"]), usefulness_section(card["usefulness"]),
             privacy_section(card["privacy"], nearest), origin_section(card)]
    return document(name, lead(card), [part for part in parts if part], {"frames": [], "charts": []})


def lead(card: Mapping[str, Any]) -> list[Markup]:
    """What the set is in a sentence, and the numbers one looks for first."""
    run, data = card["run"], card["training_data"]
    shape = "×".join(map(str, card["shape"]))
    what = f"{card['images']:,} generated images of {shape}"
    if "scenes" in card:
        what = f"{card['scenes']['num']:,} scenes for object detection, of {what}"
    elif card["real_images"]:
        what += f", and {card['real_images']:,} real ones"
    words = f"{what}: made by {run['name']} at step {run['step']:,}, which had learned from {data['name']}."
    facts = [("generated images", count_words(card["images"]))]
    facts += [("classes", str(len(card["classes"])))] if card["classes"] else []
    if "scenes" in card:
        facts += [("scenes", count_words(card["scenes"]["num"])), ("objects", count_words(card["scenes"]["objects"]))]
    if card["rejection"]:
        facts.append(("kept of those made", f"{card['images'] / max(card['tried'], 1):.1%}"))
    facts += [(result["name"] if result["short"] == "fd" else "coverage", scores.number(result["value"]))
              for result in card["quality"].get("results", ()) if result["short"] in ("fd", "coverage")]
    facts += [("accuracy learned from it", f"{row['accuracy']:.1%}") for row in card["usefulness"].get("results", ())
              if row["trained_on"] == "this set"]
    if card["privacy"].get("copies_of_training_images") is not None:
        facts.append(("copies of training images", f"{card['privacy']['copies_of_training_images']:,}"))
    return [element("p", words, class_="lead"),
            element("dl", [element("div", element("dt", key), element("dd", value)) for key, value in facts],
                    class_="facts")]


def scenes_section(card: Mapping[str, Any], preview: np.ndarray | None) -> Markup | None:
    if "scenes" not in card or preview is None:
        return None
    scenes = card["scenes"]
    words = (f"The first {scenes['shown']} of {scenes['num']:,}, with boxes, masks and classes as annotations.json has "
             f"them. There are {scenes['objects']:,} objects in all; {scenes['left_out']:,} found no place.")
    return section("Scenes", element("div", image(preview, "scenes with boxes, masks and class names", PREVIEW_BYTES),
                                     class_="card"), about=words)


def images_section(generated: Sequence[Row], real: Sequence[Row]) -> Markup:
    """Generated images beside real ones, class by class."""
    sides = [element("div", element("h3", name), strips(rows), class_="card")
             for name, rows in (("Generated", generated), ("Real training images", real))]
    return section("Images", element("div", sides, class_="pair"), about="The first of each class, unselected.")


def classes_section(card: Mapping[str, Any]) -> Markup | None:
    """Counts of each class, and how much of its real images it covers."""
    if not card["classes"]:
        return None
    covered = {each["label"]: each["coverage"] for each in card["quality"].get("coverage_by_class", ())}
    rows = [[each["name"], f"{each['share_of_training']:.1%}", f"{each['generated']:,}",
             f"{each['generated'] / each['tried']:.1%}" if each["tried"] else "–",
             "–" if covered.get(each["label"]) is None else f"{covered[each['label']]:.3f}"]
            for each in card["classes"]]
    head = ["class", "of training data", "generated", "kept", "coverage"]
    return section("Class by class", table(head, rows), about=(
        "Coverage: the share of a class's real images that a generated one of it comes as near to as their fifth "
        "neighbour. It grows with the number of images; a class far below the others is done badly or in part."))


def rejection_section(card: Mapping[str, Any]) -> Markup | None:
    if not card["rejection"]:
        return None
    rows = []
    for each in card["rejection"]:
        rest = {key: value for key, value in each.items() if key not in ("by", "option")}
        rows.append([element("span", each["option"], class_="plain"), each["by"], details(rest)])
    return section("Rejection", table(["option", "what decides", "details"], rows), about=(
        f"Of {card['tried']:,} images that were made, {card['images']:,} passed and were kept. What is left is less "
        "various than what the generator makes."))


def details(facts: Mapping[str, Any]) -> str:
    """`"gamma -8.009, calibration accuracy 0.9113"`."""
    words = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            words.append(f"{key}: {details(value)}")
        else:
            shown = scores.number(value) if isinstance(value, float) else str(value)
            words.append(f"{key.replace('_', ' ')} {shown[:scores.HASH] if key.endswith('sha256') else shown}")
    return ", ".join(words)


def quality_section(quality: Mapping[str, Any]) -> Markup:
    """Scores against the training data, with their protocol."""
    parts = [results_table(quality["results"])] if quality.get("results") else []
    if "not_measured" in quality:
        parts.append(element("p", f"Not measured: {quality['not_measured']}", class_="note"))
    if held_out := quality.get("held_out"):
        parts += [element("h3", "Held-out real images"),
                  table(["", "FD on the same features"],
                        [["this set against held-out images",
                          scores.number(held_out["fd_of_this_set_against_held_out"])],
                         ["held-out images against the training data",
                          scores.number(held_out["fd_of_held_out_against_training"])]]),
                  element("p", f"{held_out['n']:,} images, {scores.side(held_out['data'])}. The second number is what "
                               "real images get.", class_="note")]
    return section("Quality", parts, about="Against the data that the generator learned from.")


def usefulness_section(useful: Mapping[str, Any]) -> Markup:
    """Accuracies of classifiers that learned from the set, from real images, from both."""
    if "not_measured" in useful:
        return section("Usefulness", element("p", f"Not measured: {useful['not_measured']}"))
    rows = [[f"trained on {row['trained_on']}", f"{row['n']:,}", f"{row['accuracy']:.1%}",
             f"{row['balanced_accuracy']:.1%}"] for row in useful["results"]]
    tested = useful["tested_on"]
    words = (f"Tested on {tested['n']:,} {'held-out' if tested['held_out'] else 'training'} images: "
             f"{scores.side(tested)}. Classifier {useful['classifier']}, seed {useful['seed']}, one training each.")
    if not tested["held_out"]:
        words += " The data have no held-out images, and those that the generator learned from stand in for them."
    return section("Usefulness", table(["classifier", "images", "accuracy", "balanced accuracy"], rows),
                   element("p", words, class_="note"), about=USEFUL)


def privacy_section(privacy: Mapping[str, Any], nearest: Sequence[Near]) -> Markup:
    """Copies, distances to training images, and whatever else is known."""
    words = {"n": "images looked at", "copies_of_training_images": "copies of training images, pixel for pixel",
             "repeated_in_this_set": "images that another of this set equals, pixel for pixel"}
    rows = [[words.get(key, key.replace("_", " ")), "too many to look" if value is None else value_text(value)]
            for key, value in privacy.items() if key not in ("results", "not_measured")]
    for result in privacy.get("results", ()):
        value = f"{scores.number(result['value'])} {scores.margin(result)}"
        rows.append([result["name"], element("span", value, class_="plain"), PRIVATE.get(result["short"], "")])
    rows = [row + [""] * (3 - len(row)) for row in rows]
    parts = [table([], rows)] if rows else []
    if "not_measured" in privacy:
        parts.append(element("p", f"Not measured: {privacy['not_measured']}", class_="note"))
    if results := privacy.get("results"):
        parts.append(protocol(results))
    if nearest:
        parts += [element("h3", "The images nearest to training images"),
                  element("p", "Left, a generated image; then its three nearest training images with their distances "
                               "in the features' units, the most suspicious first.", class_="note"),
                  element("div", [pair(each) for each in nearest], class_="near")]
    return section("Privacy", parts, about="Distances tell of copies. They are no proof that nothing can be learned "
                   "about who is in the training data.")


def pair(near: Near) -> Markup:
    """A generated image, and the training images nearest to it."""
    def tile(picture: np.ndarray, caption: str) -> Markup:
        return element("figure", image(shrunk(picture[None], TILE)[0], caption, 12_000, "tile"),
                       element("figcaption", caption))
    return element("div", tile(near.image, near.name),
                   [tile(other, f"{distance:.2f}") for distance, other in near.others], class_="card")


def origin_section(card: Mapping[str, Any]) -> Markup:
    """Where it came from, to the seed."""
    run, data, seeds = card["run"], card["training_data"], card["seeds"]
    rows = [["run", f"{run['name']}, step {run['step']:,}, weights: {run['weights']}"],
            ["generator, loss", f"{run['generator']}, {run['loss']}"],
            ["training data", f"{data['name']}, content sha256 {data['sha256'][:scores.HASH]}, licence "
                              f"{data['licence']}"],
            ["seeds", f"{seeds['first']} to {seeds['last']}"],
            ["parts", ", ".join(f"{name}: {count:,}" for name, count in card["splits"].items())],
            *([key.replace("_", " "), value_text(value)] for key, value in card["options"].items()
              if value is not None and key not in ("step", "weights")),
            ["jaxgan", card["jaxgan"]]]
    return section("How it was made", table([], rows), about="manifest.json has each image's seed, label and sha256: "
                   "the same run, seeds and options give the same bytes on one kind of machine.")


def results_table(results: Sequence[Mapping[str, Any]]) -> list[Markup]:
    rows = [[result["name"], scores.number(result["value"]), scores.margin(result), f"{result['protocol']['n_fake']:,}",
             f"{result['protocol']['n_real']:,}", scores.direction(result["short"])] for result in results]
    return [table(["score", "value", "± 95 %", "fakes", "real", "better"], rows), protocol(results)]


def protocol(results: Sequence[Mapping[str, Any]]) -> Markup:
    return element("details", element("summary", "protocol"), element("pre", scores.protocol_lines(results)))
