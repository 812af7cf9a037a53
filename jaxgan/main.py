"""Trains: `python -m jaxgan.main --config=configs/dcgan.py`. The same command resumes."""

import sys
from pathlib import Path

from jaxgan import buckets, command, data
from jaxgan import config as config_lib
from jaxgan.runs import RunFolder


def parse(argv: list[str]):
    """Arguments and config overrides."""
    parser = command.Parser(prog="jaxgan.main", description=__doc__.split("\n")[0], allow_abbrev=False,
                            epilog="Any option is set as --config.KEY=VALUE, such as --config.batch_size=128.")
    parser.add_argument("--config", required=True, metavar="FILE[:DATA]",
                        help="a config file; DATA is digits, mnist, cifar10, folder:PATH, npz:PATH or tfds:NAME. "
                             "Or the config.json of a run")
    command.add_trust(parser)
    parser.add_argument("--workdir", type=command.place, metavar="DIR",
                        help="folder of the run, gs://… too (default: outputs/CONFIG-DATA)")
    parser.add_argument("--multihost", nargs="?", const="auto", metavar="HOST:PORT,I/N",
                        help="this is one of several processes that train together: on TPU pods, Slurm, Open MPI and "
                             "Kubernetes without a value, elsewhere the I-th of N, the first of which is HOST")
    parser.add_argument("--profile", action="store_true",
                        help="write a trace of a few warm steps to DIR/profile, for xprof or ui.perfetto.dev")
    parser.add_argument("--allow_change", action="store_true",
                        help="go on from the last checkpoint though options differ from the run's")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    overrides, rest = command.split_overrides(argv)
    return parser.parse_args(rest), overrides


def main(argv: list[str]) -> int:
    """Trains or resumes a run; returns the exit code."""
    arguments, overrides = parse(argv)
    config = config_lib.load(arguments.config, overrides, arguments.trust)
    workdir = arguments.workdir or Path("outputs") / config_lib.run_name(arguments.config, config)

    source = None
    if not arguments.multihost and not buckets.is_bucket(workdir):  # else the processes find each other first
        RunFolder(workdir).check_config(config, arguments.allow_change)
        source = data.open(config["data"])

    # Only now: jax takes seconds to import, and a wrong option should be answered at once.
    from jaxgan import compilation, processes, training_run
    from jaxgan.training.numerics import Diverged
    from jaxgan.training.signals import Interrupted
    if arguments.multihost:
        processes.join(arguments.multihost)
    compilation.enable_cache()
    try:
        report = processes.guarded(lambda: training_run.train(config, workdir, quiet=arguments.quiet,
                                                              profile=arguments.profile,
                                                              allow_change=arguments.allow_change,
                                                              source=source))
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        return command.INTERRUPTED
    except Diverged as failure:
        print(f"error: {failure}", file=sys.stderr)
        return command.FAILED
    if processes.is_first():
        print(report)
    return command.DONE


if __name__ == "__main__":
    command.run(main)
