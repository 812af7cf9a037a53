"""Builds a TensorFlow Datasets set on this machine: `python -m jaxgan.prepare --dataset=mnist [--dir=D]`.

Downloading and building need TensorFlow, `pip install 'jaxgan[prepare]'`; training on the result does not.
"""

import importlib.util

from jaxgan import command
from jaxgan.data.tfds import data_folder, parse, prepared_folder, tensorflow_datasets, unknown
from jaxgan.errors import InputError


def main(argv: list[str]) -> None:
    """Builds what `argv` names, unless it is there already, and prints the folder."""
    parser = command.Parser(prog="jaxgan.prepare", description="Download a TFDS data set and build it for jaxgan.")
    parser.add_argument("--dataset", required=True, metavar="NAME", help="mnist, or name/config, or name:version")
    parser.add_argument("--dir", help="where to build it (default: TFDS_DATA_DIR, else ~/tensorflow_datasets)")
    arguments = parser.parse_args(argv)
    name, _, _ = parse(arguments.dataset, "--dataset")
    folder = data_folder(arguments.dir)
    found = prepared_folder(arguments.dataset, folder, "--dataset")
    if found:
        print(f"{arguments.dataset} is prepared already, in {found}")
        return
    if refusal := unknown(name, "--dataset"):
        raise refusal
    if importlib.util.find_spec("tensorflow") is None:
        raise InputError(f"Building {arguments.dataset} needs TensorFlow: pip install 'jaxgan[prepare]'.")
    builder = tensorflow_datasets().builder(arguments.dataset, data_dir=folder, file_format="array_record")
    builder.download_and_prepare()
    print(f"{arguments.dataset} is prepared in {builder.data_dir}")


if __name__ == "__main__":
    command.run(main)
