"""A set from start to finish: what is wanted, the images, the manifest, the card."""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jaxgan
from jaxgan import inputs
from jaxgan.data.source import Source
from jaxgan.errors import InputError
from jaxgan.evaluation import Judge, Say
from jaxgan.images import load_png, replacing, save_png
from jaxgan.latents.sampling import Truncation
from jaxgan.metrics.cache import Cache
from jaxgan.metrics.choice import Spec, default_backbone, in_options
from jaxgan.metrics.classifier import digest
from jaxgan.reporting.page.card import card_page
from jaxgan.synthesis import card as cards
from jaxgan.synthesis import coco, cutouts, gates, labelled, plan, scenes
from jaxgan.synthesis.journal import Journal
from jaxgan.synthesis.place import Place, write_json
from jaxgan.synthesis.search import Gate, Progress, search
from jaxgan.synthesis.settings import Settings
from jaxgan.trained import Trained
from jaxgan.training import lock
from jaxgan.typing import PyTree

Manifest = dict[str, Any]


class Made(NamedTuple):
    """words: what was made, to be printed."""

    words: str
    manifest: Manifest


class Maker(NamedTuple):
    """What makes a set. settings, photos: of scenes, the latter being backgrounds that are given."""

    run: Trained
    weights: PyTree
    described: str
    truncation: Truncation | None
    wanted: plan.Plan
    options: Mapping[str, Any]
    settings: Settings | None
    photos: Source | None


def make(run: Trained, arguments: Any, classes: Sequence[int] | None, settings: Settings | None, place: Place,
         cache: Cache, say: Say) -> Made:
    """Makes the set, or what is missing of it. arguments: those of jaxgan.synthesize. classes: to be made; None where
    there are none. settings: of scenes."""
    weights, truncation, described = run.choose_weights(arguments, classes)
    wanted = wanted_images(run, arguments, settings, classes)
    photos = None
    if settings and settings.backgrounds not in cutouts.GROUNDS:
        shape = *settings.size, min(run.info.shape[2], 3)
        photos = inputs.open_data(settings.backgrounds, "--backgrounds", shape).source
    options = options_of(run, arguments, weights, described) | scene_options(settings, photos)
    maker = Maker(run, weights, described, truncation, wanted, options, settings, photos)
    if found := place.finished(maker.options):
        place.clear()
        return Made(f"{place.output} is complete: {len(found['images']):,} images, as asked for.", found)
    with lock.held(place.folder, "written", "--output") as warning:
        if warning:
            print(warning, file=sys.stderr)
        place.sweep()
        journal = Journal(place.folder, maker.options, str(place.output))
        make_set = image_set if settings is None else scene_set
        manifest = make_set(maker, arguments, place, journal, cache, say)
        journal.close()
    place.clear()
    count = f"{len(manifest['scenes']):,} scenes" if settings else f"{len(manifest['images']):,} images"
    return Made(f"Wrote {place.output}: {count} from step {run.step:,}.{kept_words(manifest)}", manifest)


def kept_words(manifest: Mapping[str, Any]) -> str:
    tried, kept = (sum(rate[name] for rate in manifest["classes"]) for name in ("tried", "kept"))
    return f" Kept {kept:,} of {tried:,} that were made." if manifest["gates"] else ""


def wanted_images(run: Trained, arguments: Any, settings: Settings | None,
                  classes: Sequence[int] | None) -> plan.Plan:
    first = arguments.seed
    if settings:
        count = int(settings.counts().sum())
        return plan.Plan({None: count}, run.draw_labels) if classes is None else plan.balanced(count, classes, first)
    if arguments.num is not None:
        return plan.in_proportion(run, arguments.num, first)
    if arguments.per_class is not None:
        return plan.per_class(dict.fromkeys(classes, arguments.per_class), first)
    found = run.real.source.info
    if (found.label_kind, found.num_classes) != ("class", run.info.num_classes):
        raise InputError(f"--real={arguments.real}: --fill counts the images of each of the run's "
                         f"{run.info.num_classes} classes, which these do not have.")
    target = None if arguments.fill == "max" else int(arguments.fill)
    return plan.filled(plan.class_counts(run), target, classes, first)


def options_of(run: Trained, arguments: Any, weights: PyTree, described: str) -> dict[str, Any]:
    """Everything that the images of a set follow from."""
    real = any((arguments.fill, arguments.reject, arguments.confidence))
    names = ("per_class", "num", "fill", "labels", "with_real", "val", "test", "seed", "reject", "confidence",
             "truncation", "cutoff", "centres")
    return {"format": arguments.output.suffix.strip(".") or "folder", "step": run.step, "weights": described,
            "weights_sha256": digest(weights),
            **{name: getattr(arguments, name) for name in names if getattr(arguments, name)},
            **({"real_sha256": run.real.source.info.content_hash} if real else {})}


def scene_options(settings: Settings | None, photos: Source | None) -> dict[str, Any]:
    """And everything that scenes follow from besides."""
    if settings is None:
        return {"set": "images"}
    return {"set": "scenes", **settings._asdict()} | (
        {"backgrounds_sha256": photos.info.content_hash} if photos else {})


def gates_of(maker: Maker, arguments: Any, cache: Cache, say: Say) -> list[Gate]:
    found = []
    if arguments.reject is not None:
        found.append(gates.by_discriminator(maker.run, maker.weights, maker.truncation, arguments.reject,
                                            arguments.percentile))
    if arguments.confidence is not None:
        found.append(gates.by_classifier(maker.run, arguments.confidence, cache, say))
    if maker.settings:
        found.append(gates.with_object(maker.settings.cut))
    return found


def generated(maker: Maker, arguments: Any, passed: Sequence[Gate], layout: labelled.Layout, place: Place,
              journal: Journal, say: Say) -> tuple[list[labelled.Entry], Progress]:
    """The images of the plan, on the disk."""
    run, sampler = maker.run, maker.run.experiment.sampler

    def blocks(progress: Progress):
        return search(maker.wanted, lambda seeds, labels: sampler(maker.weights, seeds, labels, maker.truncation),
                      passed, run.info.shape, progress)
    return labelled.write_generated(place.folder, journal, layout, maker.wanted, arguments.seed, blocks,
                                    say("images") or silent)


def silent(done: int, total: int) -> None:
    """Where nobody is told how far it is."""


def image_set(maker: Maker, arguments: Any, place: Place, journal: Journal, cache: Cache, say: Say) -> Manifest:
    """Images by class, and what is written beside them."""
    info = maker.run.info
    layout = labelled.layout_of(info, "train", arguments.val, arguments.test)
    passed = gates_of(maker, arguments, cache, say)
    real = []
    if arguments.with_real:
        real = labelled.write_real(place.folder, journal, layout, maker.run.real.source, say("real images") or silent)
    entries, progress = generated(maker, arguments, passed, layout, place, journal, say)
    entries = real + entries
    if place.is_npz:
        entries = labelled.pack(place, entries, info)
    elif info.label_kind == "vector":
        labelled.write_tables(place.folder, entries, info.class_names)
    head = head_of(maker, passed, progress, arguments.seed)
    write_manifest(place, head, images=entries)
    return head | {"images": entries}


def scene_set(maker: Maker, arguments: Any, place: Place, journal: Journal, cache: Cache, say: Say) -> Manifest:
    """Scenes, their annotations, and the images their objects were cut out of."""
    info, folder, settings = maker.run.info, place.folder, maker.settings
    passed = gates_of(maker, arguments, cache, say)
    entries, progress = generated(maker, arguments, passed, labelled.layout_of(info, "objects"), place, journal, say)
    made = scenes.write_scenes(folder, journal, settings, min(info.shape[2], 3), entries, maker.photos,
                               say("scenes") or silent)
    names = info.class_names if info.label_kind == "class" else ("object",)
    about = f"{settings.num} scenes with objects that {maker.run.title} generated"
    document = coco.document(made, settings.size, names, info.licence, about)
    with replacing(folder / "annotations.json") as file:
        file.write(json.dumps(document, separators=(",", ":")).encode())
    save_png(scenes.preview(folder, made, names), folder / "preview.png")
    head = head_of(maker, passed, progress, arguments.seed)
    head["scenes_made"] = {"num": len(made), "shown": min(scenes.SHOWN, len(made)),
                           "objects": len(document["annotations"]), "left_out": sum(each["left_out"] for each in made)}
    lines = [{key: value for key, value in scene.items() if key != "annotations"}
             | {"objects": len(scene["annotations"])} for scene in made]
    write_manifest(place, head, images=entries, scenes=lines)
    return head | {"images": entries, "scenes": lines}


def head_of(maker: Maker, passed: Sequence[Gate], progress: Progress, first: int) -> Manifest:
    """The manifest but for its lists of files."""
    return {"jaxgan": jaxgan.__version__, "kind": maker.options["set"],
            "run": {"name": maker.run.folder.path.resolve().name, "step": maker.run.step, "weights": maker.described},
            "options": json.loads(json.dumps(maker.options)),
            "seeds": {"first": first, "last": progress.next - 1}, "gates": [gate.facts for gate in passed],
            "classes": labelled.rates(maker.wanted, progress, maker.run.info.class_names)}


def write_manifest(place: Place, head: Manifest, **lists: Sequence[Mapping[str, Any]]) -> None:
    rest = {key: value for key, value in head.items() if key != "classes"}
    write_json(place.beside("manifest.json"), rest, classes=head["classes"], **lists)


def write_card(run: Trained, place: Place, manifest: Manifest, backbone: Spec | None, cache: Cache, say: Say) -> str:
    """Measures the set and writes card.html and card.json, unless they are there; returns what is to be said."""
    spec = backbone or default_backbone(run.info)
    about = {"manifest_sha256": hashlib.sha256(place.beside("manifest.json").read_bytes()).hexdigest(),
             "backbone": spec}
    path = place.beside("card.html")
    if path.exists() and _of_card(place) == about:
        return f"Its card is there, too: {path}."
    if backbone is not None:
        named(lambda: Judge(run.real, None, (), cache, say=say).extractor(backbone))
    entries = [entry for entry in manifest["images"] if "seed" in entry]
    names = run.info.class_names if run.info.label_kind == "class" else ()
    found, shown = named(lambda: cards.measured(run, labelled.source_of(place, entries, run.info), names, spec, cache,
                                                say))
    card = cards.described(manifest, run) | found | about
    preview = load_png(place.folder / "preview.png") if "scenes_made" in manifest else None
    page = card_page(place.output.name, card, *shown, preview)
    with replacing(path) as file:
        file.write(page.encode())
    write_json(place.beside("card.json"), card)
    return f"Wrote its card: {path}."


def _of_card(place: Place) -> dict[str, Any]:
    """What the card that is there is of."""
    try:
        card = json.loads(place.beside("card.json").read_text(encoding="utf-8"))
        return {key: card[key] for key in ("manifest_sha256", "backbone")}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def named(measure):
    """What `measure` gives, or its refusal by the options of the command."""
    try:
        return measure()
    except InputError as error:
        raise InputError(in_options(error)) from error
