"""The card of a set: what it is, and how good, how useful and how private it turned out, each with how that was found.

Everything is measured on the generated images alone, also where the set holds real ones besides, and on the cutouts'
images where it consists of scenes.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import jaxgan
from jaxgan import privacy
from jaxgan.data.source import Arrays, Source, read
from jaxgan.errors import InputError
from jaxgan.evaluation import GROUPS, Judge, Say
from jaxgan.inputs import Input, digests, pictures, subset
from jaxgan.metrics import classifier
from jaxgan.metrics.base import Sides
from jaxgan.metrics.cache import Cache
from jaxgan.metrics.choice import Choice, Spec, choose, in_options
from jaxgan.metrics.frechet import fd
from jaxgan.metrics.prdc import precision_recall_density_coverage
from jaxgan.reporting.evaluation import nearest
from jaxgan.reporting.page.portrait import Near, Row
from jaxgan.trained import Trained

KIND = "jaxgan-data-card"
MOST_IMAGES = 10_000  # of the set that distances of features are taken of
QUALITY = ("fd", "prdc")
NEIGHBOURS = 5  # k of a class's coverage
SHOWN, PAIRS = 12, 8  # images of a class, and fakes beside their nearest training images

Card = dict[str, Any]


class Pictures(NamedTuple):
    """What the page shows besides: generated and real images by class, fakes with their nearest training images."""

    generated: Sequence[Row]
    real: Sequence[Row]
    nearest: Sequence[Near]


def measured(run: Trained, source: Source, names: Sequence[str], backbone: Spec, cache: Cache,
             say: Say) -> tuple[Card, Pictures]:
    """The parts of a card that have to be computed, and pictures for its page.

    What cannot be measured, for want of held-out images or of a backbone's weights, is left out with the reason.
    """
    unseen = run.unseen
    held_out = None if unseen is run.real else unseen
    fake = subset(Input("this set", "generated", source), MOST_IMAGES, 0)
    private = ("authpct", *(("nn_ratio",) if held_out else ()))
    choices = {choice.name: choice for choice in choose((*QUALITY, *private), run.info, backbone)}
    judge = Judge(run.real, held_out, list(choices.values()), cache, say=say)
    said = privacy.statement(run.config, run.info, run.step)
    found: Card = {"quality": _attempt(lambda: _quality(judge, choices, fake)),
                   "usefulness": _attempt(lambda: _usefulness(run, source, held_out, say)),
                   "privacy": {"differential_privacy": privacy.in_words(said)} | _attempt(
                       lambda: _privacy(judge, [choices[name] for name in private], fake, source))}
    near: Sequence[Near] = ()
    if found["quality"].get("results"):
        near = _nearest(judge.sides(choices["prdc"], fake))
    return found, Pictures(_rows(source, names), _rows(run.real.source, names), near)


def _attempt(measure: Callable[[], Card]) -> Card:
    try:
        return measure()
    except InputError as error:  # the set is made; a card that says why it lacks something is better than none
        return {"not_measured": str(error)}


def _quality(judge: Judge, choices: Mapping[str, Choice], fake: Input) -> Card:
    found = _results(judge, [choices[name] for name in QUALITY], fake)
    if not found["results"]:
        return found
    sides = judge.sides(choices["prdc"], fake)
    found["coverage_by_class"] = _coverage(sides)
    if sides.held_out is not None:
        rng = np.random.default_rng(0)
        found["held_out"] = {
            "data": judge.held_out.record(), "n": sides.held_out.num,
            "fd_of_this_set_against_held_out": fd().compute(Sides(sides.held_out, sides.fake), rng)["fd"],
            "fd_of_held_out_against_training": fd().compute(Sides(sides.real, sides.held_out), rng)["fd"]}
    return found


def _coverage(sides: Sides) -> list[Card]:
    """For each class the share of its real images that its fakes come near; only where it has enough of both."""
    if any(side.labels is None or np.ndim(side.labels) != 1 for side in (sides.real, sides.fake)):
        return []
    found = []
    for label in np.unique(sides.real.labels).tolist():
        real, fake = (np.asarray(side.pool)[np.flatnonzero(side.labels == label)] for side in (sides.real, sides.fake))
        value = None
        if min(len(real), len(fake)) > NEIGHBOURS:
            value = precision_recall_density_coverage(real, fake, NEIGHBOURS)["coverage"]
        found.append({"label": label, "n_real": len(real), "n_generated": len(fake), "coverage": value})
    return found


def _usefulness(run: Trained, source: Source, held_out: Input | None, say: Say) -> Card:
    """What the small classifier learns from this set, from the real images, and from both (CAS, TSTR)."""
    kinds = [(info.label_kind, info.num_classes) for info in (run.info, run.real.source.info)]
    if kinds != [("class", run.info.num_classes)] * 2:
        raise InputError("there are no classes to learn, or the real images do not have them.")
    tested = held_out or run.real
    made, real = _some(source), _some(run.real.source)
    parts = {}
    if len(np.unique(made.labels)) == run.info.num_classes:
        parts["this set"] = made
    if held_out:
        parts |= {"the real training images": real,
                  "both": Arrays(*(np.concatenate(both) for both in zip(real, made)))}
    if not parts:
        raise InputError("the set has some of the classes alone, and there are no held-out images to see what it adds "
                         "to the real ones.")
    report, rows = say("learning from the set"), []
    images, labels = pictures(tested.source).whole(), pictures(tested.source).labels()
    for name, part in parts.items():
        if report:
            report(len(rows), len(parts))
        weights = classifier.train_classifier(part.images, part.labels, run.info.num_classes, seed=0)
        right = classifier.classify(weights, images)["logits"].argmax(1) == labels
        recalls = [right[labels == label].mean() for label in np.unique(labels)]
        rows.append({"trained_on": name, "n": len(part.images), "accuracy": float(right.mean()),
                     "balanced_accuracy": float(np.mean(recalls))})
    if report:
        report(len(parts), len(parts))
    return {"results": rows, "tested_on": tested.record() | {"n": len(labels), "held_out": held_out is not None},
            "classifier": classifier.RECIPE, "seed": 0}


def _some(source: Source) -> Arrays:
    """As many examples as the classifier looks at."""
    rows = np.random.default_rng(0).permutation(len(source))[:classifier.MAX_IMAGES]
    return read(source, np.sort(rows))


def _privacy(judge: Judge, choices: Sequence[Choice], fake: Input, source: Source) -> Card:
    """Whether images are those of the training data, or hardly others. Further facts, each under its name, are shown
    with these."""
    everything = digests(source)
    found: Card = {"n": len(source), "copies_of_training_images": judge.copies([fake._replace(source=source)]),
                   "repeated_in_this_set": None if everything is None else len(everything) - len(Counter(everything))}
    return found | _results(judge, choices, fake)


def _results(judge: Judge, choices: Sequence[Choice], fake: Input) -> Card:
    """The values of metrics, and why others are missing."""
    results, reasons = [], []
    for choice in choices:
        try:
            results += [result._asdict() for result in judge.measure(choice, [fake], 0, GROUPS)]
        except InputError as error:
            reasons.append(in_options(error))
    return {"results": results} | ({"not_measured": " ".join(dict.fromkeys(reasons))} if reasons else {})


def _nearest(sides: Sides) -> list[Near]:
    """The fakes nearest to a training image, beside it; of those with one in common, one."""
    square, rows = nearest(np.asarray(sides.fake.pool, np.float64), np.asarray(sides.real.pool, np.float64), 3)
    order = np.argsort(square[:, 0], kind="stable")
    order = order[np.sort(np.unique(rows[order, 0], return_index=True)[1])][:PAIRS]
    distances = np.sqrt(square)
    return [Near("generated", sides.fake.images[place],
                 [(distance, sides.real.images[row]) for distance, row in zip(distances[place].tolist(), rows[place])])
            for place in order.tolist()]


def _rows(source: Source, names: Sequence[str]) -> list[Row]:
    """The first images of each class."""
    if not names:
        return [Row("", read(source, np.arange(min(SHOWN, len(source)))).images)]
    labels = pictures(source).labels()
    rows = [(name, np.flatnonzero(labels == label)[:SHOWN]) for label, name in enumerate(names)]
    return [Row(name, read(source, found).images) for name, found in rows if len(found)]


def described(manifest: Mapping[str, Any], run: Trained) -> Card:
    """The parts of a card that are known without measuring."""
    real = dict(enumerate(run.info.label_frequencies)) if run.info.label_kind == "class" else {}
    counts = Counter(entry.get("label") for entry in manifest["images"] if "seed" in entry and not isinstance(
        entry.get("label"), list))
    rates = {rate.get("label"): rate for rate in manifest["classes"]}
    classes = [{"label": label, "name": run.info.class_names[label], "share_of_training": share,
                "generated": counts[label], "tried": rates.get(label, {}).get("tried", 0)}
               for label, share in real.items()]
    generator, loss = (run.config[key] for key in ("generator", "loss"))
    return {"jaxgan": jaxgan.__version__, "kind": KIND, "set": manifest["kind"],
            "images": sum("seed" in entry for entry in manifest["images"]),
            "real_images": sum("real" in entry for entry in manifest["images"]),
            "shape": list(run.info.shape), "splits": dict(Counter(
                (entry.get("file") or entry["array"]).replace("_", "/").partition("/")[0]
                for entry in manifest["images"])),
            "run": manifest["run"] | {"generator": _name(generator), "loss": _name(loss)},
            "differential_privacy": privacy.statement(run.config, run.info, run.step),
            "training_data": {"name": run.info.name, "sha256": run.info.content_hash, "licence": run.info.licence},
            "seeds": manifest["seeds"], "options": manifest["options"], "classes": classes,
            "tried": sum(rate["tried"] for rate in manifest["classes"]), "rejection": manifest["gates"],
            **({"scenes": manifest["scenes_made"]} if "scenes_made" in manifest else {})}


def _name(spec: Any) -> str:
    return spec if isinstance(spec, str) else spec["name"]
