"""Images by seed from a run: `python -m jaxgan.sample --workdir=outputs/dcgan-digits --seeds=0-63 --output=grid.png`.

Seed 37 gives the same bytes alone, among others, and on any number of devices.
"""

import hashlib
import json
from pathlib import Path

from jaxgan import command
from jaxgan.errors import InputError

MAX_SEED = 2**32 - 1
ANIMATIONS = (".gif", ".webp", ".mp4")


def parse(argv: list[str]):
    """The command's arguments."""
    parser = command.Parser(prog="jaxgan.sample", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--workdir", required=True, type=Path, metavar="DIR", help="a run that jaxgan.main wrote")
    parser.add_argument("--seeds", help="such as 0-63 or 1,5,8-12 (default: 0-63; 0-7 with --interpolate, 0-2 with "
                                        "--directions)")
    parser.add_argument("--output", required=True, type=Path, metavar="PATH",
                        help="grid.png: one picture; images.npz: arrays images, seeds, labels; a folder: a PNG a seed; "
                             "a .gif, .webp or .mp4 with --interpolate")
    parser.add_argument("--labels", help="classes to make, such as 3 or 0-9, repeated over the seeds "
                                         "(default: drawn as often as in the data)")
    parser.add_argument("--checkpoint", default="latest", help="latest, best or a step (default: latest)")
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--raw", action="store_true", help="the weights of the last step, not their average")
    weights.add_argument("--average_std", type=float, metavar="STD",
                         help="an average as wide as this share of training, put together from those that "
                              "config.average_every stored")
    parser.add_argument("--standing", type=int, metavar="N",
                        help="BatchNorm statistics over N fresh batches of samples, not the running ones")
    parser.add_argument("--truncation", type=float, metavar="PSI",
                        help="less variety, better looks: w drawn towards its mean, such as 0.7; without a w, no entry "
                             "of z beyond PSI")
    parser.add_argument("--cutoff", type=int, metavar="N", help="with --truncation: of the first N rows of w alone")
    special = parser.add_mutually_exclusive_group()
    special.add_argument("--interpolate", type=int, metavar="N",
                         help="an animation: N pictures from each seed to the next, and back to the first")
    special.add_argument("--directions", choices=("sefa", "pca"), help="a picture of what directions of z or w change")
    parser.add_argument("--num_directions", type=int, default=6, metavar="K", help="with --directions (default: 6)")
    return parser.parse_args(argv)


def numbers(text: str, option: str, limit: int) -> list[int]:
    """`"1,5,8-12"` -> [1, 5, 8, 9, 10, 11, 12]. Raises InputError for what is not that, or above `limit`."""
    found = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(f"{option}={text}: {part!r} is no number or range; write something like 0-63 or 1,5,8-12.")
        low, high = int(first), int(last or first)
        if high < low:
            raise InputError(f"{option}={text}: the range {part} runs backwards; write {high}-{low}.")
        if high > limit:
            raise InputError(f"{option}={text}: {high} is too large; the largest is {limit}.")
        if high - low >= 10_000_000:
            raise InputError(f"{option}={text}: that is more than ten million; ask for fewer at a time.")
        found += range(low, high + 1)
    return found


def main(argv: list[str]) -> int:
    """Samples and writes; returns the exit code."""
    arguments = parse(argv)
    seeds = choose_seeds(arguments)
    output = arguments.output
    check_output(arguments)

    from jaxgan import compilation
    from jaxgan.experiment import Experiment
    from jaxgan.runs import RunFolder
    from jaxgan.training.checkpoints import Checkpoints
    folder = RunFolder(arguments.workdir)
    config, info = folder.config(), folder.info()
    labels = parse_labels(arguments.labels, info, len(seeds))
    if info.kind == "point" and output.suffix not in (".png", ".npz"):
        raise InputError(f"--output={output}: points are no pictures one by one; write to a .png or a .npz.")
    compilation.enable_cache()
    experiment = Experiment(config, info)
    checkpoints = Checkpoints(folder.checkpoints, read_only=True)
    step = checkpoints.choose(arguments.checkpoint)
    state = checkpoints.restore(step, experiment.abstract_state())
    checkpoints.close()
    if info.num_classes and labels is None:
        labels = experiment.draw_labels(seeds)
    truncation = choose_truncation(arguments, experiment)
    weights, described = choose_weights(arguments, experiment, folder, state, truncation)
    facts = {"run": str(folder.path), "step": step, "weights": described}
    facts |= {} if truncation is None else {"truncation": truncation._asdict()}
    try:
        if arguments.interpolate:
            written = animate(arguments, experiment, weights, seeds, labels, truncation)
        elif arguments.directions:
            written = edit(arguments, experiment, weights, seeds, labels, truncation, step)
        else:
            made = experiment.generate(weights, seeds, labels, truncation)
            written = write(output, made, seeds, labels, info, facts)
    except OSError as error:
        raise InputError(f"Cannot write {output} ({error.strerror}): choose another --output.") from error
    print(f"Wrote {written} from step {step:,}.")
    return command.DONE


def choose_seeds(arguments) -> list[int]:
    """The seeds asked for, or as many as suit what is made of them."""
    default = "0-7" if arguments.interpolate else "0-2" if arguments.directions else "0-63"
    return numbers(arguments.seeds or default, "--seeds", MAX_SEED)


def choose_truncation(arguments, experiment):
    """The truncation the options ask for; None for none."""
    from jaxgan.latents.sampling import Truncation
    if arguments.truncation is None:
        if arguments.cutoff is not None:
            raise InputError("--cutoff goes with --truncation: give both or neither.")
        return None
    truncation = Truncation(arguments.truncation, arguments.cutoff)
    experiment.sampler.check(truncation)
    return truncation


def choose_weights(arguments, experiment, folder, state, truncation):
    """The weights the options ask for, and what they are in words."""
    weights, described = experiment.weights(state, arguments.raw), "raw" if arguments.raw else "average"
    if arguments.average_std is not None:
        weights = experiment.stored_averages(folder.averages).reconstruct(arguments.average_std, int(state.step))
        described = f"average of std {arguments.average_std:g}"
    if arguments.standing is not None:
        if arguments.standing < 1:
            raise InputError(f"--standing={arguments.standing}: give a number of batches from 1.")
        weights = experiment.standing(weights, arguments.standing, truncation)
        described += f", statistics of {arguments.standing} batches"
    return weights, described


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
    elif arguments.directions and output.suffix != ".png":
        raise InputError(f"--output={output}: --directions writes to a .png.")
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
    return np.resize(np.asarray(numbers(text, "--labels", info.num_classes - 1), np.int32), count)


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


def animate(arguments, experiment, weights, seeds, labels, truncation) -> str:
    """Writes the closed loop through the seeds; returns what was written, in words."""
    from jaxgan import images
    from jaxgan.latents.interpolation import walk
    path = walk(experiment.sampler, weights, seeds, labels, experiment.info.num_classes, arguments.interpolate,
                truncation)
    made = images.to_uint8(experiment.sampler.synthesize(weights, path.codes, path.labels))
    images.save_animation(images.captioned(made, path.captions), arguments.output)
    return f"{arguments.output} ({len(made):,} pictures through {len(seeds):,} seeds)"


def edit(arguments, experiment, weights, seeds, labels, truncation, step) -> str:
    """Writes the picture of directions; returns what was written, in words."""
    from jaxgan import images
    from jaxgan.latents import directions
    if experiment.info.kind == "point":
        raise InputError("--directions: points in the plane are no pictures to edit.")
    sampler, method = experiment.sampler, arguments.directions
    draw_labels = experiment.draw_labels if experiment.info.num_classes else None
    found = directions.find(method, sampler, weights, draw_labels, arguments.num_directions)
    codes = sampler.codes(weights, seeds, labels, truncation)
    title = (f"{'SeFa' if method == 'sefa' else 'PCA'}: {'w' if sampler.has_w else 'z'} of "
             f"{arguments.workdir.resolve().name}, step {step:,}, moved along directions")
    images.save_png(directions.strip(sampler, weights, seeds, codes, labels, found, title), arguments.output)
    return f"{arguments.output} ({len(found.vectors)} directions of {len(seeds):,} seeds)"


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
        label = {} if labels is None else {"label": labels[index].tolist()}
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entries.append({"file": path.name, "seed": seed} | label | {"sha256": digest})
    with images.replacing(output / "samples.json") as file:
        file.write((json.dumps(facts | {"samples": entries}, indent=2) + "\n").encode())
    return f"{len(entries):,} images and samples.json in {output}"


if __name__ == "__main__":
    command.run(main)
