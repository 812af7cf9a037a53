"""Scores of a run or of images: `python -m jaxgan.evaluate --workdir=outputs/dcgan-digits --metrics=fid,kid,prdc`.

Every number comes with its protocol and an interval; a score takes its name from the network it was computed on.
"""

import argparse
import json
from pathlib import Path

from jaxgan import command
from jaxgan.errors import InputError

IMAGE_METRICS, POINT_METRICS = "fd,kid,prdc", "modes"
DRAWS = 3  # of a run, unless asked for otherwise
MAX_SEED = 2**32 - 1


def parse(argv: list[str]):
    """The command's arguments."""
    parser = command.Parser(prog="jaxgan.evaluate", description=__doc__.split("\n")[0], allow_abbrev=False)
    given = parser.add_argument_group("what is scored: a run, two sets of images, or results side by side")
    given.add_argument("--workdir", type=command.place, metavar="DIR",
                       help="a run that jaxgan.main wrote; unless --real says otherwise, its data are real and their "
                            "test split is held out")
    given.add_argument("--fake", metavar="P", help="a folder of images, an .npz, or DATASET:SPLIT such as mnist:test")
    given.add_argument("--real", metavar="P", help="likewise; of a run, brought to the size of its images")
    given.add_argument("--held_out", metavar="P", help="likewise: real images that the generator has not seen")
    given.add_argument("--compare", metavar="A.json", help="results that --json wrote, as many as you like after this")
    given.add_argument("others", nargs="*", metavar="B.json", help=argparse.SUPPRESS)
    parser.add_argument("--metrics", help=f"such as fid,kid,is,prdc (default: {IMAGE_METRICS})")
    parser.add_argument("--backbone", help="classifier, inception, … and its arguments, such as inception,resizer=clean"
                                           " (default: classifier where the data have labels, else inception)")
    parser.add_argument("--num", type=int, metavar="N",
                        help="fakes in a draw (default: what the metrics want of a run; all of a set)")
    parser.add_argument("--seed", type=int, default=0, help="of the fakes and of what metrics draw (default: 0)")
    parser.add_argument("--draws", type=int, metavar="R",
                        help="what intervals follow from: samples of a run by as many seeds (default: "
                             f"{DRAWS}), groups left out of a set (default: 10); 1 for no interval")
    command.add_state(parser)
    parser.add_argument("--json", type=Path, metavar="F", help="write the results there, for programs")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write a page with pictures there")
    parser.add_argument("--no_cache", action="store_true", help="neither read nor keep features and values")
    parser.add_argument("--force", action="store_true", help="with --compare: even where protocols differ")
    command.add_trust(parser)
    arguments = parser.parse_args(argv)
    check(arguments)
    return arguments


def check(arguments) -> None:
    """Refuses combinations that mean nothing, and what could not be written at the end."""
    chosen = [name for name in ("workdir", "fake", "compare") if getattr(arguments, name) is not None]
    sides = arguments.real is not None or arguments.held_out is not None
    if len(chosen) != 1 or (chosen == ["fake"] and arguments.real is None) or (chosen == ["compare"] and sides):
        raise InputError("Give --workdir=DIR, or --fake=P with --real=P, or --compare A.json B.json.")
    if arguments.others and chosen != ["compare"]:
        raise InputError(f"Unrecognized arguments: {' '.join(arguments.others)}. "
                         "See `python -m jaxgan.evaluate --help`.")
    if arguments.num is not None and arguments.num < 2:
        raise InputError(f"--num={arguments.num}: scores need at least two images.")
    if arguments.draws is not None and arguments.draws < 1:
        raise InputError(f"--draws={arguments.draws}: give 1 for no interval, or more.")
    if not 0 <= arguments.seed <= MAX_SEED:
        raise InputError(f"--seed={arguments.seed}: give a number from 0 to {MAX_SEED}.")
    if arguments.json and (not arguments.json.parent.is_dir() or arguments.json.is_dir()):
        raise InputError(f"--json={arguments.json}: name a file in a folder that exists.")
    if arguments.report:
        command.check_folder(arguments.report, "--report")


def main(argv: list[str]) -> int:
    """Evaluates, prints a table and writes what was asked for; returns the exit code."""
    arguments = parse(argv)
    if arguments.compare:
        print(compared([Path(arguments.compare), *map(Path, arguments.others)], arguments.force))
        return command.DONE
    if arguments.workdir:
        command.check_run(arguments.workdir, arguments.trust)

    from jaxgan import compilation
    from jaxgan.metrics.cache import Cache, default_folder
    from jaxgan.metrics.choice import in_options
    from jaxgan.reporting import scores
    from jaxgan.reporting.bars import Bars
    compilation.enable_cache()
    with Bars() as bars, Cache(None if arguments.no_cache else default_folder()) as cache:
        try:
            results, shown = evaluated(arguments, cache, bars)
        except InputError as error:
            raise InputError(in_options(error)) from error
        if arguments.report:
            from jaxgan.reporting.evaluation import write_report
            write_report(arguments.report, results, *shown)
    print(scores.table(results))
    if arguments.json:
        write_json(arguments.json, results)
        print(f"\nWrote {arguments.json}.")
    if arguments.report:
        print(f"\nWrote {arguments.report / 'index.html'}.")
    return command.DONE


def evaluated(arguments, cache, bars):
    """(all results, as dicts; what the report draws: both sides of the first metric on features, and class names)."""
    from jaxgan import inputs
    from jaxgan.evaluation import Judge, spaces_of
    from jaxgan.metrics.choice import choose, default_backbone
    run = (inputs.Run(arguments.workdir, arguments.checkpoint, arguments.raw, arguments.real, arguments.trust)
           if arguments.workdir else None)
    real = run.real if run else inputs.open_data(arguments.real, "--real")
    info = real.source.info
    if arguments.held_out:
        held_out = inputs.open_data(arguments.held_out, "--held_out", info.shape if run else None)
    else:
        held_out = run.held_out() if run else None
    names = (arguments.metrics or (POINT_METRICS if info.kind == "point" else IMAGE_METRICS)).split(",")
    backbone = command.parse_spec(arguments.backbone, "--backbone") if arguments.backbone else default_backbone(info)
    choices = choose([name.strip() for name in names], info, backbone, "metrics")
    judge = Judge(real, held_out, choices, cache, say=bars.say)
    if run:
        num, draws = arguments.num or max(choice.metric.num_samples for choice in choices), arguments.draws or DRAWS
        check_seeds(arguments.seed, num * draws)
        fakes = [run.fakes(range(first, first + num))
                 for first in range(arguments.seed, arguments.seed + num * draws, num)]
    else:
        fakes = [inputs.subset(inputs.open_data(arguments.fake, "--fake"), arguments.num, arguments.seed)]
    groups = 1 if run else arguments.draws or 10
    spaces = spaces_of(run.experiment, run.weights) if run else None
    results = [result._asdict() for choice in choices
               for result in judge.measure(choice, fakes, arguments.seed, groups, spaces)]
    shown = next((choice for choice in choices if "pool" in choice.kinds), None)
    return results, (judge.sides(shown, fakes[0]) if shown else None, info.class_names)


def check_seeds(first: int, count: int) -> None:
    if first + count - 1 > MAX_SEED:
        raise InputError(f"--seed={first}: {count:,} fakes from there on go beyond the last seed, {MAX_SEED}.")


def write_json(path: Path, results) -> None:
    """Results for programs: {"jaxgan": version, "results": [...]}, keys in a fixed order."""
    import jaxgan
    from jaxgan.images import replacing
    text = json.dumps({"jaxgan": jaxgan.__version__, "results": results}, indent=2) + "\n"
    with command.writing(path, "--json"), replacing(path) as file:
        file.write(text.encode())


def compared(paths: list[Path], force: bool) -> str:
    """One table of several files' results. Raises InputError where their protocols differ, unless `force`."""
    from jaxgan.reporting import scores
    if len(paths) < 2:
        raise InputError("--compare needs two files or more: --compare a.json b.json.")
    files = {str(path): scores.read_json(path) for path in paths}
    differing = scores.protocol_differences(files)
    if differing and not force:
        raise InputError("These results were not obtained in the same way:\n  " + "\n  ".join(differing)
                         + "\nSuch numbers say nothing about each other; --force shows them all the same.")
    return scores.comparison(files, differing)


if __name__ == "__main__":
    command.run(main)
