"""The latents of given images: `python -m jaxgan.invert --workdir=outputs/dcgan-digits --images=P --output=DIR`.

Writes projections.png, the images beside what the generator makes of their codes; codes.npz; and invert.json.
"""

import json
from pathlib import Path

from jaxgan import command
from jaxgan.errors import InputError


def parse(argv: list[str]):
    """The command's arguments."""
    parser = command.Parser(prog="jaxgan.invert", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--workdir", required=True, type=command.place, metavar="DIR",
                        help="a run that jaxgan.main wrote")
    parser.add_argument("--images", required=True, metavar="P",
                        help="a folder of images, an .npz, or DATASET:SPLIT such as mnist:test; brought to the run's "
                             "size and channels; their labels are used where they are the run's")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="the folder to write to")
    parser.add_argument("--num", type=int, default=16, metavar="N", help="the first N images (default: 16)")
    parser.add_argument("--space", choices=("z", "w", "w+"),
                        help="what is looked for: z, or for generators with a w, w or one for each of its rows, w+ "
                             "(default: z or w)")
    parser.add_argument("--steps", type=int, default=400, help="of Adam (default: 400)")
    parser.add_argument("--restarts", type=int, default=4, metavar="R", help="beginnings for each image (default: 4)")
    parser.add_argument("--feature_weight", type=float, default=0.0, metavar="X",
                        help="of the error of the backbone's features, beside that of pixels (default: 0)")
    parser.add_argument("--backbone", help="with --feature_weight: discriminator, classifier, inception, … (default: "
                                           "discriminator)")
    parser.add_argument("--real", metavar="P", help="with --backbone: data that a classifier is trained on, instead of "
                                                    "the run's own")
    command.add_state(parser)
    command.add_trust(parser)
    arguments = parser.parse_args(argv)
    for name, least in (("num", 1), ("steps", 1), ("feature_weight", 0)):
        if getattr(arguments, name) < least:
            raise InputError(f"--{name}={getattr(arguments, name)}: give {least} or more.")
    if not arguments.feature_weight and arguments.backbone:
        raise InputError(f"--backbone={arguments.backbone} goes with a --feature_weight above 0, such as 0.1.")
    if arguments.real and not arguments.backbone:
        raise InputError("--real goes with --backbone: leave it out.")
    command.check_folder(arguments.output)
    return arguments


def main(argv: list[str]) -> int:
    """Projects and writes; returns the exit code."""
    arguments = parse(argv)
    command.check_run(arguments.workdir, arguments.trust)

    from jaxgan import compilation
    from jaxgan.images import from_uint8
    from jaxgan.latents.inversion import project
    from jaxgan.trained import Trained
    compilation.enable_cache()
    run = Trained(arguments.workdir, arguments.checkpoint, arguments.real, arguments.trust)
    given = read(arguments, run.info)
    targets, sampler = from_uint8(given.images), run.experiment.sampler
    space = arguments.space or ("w" if sampler.has_w else "z")
    backbone = arguments.backbone or "discriminator"
    features = run.perceptual(backbone) if arguments.feature_weight else None
    found = project(sampler, run.experiment.weights(run.state, arguments.raw), targets, given.labels, run.draw_labels,
                    space=space, num_steps=arguments.steps, restarts=arguments.restarts, features=features,
                    feature_weight=arguments.feature_weight)
    with command.writing(arguments.output):
        write(arguments, found, targets, run.step, space, backbone if features else None)
    print(f"Wrote projections.png, codes.npz and invert.json to {arguments.output}: {len(targets)} images, mean PSNR "
          f"{found.psnr.mean():.1f} dB.")
    return command.DONE


def read(arguments, info):
    """The images, at the run's size, and their labels, where the run knows such."""
    import numpy as np

    from jaxgan.data.source import Arrays
    from jaxgan.data.source import read as read_source
    from jaxgan.inputs import open_data
    if info.kind == "point":
        raise InputError("--workdir: this run makes points in the plane, not images.")
    source = open_data(arguments.images, "--images", info.shape).source
    if source.info.shape != info.shape:
        raise InputError(f"--images={arguments.images}: these are {source.info.shape}, the run's {info.shape}.")
    arrays = read_source(source, np.arange(min(arguments.num, len(source))))
    same = info.num_classes and (source.info.label_kind, source.info.class_names) == (info.label_kind, info.class_names)
    return arrays if same else Arrays(arrays.images, None)


def write(arguments, found, targets, step, space, backbone) -> None:
    """The picture, the codes, and a record of both."""
    import numpy as np

    from jaxgan import images
    from jaxgan.latents.inversion import SHOWN, picture
    folder = arguments.output
    name = Path(arguments.workdir).resolve().name
    count = f", the first {SHOWN} of {len(targets)}" if len(targets) > SHOWN else ""
    title = f"projected to {space} of {name}, step {step:,}: {found.psnr.mean():.1f} dB{count}"
    images.save_png(picture(found, targets, title), folder / "projections.png")
    arrays = {"codes": found.codes, "psnr": found.psnr, "images": found.images}
    arrays |= {} if found.labels is None else {"labels": found.labels}
    with images.replacing(folder / "codes.npz") as file:
        np.savez_compressed(file, **arrays)
    entries = [{"index": index, "psnr": float(value)} | ({} if found.labels is None else
                                                         {"label": found.labels[index].tolist()})
               for index, value in enumerate(found.psnr)]
    record = {"run": str(arguments.workdir), "step": step, "weights": "raw" if arguments.raw else "average",
              "images": arguments.images, "space": space, "steps": arguments.steps, "restarts": arguments.restarts,
              "feature_weight": arguments.feature_weight, "backbone": backbone,
              "mean_psnr": float(found.psnr.mean()), "projections": entries}
    with images.replacing(folder / "invert.json") as file:
        file.write((json.dumps(record, indent=2) + "\n").encode())


if __name__ == "__main__":
    command.run(main)
