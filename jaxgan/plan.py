"""What a config costs before it runs: `python -m jaxgan.plan --config=configs/stylegan2.py:auto --target=v5e:4x4`.

Compiles the real update for this machine, where it is timed on noise, or for a TPU slice that need not be there, where
time and memory are the compiler's estimates.
"""

import json
import re
import sys
import textwrap
from pathlib import Path

from jaxgan import command
from jaxgan import config as config_lib
from jaxgan.errors import InputError


def parse(argv: list[str]):
    """Arguments and config overrides."""
    parser = command.Parser(prog="jaxgan.plan", description=__doc__.split("\n")[0], allow_abbrev=False,
                            epilog="Any option of the config is set as --config.KEY=VALUE.")
    parser.add_argument("--config", required=True, metavar="FILE[:DATA]", help="as for jaxgan.main")
    parser.add_argument("--target", default="local",
                        help="local, or a TPU slice such as v5e:4x4, v6e:2x2, v5p:2x2x2 (default: local)")
    parser.add_argument("--shape", metavar="HxWxC", help="of the images, where the data are not on this machine")
    parser.add_argument("--classes", type=int, default=0, metavar="N", help="with --shape (default: 0)")
    parser.add_argument("--images", type=int, default=1_000_000, metavar="N", help="with --shape (default: 1,000,000)")
    parser.add_argument("--json", type=Path, metavar="F", help="write the numbers there, for programs")
    overrides, rest = command.split_overrides(argv)
    return parser.parse_args(rest), overrides


def main(argv: list[str]) -> int:
    """Plans and prints; returns the exit code."""
    arguments, overrides = parse(argv)
    config = config_lib.load(arguments.config, overrides)
    if arguments.json and not arguments.json.absolute().parent.is_dir():
        raise InputError(f"--json={arguments.json}: there is no folder {arguments.json.parent}; make it first.")

    from jaxgan import compilation, planning
    target = planning.find_target(arguments.target)
    info, num_images = described(arguments) if arguments.shape else opened(config)
    if not target.chip:  # what was compiled for a machine that is not here cannot be loaded again
        compilation.enable_cache()
    found = planning.plan(config, info, num_images, target, lambda text: print(text, file=sys.stderr, flush=True))
    print(table(found, target, config))
    if arguments.json:
        with command.writing(arguments.json, "--json"):
            arguments.json.write_text(json.dumps({"target": target.name} | found._asdict(), indent=2) + "\n")
    return command.DONE


def described(arguments):
    """Info and size of a data set of which only the measures are known."""
    from jaxgan.data import Info
    if not re.fullmatch(r"[1-9]\d*x[1-9]\d*x[1-9]\d*", arguments.shape):
        raise InputError(f"--shape={arguments.shape}: write height, width and channels, such as 256x256x3.")
    if arguments.classes < 0 or arguments.images < 1:
        raise InputError("--classes needs a number from 0, --images one from 1.")
    count = arguments.classes
    info = Info("described", tuple(map(int, arguments.shape.split("x"))), num_classes=count,
                label_kind="class" if count else "none", label_frequencies=(1 / count,) * count if count else (),
                class_names=tuple(map(str, range(count))))
    return info, arguments.images


def opened(config):
    """Info and size of the config's own data."""
    from jaxgan import data
    try:
        source = data.open(config["data"])
    except InputError as error:
        raise InputError(f"{error} To plan without the data, describe them: --shape=HxWxC --classes=N.") from error
    return source.info, len(source)


def table(found, target, config) -> str:
    """The plan as people read it."""
    rows = [("parameters", ", ".join(f"{name} {count:,}" for name, count in found.parameters.items())),
            ("devices", f"{found.devices} × {target.chip.name if target.chip else target.devices[0].device_kind}"),
            ("batch", f"{found.batch_size:,}"),
            ("work an image", f"{found.flops_per_image / 1e9:,.2f} GFLOP"),
            ("memory a device", memory(found, target)),
            ("exchanged a step", f"{found.collective_bytes_per_step / 2**20:,.1f} MiB a device"),
            ("a step", span(found.step_seconds, 1000, "ms")),
            ("speed", span(found.images_per_second, 1, "images/s"))]
    if found.share_of_peak:
        rows.append(("share of peak", f"{100 * found.share_of_peak:.3g} % of bfloat16 at the slower end"))
    rows += [(f"{config['total_kimg']:,g} thousand images", duration(found.hours)),
             ("of all devices together", duration(found.device_hours))]
    lines = [f"{name:<24}{value}" for name, value in rows]
    note = "Timed on noise; reading data, evaluation and checkpoints come on top."
    if target.chip:
        note = ("These are the compiler's estimates, not measurements. The faster end is what the chip's FLOP/s "
                "allow at best, the slower one the cycles the compiler expects of "
                f"{found.modelled:.0%} of the operations, which it has a model for. Waiting for data and for others, "
                "evaluation and checkpoints come on top.")
    lines += ["", textwrap.fill(note, 100)]
    return "\n".join(lines)


def memory(found, target) -> str:
    text = f"{found.memory_per_device / 2**30:,.2f} GiB"
    return f"{text} of {target.chip.memory / 2**30:.0f}" if target.chip else text


def span(ends, scale: float, unit: str) -> str:
    low, high = (f"{end * scale:,.3g}" if end * scale < 1000 else f"{end * scale:,.0f}" for end in sorted(ends))
    return f"{low} {unit}" if low == high else f"{low} – {high} {unit}"


def duration(hours) -> str:
    unit, scale = ("hours", 1) if max(hours) >= 2 else ("minutes", 60) if max(hours) >= 1 / 30 else ("seconds", 3600)
    return span(hours, scale, unit)


if __name__ == "__main__":
    command.run(main)
