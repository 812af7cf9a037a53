"""The console script: `jaxgan train --config=dcgan` is `python -m jaxgan.main --config=dcgan`."""

import importlib

from jaxgan import __version__, command
from jaxgan.catalogue import suggest
from jaxgan.errors import InputError

COMMANDS = {  # word -> (module, what it does)
    "train": ("main", "train a run, or resume it"),
    "sample": ("sample", "images by seed, animations, pictures of what a generator does"),
    "synthesize": ("synthesize", "labelled data sets and scenes for object detection, each with a card"),
    "enhance": ("enhance", "images made better by a run that makes images from images"),
    "evaluate": ("evaluate", "scores of a run or of images, each with its protocol"),
    "audit": ("audit", "what a run gives away of its training images"),
    "invert": ("invert", "the latents of given images"),
    "report": ("report", "runs as one page"),
    "export": ("export", "a generator for other programs, with a model card"),
    "convert": ("convert", "published PyTorch weights, made into a run"),
    "prepare": ("prepare", "fetch and build data sets and the weights of metrics"),
    "plan": ("plan", "what a config costs before it runs"),
}


def usage() -> str:
    """What --help says."""
    lines = [f"  {word:<12}{what}" for word, (_, what) in COMMANDS.items()]
    return "\n".join(["usage: jaxgan COMMAND [options]", "", *lines, "",
                      "`jaxgan COMMAND --help` lists the options of one; `jaxgan --version` says which this is."])


def main(argv: list[str]) -> int:
    """Hands the rest of the line to the command named first; returns its exit code."""
    word, *rest = argv or ["--help"]
    if word in ("-h", "--help"):
        print(usage())
        return command.DONE
    if word == "--version":
        print(__version__)
        return command.DONE
    if word not in COMMANDS:
        raise InputError(f"There is no command {word!r}. {suggest(word, COMMANDS)}")
    return importlib.import_module(f"jaxgan.{COMMANDS[word][0]}").main(rest) or command.DONE


def entry() -> None:
    """The console script itself."""
    command.run(main)
