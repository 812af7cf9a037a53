"""Data sets from a run: `python -m jaxgan.synthesize --workdir=outputs/sngan-digits --per_class=500 --output=set`.

Images by class, or scenes for object detection, with a card that says how good, useful and private they are.
"""

from pathlib import Path

from jaxgan import command
from jaxgan.errors import InputError

MAX_SEED = 2**32 - 1
MOST_OBJECTS = 100  # of a scene: more than a mask's grey levels would not be told apart
NEEDED = {"cutoff": "truncation", "centres": "truncation", "with_real": "fill"}
OF_SCENES = {"size": "128", "count": "1-5", "scale": "0.2-0.4", "overlap": 0.1, "cut": "auto", "feather": 0.0,
             "backgrounds": "noise", "masks": False}  # option -> its default


def parse(argv: list[str]):
    """The command's arguments."""
    parser = command.Parser(prog="jaxgan.synthesize", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--workdir", required=True, type=command.place, metavar="DIR",
                        help="a run that jaxgan.main wrote")
    parser.add_argument("--output", required=True, type=Path, metavar="PATH",
                        help="a folder: train/CLASS/*.png; or an .npz in MedMNIST's layout; with --scenes a folder")
    many = parser.add_argument_group("how many").add_mutually_exclusive_group(required=True)
    many.add_argument("--per_class", type=int, metavar="N", help="so many of each class")
    many.add_argument("--num", type=int, metavar="N", help="so many, their classes as often as in the training data")
    many.add_argument("--fill", metavar="N", help="what each class's training images lack of N, or of the largest "
                                                  "class (max)")
    many.add_argument("--scenes", type=int, metavar="N", help="scenes with objects, and their boxes and masks (COCO)")
    parser.add_argument("--labels", help="these classes alone, such as 3 or 0-4,7 (default: all)")
    parser.add_argument("--with_real", action="store_true", help="with --fill: the training images themselves, too")
    parser.add_argument("--val", type=float, default=0.0, metavar="SHARE",
                        help="share of each class that goes to a validation part (default: 0)")
    parser.add_argument("--test", type=float, default=0.0, metavar="SHARE", help="likewise, to a test part")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the first seed (default: 0)")
    parser.add_argument("--reject", metavar="P", help="keep images the discriminator takes for real: the higher the "
                        "percentile P, such as 80, the stricter; exact: as the data are")
    parser.add_argument("--confidence", type=float, metavar="P", help="keep images which a classifier trained on the "
                        "real ones gives at least this probability of being of their class, such as 0.9")
    command.add_weights(parser)
    scenes = parser.add_argument_group("with --scenes")
    scenes.add_argument("--size", metavar="HxW", help="of a scene in pixels, such as 240x320 (default: 128)")
    scenes.add_argument("--count", metavar="A-B", help="objects in a scene (default: 1-5)")
    scenes.add_argument("--scale", metavar="A-B", help="an object's longer side, as a share of the scene's shorter one "
                                                       "(default: 0.2-0.4)")
    scenes.add_argument("--overlap", type=float, metavar="IOU", help="the most two boxes share (default: 0.1)")
    scenes.add_argument("--cut", choices=("auto", "alpha", "luminance", "whole"),
                        help="what of an image is the object: where it is opaque; what is brighter or darker than most "
                             "of its edge; all of it; by alpha if there is any, else luminance (auto, the default)")
    scenes.add_argument("--feather", type=float, metavar="PX", help="blur of an object's edge (default: 0)")
    scenes.add_argument("--backgrounds", metavar="P", help="noise, plain, or images: a folder, an .npz, DATASET:SPLIT "
                                                           "(default: noise)")
    scenes.add_argument("--masks", action="store_true", default=None, help="write masks/, a picture of each scene "
                                                                           "whose pixels number its objects")
    parser.add_argument("--card", choices=("full", "none"), default="full",
                        help="card.json and card.html with quality, usefulness and privacy, which takes its time")
    parser.add_argument("--backbone", help="of the card's features: classifier, inception, dinov2-vits14, … (default: "
                                           "classifier where there are classes, else inception)")
    parser.add_argument("--real", metavar="P", help="images that stand for the training data, where a run does not "
                                                    "have them: a folder, an .npz, or DATASET:SPLIT")
    command.add_trust(parser)
    arguments = parser.parse_args(argv)
    check(arguments)
    for name, value in OF_SCENES.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    return arguments


def check(arguments) -> None:
    """Refuses options that mean nothing, before anything is opened."""
    command.check_needed(arguments, NEEDED)
    given = [name for name in OF_SCENES if getattr(arguments, name) is not None]
    if given and arguments.scenes is None:
        raise InputError(f"--{given[0]} goes with --scenes: give both or neither.")
    check_amount(arguments)
    if arguments.num is not None and arguments.labels is not None:
        raise InputError("--num has classes as often as in the data; for some of them give --per_class with --labels.")
    if not 0 <= arguments.seed <= MAX_SEED:
        raise InputError(f"--seed={arguments.seed}: give a number from 0 to {MAX_SEED}.")
    arguments.percentile = None if arguments.reject is None else command.percentile(arguments.reject)
    if arguments.confidence is not None and not 0 < arguments.confidence < 1:
        raise InputError(f"--confidence={arguments.confidence:g}: give a probability between 0 and 1, such as 0.9.")
    if min(arguments.val, arguments.test) < 0 or arguments.val + arguments.test >= 1:
        raise InputError(f"--val={arguments.val:g} --test={arguments.test:g}: leave a share for training.")
    if arguments.scenes is not None and (arguments.val or arguments.test or arguments.output.suffix):
        raise InputError("--scenes writes one folder: leave --val, --test and an ending out, and make another set with "
                         "another --seed for testing.")


def check_amount(arguments) -> None:
    for name in ("per_class", "num", "scenes"):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            raise InputError(f"--{name}={getattr(arguments, name)}: give a number from 1.")
    if arguments.fill is not None and arguments.fill != "max" and not (
            arguments.fill.isdecimal() and int(arguments.fill) > 0):
        raise InputError(f"--fill={arguments.fill}: give a number of images from 1, or max.")


def chosen_classes(run, arguments):
    """The classes to be made; None for a run without. Refuses options that want classes where there are none."""
    if run.info.kind == "point":
        raise InputError(f"{run.folder.name} makes points, of which no set of images can be made.")
    if run.info.label_kind == "class":
        if arguments.labels is None:
            return range(run.info.num_classes)
        return sorted(set(command.numbers(arguments.labels, "--labels", run.info.num_classes - 1)))
    for name in ("per_class", "fill", "labels", "val", "test"):
        if getattr(arguments, name):
            raise InputError(f"--{name} is of classes, and this run was trained without: say --num=N.")
    return None


def scene_settings(arguments):
    """The options of --scenes, understood."""
    from jaxgan.synthesis.settings import Settings
    height, _, width = arguments.size.partition("x")
    if not height.isdecimal() or (width and not width.isdecimal()) or not 8 <= int(height) <= 8192 or not (
            8 <= int(width or height) <= 8192):
        raise InputError(f"--size={arguments.size}: give pixels from 8 to 8192, such as 128 or 240x320.")
    count, scale = (span(getattr(arguments, name), f"--{name}") for name in ("count", "scale"))
    if not (count[0] >= 1 and count[1] <= MOST_OBJECTS and all(map(float.is_integer, count))):
        raise InputError(f"--count={arguments.count}: give whole numbers from 1 to {MOST_OBJECTS}, such as 1-5.")
    if not 0 < scale[0] <= scale[1] <= 1:
        raise InputError(f"--scale={arguments.scale}: give shares above 0 and at most 1, such as 0.2-0.4.")
    if not 0 <= arguments.overlap <= 1:
        raise InputError(f"--overlap={arguments.overlap:g}: give a number from 0, no two boxes touch, to 1.")
    if not 0 <= arguments.feather <= 64:
        raise InputError(f"--feather={arguments.feather:g}: give pixels from 0 to 64.")
    size = int(height), int(width or height)
    return Settings(arguments.scenes, size, (int(count[0]), int(count[1])), scale, arguments.overlap, arguments.cut,
                    arguments.feather, arguments.backgrounds, arguments.masks, arguments.seed)


def span(text: str, option: str) -> tuple[float, float]:
    """`"0.2-0.4"` -> (0.2, 0.4); one number is both ends."""
    first, _, last = text.partition("-")
    try:
        low, high = float(first), float(last or first)
    except ValueError:
        low, high = 1.0, 0.0
    if not low <= high:
        raise InputError(f"{option}={text}: give a number, or two with a dash between, the smaller first.")
    return low, high


def main(argv: list[str]) -> int:
    """Makes the set and its card; returns the exit code."""
    arguments = parse(argv)
    settings = None if arguments.scenes is None else scene_settings(arguments)
    from jaxgan.synthesis.place import Place
    place = Place(arguments.output)
    place.check()
    command.check_run(arguments.workdir, arguments.trust)

    from jaxgan import compilation
    from jaxgan.metrics.cache import Cache, default_folder
    from jaxgan.reporting.bars import Bars
    from jaxgan.synthesis import making
    from jaxgan.trained import Trained
    compilation.enable_cache()
    run = Trained(arguments.workdir, arguments.checkpoint, arguments.real, arguments.trust)
    backbone = arguments.backbone and command.parse_spec(arguments.backbone, "--backbone")
    with Cache(default_folder()) as cache:
        with Bars() as bars:
            made = making.make(run, arguments, chosen_classes(run, arguments), settings, place, cache,
                               bars.say)
        print(made.words)
        if arguments.card == "full":
            with Bars() as bars:
                words = making.write_card(run, place, made.manifest, backbone, cache, bars.say)
            print(words)
    return command.DONE


if __name__ == "__main__":
    command.run(main)
