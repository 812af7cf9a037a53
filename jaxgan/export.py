"""A trained generator for other programs: `python -m jaxgan.export --workdir=outputs/dcgan-digits --output=exported`.

Writes weights (safetensors), programs that need no jaxgan (StableHLO, ONNX), and a model card; --push puts them on the
Hugging Face Hub.
"""

from pathlib import Path

from jaxgan import command
from jaxgan.errors import InputError

FORMATS = ("safetensors", "stablehlo", "onnx")
DEFAULT = "safetensors,stablehlo"


def parse(argv: list[str]):
    """The command's arguments."""
    parser = command.Parser(prog="jaxgan.export", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--workdir", required=True, type=command.place, metavar="DIR",
                        help="a run that jaxgan.main or jaxgan.convert wrote")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="the folder to write")
    parser.add_argument("--format", default=DEFAULT,
                        help=f"of {', '.join(FORMATS)}, with commas, or all (default: {DEFAULT})")
    command.add_state(parser)
    parser.add_argument("--scores", type=Path, action="append", default=[], metavar="F.json",
                        help="for the card: what jaxgan.evaluate --json wrote; that in the run's folder is found")
    parser.add_argument("--licence", metavar="ID",
                        help="for the card: of the weights, as the Hub calls it, such as apache-2.0 or cc-by-4.0")
    parser.add_argument("--use", metavar="TEXT", help="for the card: what the generator is meant for")
    parser.add_argument("--push", metavar="hf:USER/NAME", help="upload the folder to the Hugging Face Hub")
    parser.add_argument("--private", action="store_true", help="with --push: a new repository is private")
    command.add_trust(parser)
    arguments = parser.parse_args(argv)
    arguments.format = FORMATS if arguments.format == "all" else tuple(arguments.format.split(","))
    if unknown := set(arguments.format) - set(FORMATS):
        raise InputError(f"--format={','.join(arguments.format)}: there is no {unknown.pop()!r}; there are "
                         f"{', '.join(FORMATS)}, and all.")
    if arguments.private and not arguments.push:
        raise InputError("--private goes with --push: give both or neither.")
    if arguments.licence is not None and not arguments.licence.replace("-", "").replace(".", "").isalnum():
        raise InputError(f"--licence={arguments.licence}: give an identifier, such as apache-2.0.")
    return arguments


def main(argv: list[str]) -> int:
    """Exports, and uploads where asked to; returns the exit code."""
    arguments = parse(argv)

    from jaxgan import compilation, exporting, images
    from jaxgan.interop import hub
    from jaxgan.portraits import evaluations
    from jaxgan.reporting import model_card, scores
    from jaxgan.trained import Trained
    if arguments.push:
        hub.repository(arguments.push, "--push")
    exporting.check_place(arguments.output)
    compilation.enable_cache()
    results = {path.name: scores.read_json(path) for path in arguments.scores}
    run = Trained(arguments.workdir, arguments.checkpoint, trust=arguments.trust)
    if run.info.kind == "point":
        raise InputError(f"{run.folder.name} makes points in the plane, not images: there is nothing to export.")
    weights = run.experiment.weights(run.state, arguments.raw)
    facts = {"step": run.step, "weights": "raw" if arguments.raw else "average"}
    output = arguments.output
    with command.writing(output):
        said = exporting.write(output, arguments.format, run.experiment.sampler, weights, run.config, run.info, facts)
        made = run.experiment.generate(weights, range(model_card.TILES))
        images.save_png(images.grid(made, columns=8), output / exporting.PICTURE)
        card = model_card.write(told(arguments, run, facts, weights, evaluations(run.folder.path) | results))
        with images.replacing(output / exporting.CARD) as file:
            file.write(card.encode())
    print("\n".join([f"Wrote {output} from step {run.step:,}:", *(f"  {line}" for line in said),
                     f"  {exporting.CARD}, {exporting.PICTURE}, {exporting.CONFIG}: the model card"]))
    if arguments.push:
        print(f"Uploaded to {hub.upload(output, arguments.push, arguments.private)}.")
    return command.DONE


def told(arguments, run, facts, weights, results):
    """What the card is made of."""
    import jax

    from jaxgan import exporting
    from jaxgan.reporting.model_card import Facts
    from jaxgan.training.logging import read_metrics
    _, inputs = exporting.generator_function(run.experiment.sampler, weights, run.info)
    records = read_metrics(run.folder.metrics_file) if run.folder.metrics_file.exists() else []
    scored = [{key: value for key, value in record.items() if key == "step" or key.startswith("eval/")}
              for record in records if record["step"] <= run.step and any(key.startswith("eval/") for key in record)]
    return Facts(
        name=run.folder.path.resolve().name, config=run.config, info=run.info, record=run.folder.record(), **facts,
        num_weights=sum(leaf.size for leaf in jax.tree.leaves(weights)),
        inputs={name: f"{each.dtype} [{', '.join(map(str, each.shape))}]"
                + ", truncation towards the mean, 1 for none" * (name == "psi") for name, each in inputs.items()},
        scores=results, trained=scored[-1] if scored else {}, licence=arguments.licence, use=arguments.use,
        address=arguments.push, files=sorted(path.name for path in arguments.output.iterdir()))


if __name__ == "__main__":
    command.run(main)
