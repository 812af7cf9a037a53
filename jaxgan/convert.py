"""Published PyTorch weights, made into a run: `python -m jaxgan.convert --from=ffhq.pkl --workdir=outputs/ffhq`.

Reads network snapshots of StyleGAN2-ADA, StyleGAN3 and R3GAN (.pkl), state_dicts of BigGAN-PyTorch and
PyTorch-StudioGAN (.pth), and any of these as .safetensors. Nothing in a file is ever run.
"""

from pathlib import Path

from jaxgan import command
from jaxgan import config as config_lib


def parse(argv: list[str]):
    """The command's arguments, and options of the run."""
    parser = command.Parser(prog="jaxgan.convert", description=__doc__.split("\n")[0], allow_abbrev=False,
                            epilog="What a file does not tell is set as --config.KEY=VALUE, such as "
                                   "--config.generator.norm_eps=1e-4.")
    parser.add_argument("--from", dest="source", required=True, type=Path, metavar="FILE",
                        help="a .pkl, .pth, .pt or .safetensors with a generator, or with all networks of a training")
    parser.add_argument("--discriminator", type=Path, metavar="FILE", help="where the discriminator has its own file")
    parser.add_argument("--average", type=Path, metavar="FILE",
                        help="where the generator's averaged weights have their own file")
    parser.add_argument("--workdir", required=True, type=command.place, metavar="DIR",
                        help="the run to write: a new folder")
    parser.add_argument("--classes", metavar="A,B,C", help="names of the classes, in order")
    overrides, rest = command.split_overrides(argv)
    return parser.parse_args(rest), overrides


def main(argv: list[str]) -> int:
    """Converts and writes; returns the exit code."""
    arguments, overrides = parse(argv)
    config = config_lib.default()
    names = arguments.classes.split(",") if arguments.classes else None

    from jaxgan import compilation, conversion
    compilation.enable_cache()
    files = {"": arguments.source, "discriminator": arguments.discriminator, "average": arguments.average}
    found = conversion.collect({role: path for role, path in files.items() if path})
    print(conversion.write(found, config, overrides, names, arguments.workdir))
    return command.DONE


if __name__ == "__main__":
    command.run(main)
