"""Runs as a page: `python -m jaxgan.report --workdir=outputs/dcgan-digits --output=page.html`.

One run whole, or several side by side, in one file that needs no network: to be kept, mailed, opened on a phone.
"""

import sys
from pathlib import Path

from jaxgan import command
from jaxgan.errors import InputError


def parse(argv: list[str]):
    """The command's arguments."""
    parser = command.Parser(prog="jaxgan.report", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--workdir", required=True, action="append", type=command.place, metavar="DIR",
                        help="a run that jaxgan.main wrote; give it again for each run to be compared")
    parser.add_argument("--output", required=True, type=Path, metavar="F.html", help="the page to write")
    parser.add_argument("--checkpoint", default="latest", help="of one run: latest, best or a step (default: latest)")
    parser.add_argument("--explore", action="store_true",
                        help="of one run: add a map of its latent space to walk about in")
    command.add_trust(parser)
    arguments = parser.parse_args(argv)
    check(arguments)
    return arguments


def check(arguments) -> None:
    """Refuses what means nothing, and what could not be written at the end."""
    if len(arguments.workdir) > 1 and (arguments.explore or arguments.checkpoint != "latest"):
        raise InputError("--explore and --checkpoint are of one run: give one --workdir, or leave them out.")
    if arguments.output.suffix != ".html" or arguments.output.is_dir():
        raise InputError(f"--output={arguments.output}: name a file that ends in .html.")
    if not arguments.output.parent.is_dir():
        raise InputError(f"--output={arguments.output}: there is no folder {arguments.output.parent}; make it first.")


def main(argv: list[str]) -> int:
    """Writes the page; returns the exit code."""
    arguments = parse(argv)

    from jaxgan import compilation, portraits
    from jaxgan.runs import RunFolder
    compilation.enable_cache()
    folders = [RunFolder(place) for place in arguments.workdir]
    found = [portraits.of_folder(folder) for folder in folders]
    if len(found) == 1:
        found = [drawn(arguments, found[0])]
    for note in [note for portrait in found for note in portrait.notes]:
        print(note, file=sys.stderr)
    with command.writing(arguments.output):
        portraits.write(found, arguments.output)
    print(f"Wrote {arguments.output} ({arguments.output.stat().st_size / 1e6:.1f} MB).")
    return command.DONE


def drawn(arguments, portrait):
    """The portrait with what the generator makes. A run without weights, or whose data are not at hand, has less."""
    from jaxgan import portraits
    from jaxgan.reporting.bars import Bars
    from jaxgan.trained import Trained
    try:
        run = Trained(arguments.workdir[0], arguments.checkpoint, trust=arguments.trust)
    except InputError as error:
        if arguments.explore or arguments.checkpoint != "latest":
            raise
        return portrait._replace(notes=[f"No images: {error}"])
    source = None
    try:
        source = run.real.source
    except InputError as error:
        portrait = portrait._replace(notes=[f"No real images: {error}"])
    model = portraits.Model(run.experiment, run.experiment.weights(run.state), source)
    portrait = portraits.with_images(portrait, model)
    if arguments.explore:
        with Bars() as bars:
            portrait = portraits.with_plane(portrait, model, bars.say("drawing the latent plane"))
    return portrait


if __name__ == "__main__":
    command.run(main)
