"""What a run gives away of its training images: `python -m jaxgan.audit --workdir=RUN --output=DIR`.

Writes audit.json, audit.html, and closest.png, the samples nearest to training images beside these.
"""

import json
from pathlib import Path

from jaxgan import command
from jaxgan.errors import InputError


def parse(argv: list[str]):
    """The command's arguments."""
    parser = command.Parser(prog="jaxgan.audit", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--workdir", required=True, type=command.place, metavar="DIR",
                        help="a run that jaxgan.main wrote")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="the folder to write to")
    parser.add_argument("--real", metavar="P", help="the training images, where the run's own are not at hand")
    parser.add_argument("--held_out", metavar="P",
                        help="real images it was not trained on: a folder, an .npz, or DATASET:SPLIT, with labels "
                             "where the run has them (default: the data's test or validation split)")
    parser.add_argument("--features", default="pixels,discriminator", metavar="A,B",
                        help="what distances are taken of: pixels, discriminator, classifier, inception, … (default: "
                             "pixels,discriminator); the gallery is of the first")
    parser.add_argument("--num", type=int, default=2000, metavar="N", help="samples, seeds 0 to N - 1 (default: 2000)")
    command.add_state(parser)
    command.add_trust(parser)
    arguments = parser.parse_args(argv)
    if arguments.num < 100:
        raise InputError(f"--num={arguments.num}: fewer than 100 samples show nothing; give more.")
    command.check_folder(arguments.output)
    return arguments


def main(argv: list[str]) -> int:
    """Looks and writes; returns the exit code."""
    arguments = parse(argv)
    command.check_run(arguments.workdir, arguments.trust)

    from jaxgan import auditing, compilation, images
    from jaxgan.trained import Trained
    compilation.enable_cache()
    run = Trained(arguments.workdir, arguments.checkpoint, arguments.real, arguments.trust)
    spaces = list(dict.fromkeys(arguments.features.split(",")))
    found = auditing.audited(run, run.experiment.weights(run.state, arguments.raw), held_out(arguments, run), spaces,
                             arguments.num)
    with command.writing(arguments.output):
        images.save_png(found.gallery, arguments.output / "closest.png")
        for name, text in (("audit.json", json.dumps(found.record, indent=2) + "\n"),
                           ("audit.html", auditing.page(found))):
            with images.replacing(arguments.output / name) as file:
                file.write(text.encode())
    first, white = found.record["memorization"][0], found.record["membership"][0]
    print(f"Wrote audit.html, audit.json and closest.png to {arguments.output}: {first['copies']:,} copies, distance "
          f"ratio {first['ratio']:.2f}; the discriminator's logit tells members with advantage "
          f"{white['advantage']:.3f} (by chance below {white['chance']:.3f}).")
    return command.DONE


def held_out(arguments, run):
    """Real images that were not trained on, refused where they may have been."""
    from jaxgan.inputs import open_data
    if run.info.kind == "point" or run.info.label_kind == "image":
        raise InputError("--workdir: an audit is of runs that make images from latents.")
    found = open_data(arguments.held_out, "--held_out", run.info.shape) if arguments.held_out else run.unseen
    given = {"--real": run.real.source.info, "--held_out": found.source.info}
    if given["--held_out"].content_hash == given["--real"].content_hash:
        raise InputError(f"{run.title} has no images that it was not trained on: name some by --held_out=P.")
    for option, info in given.items():
        if info.shape != run.info.shape or (run.info.labelled and info.label_kind != run.info.label_kind):
            raise InputError(f"{option}: these are {info.shape} with labels of the kind {info.label_kind!r}; the run "
                             f"has {run.info.shape} and {run.info.label_kind!r}.")
    return found


if __name__ == "__main__":
    command.run(main)
