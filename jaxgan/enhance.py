"""Pictures made better: `python -m jaxgan.enhance --workdir=outputs/super_resolution-cifar10 --input=P --output=DIR`.

Of any size, by a run that makes images from images; or with --measure, how near it comes to images it is not shown.
"""

import json
from pathlib import Path

from jaxgan import command
from jaxgan.errors import InputError

SHEET = "before_after.png"
SCORES = "scores.json"
SHOWN = 8  # pictures of the sheet
LEAST_TILE = 32


def parse(argv: list[str]):
    """The command's arguments."""
    parser = command.Parser(prog="jaxgan.enhance", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--workdir", required=True, type=command.place, metavar="DIR",
                        help="a run of images from images, such as of configs/super_resolution.py")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--input", type=Path, metavar="P", help="a picture, or a folder of them, with those in it")
    what.add_argument("--measure", metavar="P", help="images that are spoilt as in training and compared with what is "
                      "made of them: a folder, an .npz, or DATASET:SPLIT such as cifar10:test")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="the folder to write to")
    parser.add_argument("--direction", choices=("AtoB", "BtoA"), help="of a run of two kinds of images, such as of "
                        "configs/cyclegan.py, whose first kind is A (default: AtoB)")
    parser.add_argument("--tile", type=int, metavar="PX",
                        help="pixels a side that are worked on at a time; fewer need less memory (default: 192, or as "
                             "many as in training where those are more)")
    parser.add_argument("--num", type=int, default=1000, metavar="N",
                        help="with --measure: the first N (default: 1000)")
    command.add_state(parser)
    parser.add_argument("--real", metavar="P", help="images that stand for the training data, where they are gone")
    command.add_trust(parser)
    arguments = parser.parse_args(argv)
    if arguments.tile is not None and arguments.tile < LEAST_TILE:
        raise InputError(f"--tile={arguments.tile}: give {LEAST_TILE} or more.")
    if arguments.num < 1:
        raise InputError(f"--num={arguments.num}: give 1 or more.")
    command.check_folder(arguments.output)
    return arguments


def main(argv: list[str]) -> int:
    """Makes pictures better, or measures; returns the exit code."""
    arguments = parse(argv)
    found = None if arguments.input is None else files(arguments.input, arguments.output)
    command.check_run(arguments.workdir, arguments.trust)

    from jaxgan import compilation
    from jaxgan.enhancement.making import Enhancer
    from jaxgan.trained import Trained
    compilation.enable_cache()
    run = Trained(arguments.workdir, arguments.checkpoint, arguments.real, arguments.trust)
    weights = run.experiment.weights(run.state, arguments.raw)
    enhancer = Enhancer(run, weights, arguments.direction)
    if found is None and enhancer.direction:
        raise InputError(f"--measure={arguments.measure}: {run.folder.name} translates images that do not belong to "
                         "others, so there are none to compare with.")
    with command.writing(arguments.output):
        print(measure(arguments, run, weights) if found is None else enhance(arguments, enhancer, found))
    return command.DONE


def files(top: Path, output: Path) -> dict[Path, Path]:
    """Each picture and where its result goes. Refuses what would overwrite a picture or another's result."""
    from jaxgan.enhancement.pictures import ENDINGS, target
    if (top if top.is_dir() else top.parent).resolve() == output.resolve():
        raise InputError(f"--output={output} is where the pictures are: give another folder.")
    if top.is_dir():
        sources = sorted(path for path in top.rglob("*") if path.is_file() and path.suffix.lower() in ENDINGS
                         and not path.is_relative_to(output) and not path.name.startswith("."))
    else:
        sources = [top] if top.is_file() else []
    if not sources:
        raise InputError(f"--input={top}: there is no picture there. Give one, or a folder with {', '.join(ENDINGS)}.")
    base = top if top.is_dir() else top.parent
    found, taken = {}, {(output / SHEET).resolve(): "the sheet"}
    for path in sources:
        result = (output / path.relative_to(base)).with_name(target(path))
        if result.resolve() in taken:
            raise InputError(f"{path} and {taken[result.resolve()]} would both be written as {result}: rename one.")
        found[path], taken[result.resolve()] = result, path
    return found


def enhance(arguments, enhancer, found: dict[Path, Path]) -> str:
    """Writes every picture and the sheet; says what was written."""
    from jaxgan import images
    from jaxgan.enhancement.making import sheet
    from jaxgan.enhancement.pictures import load, save
    from jaxgan.reporting.bars import Bars
    shown = []
    with Bars() as bars:
        report = bars.say("pictures")
        for number, (path, result) in enumerate(found.items()):
            before = load(path)
            after = enhancer(before, arguments.tile, bars.say(path.name))
            save(after, result)
            shown += [(path.name, before, after)] * (len(shown) < SHOWN)
            report(number + 1, len(found))
    title = f"{enhancer.run.title}: the middle of {len(shown)} of {len(found)} pictures{enhancer.described}"
    images.save_png(sheet(shown, enhancer, title), arguments.output / SHEET)
    return f"Wrote {len(found)} pictures{enhancer.described}, and {SHEET}, to {arguments.output}."


def measure(arguments, run, weights) -> str:
    """Writes scores and a picture; returns the table."""
    from jaxgan import images
    from jaxgan.enhancement import making
    from jaxgan.inputs import open_data
    from jaxgan.reporting.bars import Bars
    real = open_data(arguments.measure, "--measure", run.info.shape)
    with Bars() as bars:
        found = making.measure(run, weights, real.source, arguments.num, SHOWN, bars.say("measured"))
    count = min(arguments.num, len(real.source))
    record = {"run": str(arguments.workdir), "step": run.step, "weights": "raw" if arguments.raw else "average",
              **real.record(), "images": count, "perceptual_network": found.network}
    lines = [f"{'':<13}{'PSNR':>10}{'SSIM':>10}{'perceptual':>13}   {count:,} images of {real.name}"]
    for method, scores in found.scores.items():
        means = {name: float(values.mean()) for name, values in scores.items()}
        record[method] = means
        lines.append(f"{method:<13}{means['psnr']:>7.2f} dB{means['ssim']:>10.4f}{means['perceptual']:>13.4f}")
    better = (found.scores["made"]["psnr"] > found.scores["interpolated"]["psnr"]).mean()
    record["better"] = float(better)
    lines.append(f"nearer than bicubic interpolation of what was given, in PSNR, on {better:.1%} of the images")
    lines.append("perceptual: less is better; by a small classifier trained on these images, so it is not LPIPS")
    with images.replacing(arguments.output / SCORES) as file:
        file.write((json.dumps(record, indent=2) + "\n").encode())
    picture = images.side_by_side(found.shown, "given, interpolated, made, true")
    images.save_png(picture, arguments.output / SHEET)
    return "\n".join([*lines, f"Wrote {SCORES} and {SHEET} to {arguments.output}."])


if __name__ == "__main__":
    command.run(main)
