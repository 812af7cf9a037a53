"""Makes ready what is fetched once: data sets of TensorFlow Datasets, and the published weights that scores need.

    python -m jaxgan.prepare --dataset=mnist [--dir=D]
    python -m jaxgan.prepare --weights=inception [--from=FILE]

Downloading and building data sets need TensorFlow, `pip install 'jaxgan[prepare]'`; training on the result does not.
Weights are checked against their known sha256 and converted; the pickle inside them is never run.
"""

import importlib.util
from pathlib import Path

from jaxgan import catalogue, command
from jaxgan.data.tfds import data_folder, parse, prepared_folder, tensorflow_datasets, unknown
from jaxgan.errors import InputError


def main(argv: list[str]) -> None:
    """Prepares what `argv` names, unless it is there already, and prints where it is."""
    parser = command.Parser(prog="jaxgan.prepare", description="Fetch and build data sets and weights for jaxgan.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--dataset", metavar="NAME", help="a TFDS set: mnist, or name/config, or name:version")
    what.add_argument("--weights", metavar="NAME", help="inception, dinov2-s, dinov2-b or dinov2-l; inception-custom "
                      "or dinov2-custom for other weights of these networks")
    parser.add_argument("--dir", help="for --dataset: where to build it (default: TFDS_DATA_DIR, else "
                        "~/tensorflow_datasets)")
    parser.add_argument("--from", dest="source", metavar="FILE", type=Path,
                        help="for --weights: the file, where it is on this machine already")
    arguments = parser.parse_args(argv)
    if (arguments.source and arguments.dataset) or (arguments.dir and arguments.weights):
        raise InputError("--dir goes with --dataset, --from with --weights.")
    if arguments.weights:
        prepare_weights(arguments.weights, arguments.source)
    else:
        prepare_dataset(arguments.dataset, arguments.dir)


def prepare_weights(name: str, source: Path | None) -> None:
    """Converts `source`, or else the published file, which is fetched unless its conversion is there and sound."""
    from jaxgan.metrics.backbones import WEIGHTS, weights

    if name not in WEIGHTS:
        raise InputError(f"--weights: there are none called {name!r}. {catalogue.suggest(name, WEIGHTS)}")
    found = None if source else weights.find(name, WEIGHTS[name])
    if found:
        print(f"{name} is prepared already, in {found}")
    else:
        print(f"{name} is prepared in {weights.prepare(name, WEIGHTS[name], source)}")


def prepare_dataset(dataset: str, directory: str | None) -> None:
    name, _, _ = parse(dataset, "--dataset")
    folder = data_folder(directory)
    found = prepared_folder(dataset, folder, "--dataset")
    if found:
        print(f"{dataset} is prepared already, in {found}")
        return
    if refusal := unknown(name, "--dataset"):
        raise refusal
    if importlib.util.find_spec("tensorflow") is None:
        raise InputError(f"Building {dataset} needs TensorFlow: pip install 'jaxgan[prepare]'.")
    builder = tensorflow_datasets().builder(dataset, data_dir=folder, file_format="array_record")
    builder.download_and_prepare()
    print(f"{dataset} is prepared in {builder.data_dir}")


if __name__ == "__main__":
    command.run(main)
