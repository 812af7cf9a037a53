"""Images by seed from a run: `python -m jaxgan.sample --workdir=outputs/dcgan-digits --seeds=0-63 --output=grid.png`.

Seed 37 gives the same bytes alone, among others, and on any number of devices.
"""

import hashlib
import json
from pathlib import Path

from jaxgan import command
from jaxgan.errors import InputError
from jaxgan.shows import SHOWS, Scene

MAX_SEED = 2**32 - 1
ANIMATIONS = (".gif", ".webp", ".mp4")
NEEDED = {"cutoff": "truncation", "centres": "truncation", "walk": "interpolate", "open": "interpolate",
          "step_size": "langevin"}  # option -> the one it goes with
DEFAULTS = {"num_directions": 6, "backbone": "pixels", "step_size": 0.01}


def parse(argv: list[str]):
    """The command's arguments."""
    parser = command.Parser(prog="jaxgan.sample", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--workdir", required=True, type=command.place, metavar="DIR",
                        help="a run that jaxgan.main wrote")
    parser.add_argument("--seeds", help="such as 0-63 or 1,5,8-12 (default: 0-63; 0-7 with --interpolate, and with "
                                        "--show what suits it)")
    parser.add_argument("--output", required=True, type=Path, metavar="PATH",
                        help="grid.png: one picture; images.npz: arrays images, seeds, labels; a folder: a PNG a seed; "
                             "a .gif, .webp or .mp4 with --interpolate; a .png with --show")
    parser.add_argument("--labels", help="classes to make, such as 3 or 0-9, repeated over the seeds "
                                         "(default: drawn as often as in the data)")
    command.add_weights(parser)
    choosy = parser.add_mutually_exclusive_group()
    choosy.add_argument("--reject", metavar="P",
                        help="only seeds whose images the discriminator takes for real, as many as --seeds, from its "
                             "first on: the higher the percentile P, such as 80, the stricter; exact: as the data are")
    choosy.add_argument("--langevin", type=int, metavar="N",
                        help="N steps of each z, such as 100, to where the discriminator takes its image for real")
    parser.add_argument("--step_size", type=float, metavar="E",
                        help=f"with --langevin (default: {DEFAULTS['step_size']})")
    special = parser.add_mutually_exclusive_group()
    special.add_argument("--interpolate", type=int, metavar="N",
                         help="an animation: N pictures from each seed to the next, and back to the first")
    special.add_argument("--show", choices=tuple(SHOWS), help="a picture: what directions of the latent change (sefa, "
                         "pca), styles of other seeds mixed in (mixing), each seed in every class (classes), the "
                         "training images nearest to samples (neighbours), power over frequency (spectrum)")
    parser.add_argument("--walk", choices=("linear", "spherical"),
                        help="with --interpolate: straight lines or great arcs (default: arcs between normal z)")
    parser.add_argument("--open", action="store_true", default=None, help="with --interpolate: end at the last seed")
    parser.add_argument("--num_directions", type=int, metavar="K",
                        help=f"with --show=sefa or pca (default: {DEFAULTS['num_directions']})")
    parser.add_argument("--styles", metavar="SEEDS", help="with --show=mixing: whose styles (default: the next six)")
    parser.add_argument("--rows", help="with --show=mixing: which rows of w are theirs, such as 2-5 (default: each "
                                       "third: coarse, middle, fine)")
    parser.add_argument("--backbone", help="with --show=neighbours: what images are compared by: pixels, "
                                           "discriminator, classifier, inception, … (default: pixels)")
    parser.add_argument("--real", metavar="P", help="real images instead of the run's own, where such are needed: a "
                                                    "folder, an .npz, or DATASET:SPLIT such as mnist:test")
    command.add_trust(parser)
    arguments = parser.parse_args(argv)
    check_options(arguments)
    for name, value in DEFAULTS.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    return arguments


def check_options(arguments) -> None:
    """Refuses options that mean nothing without another, or beside another, and values that none can have."""
    command.check_needed(arguments, NEEDED)
    given = {name for name, value in vars(arguments).items() if value is not None}
    for name in sorted({option for show in SHOWS.values() for option in show.options} & given):
        takers = [show for show in SHOWS if name in SHOWS[show].options]
        if arguments.show not in takers and not (name == "real" and given & {"reject", "langevin"}):
            raise InputError(f"--{name} goes with --show={' or '.join(takers)}"
                             f"{', --reject or --langevin' if name == 'real' else ''}.")
    if arguments.langevin is not None and (arguments.langevin < 1 or arguments.truncation is not None):
        raise InputError(f"--langevin={arguments.langevin}: give a number of steps from 1, and no --truncation, for "
                         "z walks wherever its image looks real.")
    if arguments.step_size is not None and not 0 < arguments.step_size <= 1:
        raise InputError(f"--step_size={arguments.step_size:g}: give a number above 0, and at most 1.")
    if arguments.reject is not None:
        command.percentile(arguments.reject)
        if arguments.show == "classes":
            raise InputError("--show=classes has each seed in every class, of which --reject would look at one: leave "
                             "one of them out.")


def main(argv: list[str]) -> int:
    """Samples and writes; returns the exit code."""
    arguments = parse(argv)
    seeds = choose_seeds(arguments)
    output = arguments.output
    check_output(arguments)
    command.check_run(arguments.workdir, arguments.trust)

    from jaxgan import compilation
    from jaxgan.trained import Trained
    compilation.enable_cache()
    run = Trained(arguments.workdir, arguments.checkpoint, arguments.real, arguments.trust)
    labels = parse_labels(arguments.labels, run.info, len(seeds))
    if run.info.kind == "point" and (arguments.show or output.suffix not in (".png", ".npz")):
        raise InputError(f"--output={output}: points are no pictures one by one; write them to a .png or a .npz.")
    weights, truncation, described = run.choose_weights(arguments, classes_made(arguments, run, labels))
    facts = {"run": run.folder.name, "step": run.step, "weights": described}
    facts |= {} if truncation is None else {"truncation": truncation._asdict() | {"centres": arguments.centres}}
    if arguments.reject:
        seeds, labels, facts["rejection"] = reject(arguments, run, weights, seeds, labels, truncation)
    elif run.draw_labels and labels is None:
        labels = run.draw_labels(seeds)
    codes_of, walked = choose_codes(arguments, run, weights, truncation)
    scene = Scene(run, weights, seeds, codes_of(seeds, labels), labels, arguments, command.numbers, codes_of)
    with command.writing(output):
        if arguments.interpolate:
            written = animate(scene)
        elif arguments.show:
            written = show(scene)
        else:
            made = run.experiment.sampler.synthesize(weights, scene.codes, labels)
            written = write(output, made, seeds, labels, run.info, facts | walked)
    print(f"Wrote {written} from step {run.step:,}.")
    return command.DONE


def choose_seeds(arguments) -> list[int]:
    """The seeds asked for, or as many as suit what is made of them."""
    default = "0-7" if arguments.interpolate else SHOWS[arguments.show].seeds if arguments.show else "0-63"
    return command.numbers(default if arguments.seeds is None else arguments.seeds, "--seeds", MAX_SEED)


def classes_made(arguments, run, labels):
    """The classes that may be made, for --centres."""
    if not run.info.num_classes or run.info.label_kind == "vector":
        return None
    every = labels is None or arguments.show in ("classes", "mixing")
    return range(run.info.num_classes) if every else sorted(set(labels.tolist()))


def reject(arguments, run, weights, seeds, labels, truncation):
    """The seeds that are kept, their labels, and how they were found, for the record."""
    from jaxgan.latents import rejection
    if seeds != list(range(seeds[0], seeds[-1] + 1)):
        raise InputError(f"--seeds={arguments.seeds}: with --reject give one range, such as 0-63: it is looked for as "
                         "many from its first on.")
    first = seeds[0]
    calibration, ratios = run.calibration(weights, truncation)
    rule = rejection.make_rule(ratios, command.percentile(arguments.reject))

    def log_ratio(seeds, labels):
        made = run.experiment.sampler(weights, seeds, labels, truncation)
        return calibration.log_ratio(run.judge("logit", made, labels))
    labels_of, wanted = run.draw_labels, labels
    if labels is not None:
        def labels_of(seeds):
            return labels[(seeds - first) % len(labels)]
    elif run.info.label_kind == "class":
        wanted = run.draw_labels(seeds)
    kept = rejection.search(rule, log_ratio, first, len(seeds), labels_of, wanted)
    print(f"Kept {kept.rate:.1%} of {kept.tried:,} seeds; the discriminator tells {calibration.accuracy:.0%} of real "
          "images and fakes apart.")
    return kept.seeds, kept.labels, {"reject": arguments.reject, **rule._asdict(), "tried": kept.tried,
                                     "rate": kept.rate, "calibration": calibration._asdict()}


def choose_codes(arguments, run, weights, truncation):
    """(seeds, labels) -> codes as the options have them, and how they come about, for the record."""
    sampler = run.experiment.sampler
    if arguments.langevin is None:
        return lambda seeds, labels: sampler.codes(weights, seeds, labels, truncation), {}
    from jaxgan import catalogue
    from jaxgan.latents.langevin import langevin
    prior, _ = catalogue.split_spec(run.config["latent"], "latent")
    if prior != "normal":
        raise InputError(f"--langevin walks through normal z, and this run's config.latent is {prior}.")
    calibration, _ = run.calibration(weights, None)
    both = {"generator": weights, "discriminator": run.discriminator}
    network = run.experiment.parts.networks["discriminator"]
    facts = {"langevin": {"steps": arguments.langevin, "step_size": arguments.step_size,
                          "calibration": calibration._asdict()}}
    return lambda seeds, labels: langevin(sampler, network, both, calibration, seeds, labels, arguments.langevin,
                                          arguments.step_size), facts


def check_output(arguments) -> None:
    """Refuses what cannot be written before anything is computed."""
    from jaxgan import images
    output = arguments.output
    if arguments.interpolate is not None:
        if arguments.interpolate < 1:
            raise InputError(f"--interpolate={arguments.interpolate}: give a number of pictures from 1.")
        if output.suffix not in ANIMATIONS:
            raise InputError(f"--output={output}: --interpolate writes to a .gif, .webp or .mp4.")
        images.check_animation(output)
    elif output.suffix in ANIMATIONS:
        raise InputError(f"--output={output}: for an animation say --interpolate=N, N pictures from seed to seed.")
    elif arguments.show and output.suffix != ".png":
        raise InputError(f"--output={output}: --show writes to a .png.")
    elif output.suffix not in (".png", ".npz", ""):
        raise InputError(f"--output={output}: write to a .png, a .npz, or a folder (a name without an ending).")
    if output.suffix and not output.parent.is_dir():
        raise InputError(f"--output={output}: there is no folder {output.parent}; make it first.")
    if output.suffix and output.is_dir():
        raise InputError(f"--output={output} is a folder: give the name of a file in it.")
    if not output.suffix and output.exists() and not output.is_dir():
        raise InputError(f"--output={output} is a file: give a folder, or a name ending in .png or .npz.")


def parse_labels(text: str | None, info, count: int):
    """The classes asked for, repeated to int32 [count]; None where the data decide."""
    import numpy as np
    if text is None:
        return None
    if info.label_kind != "class":
        raise InputError("--labels: this run was trained without class labels; leave the option out.")
    return np.resize(np.asarray(command.numbers(text, "--labels", info.num_classes - 1), np.int32), count)


def write(output: Path, made, seeds, labels, info, facts) -> str:
    """Writes images or points in the form `output` asks for; returns what was written, in words."""
    import numpy as np

    from jaxgan import images
    points = info.kind == "point"
    data = made if points else images.to_uint8(made)
    if output.suffix == ".npz":
        arrays = {"images": data, "seeds": np.asarray(seeds, np.uint32)}
        arrays |= {} if labels is None else {"labels": labels}
        with images.replacing(output) as file:
            np.savez_compressed(file, **arrays)
        return f"{output} ({len(data):,} images)"
    if output.suffix == ".png":
        images.save_png(draw(data, points), output)
        return f"{output} ({len(data):,} images)"
    return write_folder(output, data, seeds, labels, facts)


def animate(scene: Scene) -> str:
    """Writes the way through the seeds; returns what was written, in words."""
    from jaxgan import images
    from jaxgan.latents.interpolation import walk
    run, options = scene.run, scene.options
    path = walk(scene.sampler, scene.weights, scene.seeds, scene.codes, scene.labels, run.info.num_classes,
                options.interpolate, options.walk, closed=not options.open)
    made = images.to_uint8(scene.sampler.synthesize(scene.weights, path.codes, path.labels))
    images.save_animation(images.captioned(made, path.captions), options.output)
    return f"{options.output} ({len(made):,} pictures through {len(scene.seeds):,} seeds)"


def show(scene: Scene) -> str:
    """Writes the picture of --show; returns what was written, in words."""
    from jaxgan import images
    picture, words = SHOWS[scene.options.show].draw(scene)
    images.save_png(picture, scene.options.output)
    return f"{scene.options.output} ({words})"


def draw(data, points: bool):
    """One picture of all: a grid, or for points a scatter."""
    from jaxgan import images
    if points:
        return images.scatter(data.reshape(len(data), -1), title=f"{len(data):,} samples")
    return images.grid(data)


def write_folder(output: Path, data, seeds, labels, facts) -> str:
    """One PNG a seed, and samples.json with each file's seed, label and sha256."""
    from jaxgan import images
    output.mkdir(parents=True, exist_ok=True)
    entries = []
    for index, (image, seed) in enumerate(zip(data, seeds, strict=True)):
        path = output / f"seed{seed:06d}.png"
        images.save_png(image, path)
        label = {} if labels is None or labels.ndim == 4 else {"label": labels[index].tolist()}  # images are no facts
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entries.append({"file": path.name, "seed": seed} | label | {"sha256": digest})
    with images.replacing(output / "samples.json") as file:
        file.write((json.dumps(facts | {"samples": entries}, indent=2) + "\n").encode())
    return f"{len(entries):,} images and samples.json in {output}"


if __name__ == "__main__":
    command.run(main)
