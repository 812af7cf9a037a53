"""The command and Python blocks of the README and of docs/ are what works.

A page is a script: its `bash` and `python` blocks from top to bottom, in one folder. A Python block that begins with
`# NAME.py` is saved under that name; `text` blocks are no input. Of every page all commands are parsed, their configs
loaded and their extras looked up; pages are also executed, with what makes it seconds added to each command (SHORTER),
but for what cannot be done here (NOT_EXECUTED). All of that happens in this process.
"""

import importlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from jaxgan import cli, prepare
from jaxgan import config as config_lib

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]
WITH_BLOCKS = [page for page in PAGES if re.search(r"^```(bash|python)", (ROOT / page).read_text(), re.MULTILINE)]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
MODULES = {module for module, _ in cli.COMMANDS.values()}

# Programs that are not ours: what is told to them is checked as far as it is a command of jaxgan.
OTHERS = {"pip": "extras are looked up", "pytest": "this is it", "export": "sets variables", "cd": "moves",
          "gcloud": "needs a project at Google", "curl": "fetches uv", "sh": "installs uv",
          "~/.local/bin/uv": "extras are looked up", "srun": "needs Slurm", "scontrol": "needs Slurm",
          "[": "of the Slurm script", "tail": "follows a log", "nohup": "starts on a pod"}

# Commands that are parsed alone: what is in the line -> why.
NOT_EXECUTED = {
    ":mnist": "needs a prepared TFDS set",
    "cifar10": "needs a prepared TFDS set",
    "tfds:": "needs a prepared TFDS set",
    "jaxgan.prepare": "downloads",
    "jaxgan.convert": "needs published weights",
    "outputs/biggan": "needs published weights",
    "outputs/converted": "needs published weights",
    "outputs/ffhq": "needs published weights",
    "--push": "uploads",
    "--target": "compiles for a TPU for minutes; tests/commands/test_plan_command.py does",
    "--multihost": "needs other processes; tests/commands/test_multihost.py has them",
    "gs://": "needs a bucket; tests/commands/test_buckets.py has one",
    "freeze=down1": "the layer is one of DCGAN's, which takes long; tests/training/test_transfer.py has it",
    "/data/photos": "a placeholder, of a machine with eight GPUs",
    "my/fakes": "fetches Inception",
    "samples.npz --real=mnist": "needs a prepared TFDS set",
    "pix2pix": "trains for long; tests/test_pix2pix.py does, small",
    "cyclegan": "trains for long; tests/test_cyclegan.py does, small",
    "--compare a.json": "of scores that were not computed; tests/commands/test_evaluate_command.py has some",
    "my_parts": "tests/test_readme.py trains with all of it",
    "--scenes": "needs images with objects in them; tests/commands/test_synthesize_command.py has them",
    "onnx": "tests/commands/test_export_command.py writes one, which takes long",
}

MLP = "{'name': 'mlp', 'width': 16, 'depth': 1}"
BRIEF = tuple(f"--config.{text}" for text in (
    "total_kimg=0.64", "batch_size=16", "num_critic=1", "log_every=20", "sample_every=20", "checkpoint_every=20"))
SHORTER = {
    "main": (*BRIEF, "--quiet"),
    "plan": BRIEF,
    "evaluate": ("--num=64", "--draws=1", "--backbone=pixels"),
    "invert": ("--steps=2", "--restarts=1"),
    "synthesize": ("--card=none",),
    "audit": ("--num=100",),
}
SMALL = (f"--config.generator={MLP}", f"--config.discriminator={MLP}")
NARROW = ("--config.generator.width=4", "--config.discriminator.width=4")
NETWORKS = {"ring": (), "super_resolution": NARROW, "restoration": NARROW}  # of recipes for which MLPs are not


class Block(NamedTuple):
    line: int
    language: str
    text: str


class Statement(NamedTuple):
    """One command of a shell script, as words; `variables` stand before it."""

    variables: dict[str, str]
    words: list[str]


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [Block(text[:found.start()].count("\n") + 2, found[1], found[2])
            for found in re.finditer(r"^```(\w*)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)]


def statements(script: str) -> list[Statement]:
    script = re.sub(r"(^|\s)#.*$", r"\1", script.replace("\\\n", " "), flags=re.MULTILINE)  # without comments …
    script = re.sub(r"\s\d?>(&\d|\s?\S+)", "", script)  # … and redirections
    lexer = shlex.shlex(script, posix=True, punctuation_chars="|&;\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    found, words = [], []
    for word in [*lexer, "\n"]:
        if word.strip("|&;\n"):
            words.append(word)
        elif words:
            count = next((i for i, each in enumerate(words) if not re.match(r"[A-Z_]+=", each)), len(words))
            found.append(Statement(dict(each.split("=", 1) for each in words[:count]), words[count:]))
            words = []
    return found


def ours(words: list[str]) -> tuple[str, list[str]] | None:
    """(module, arguments) of the command of jaxgan that these words run, be it through another program."""
    for i, word in enumerate(words):
        if word == "-m" and words[i + 1].startswith("jaxgan."):
            return words[i + 1].removeprefix("jaxgan."), words[i + 2:]
        if word.rpartition("/")[2] == "jaxgan" and i + 1 < len(words) and not word.startswith("-"):
            assert words[i + 1] in cli.COMMANDS, f"there is no command {words[i + 1]!r}"
            return cli.COMMANDS[words[i + 1]][0], words[i + 2:]
    return None


def flattened(found: list[Statement]) -> list[Statement]:
    """With the scripts that are handed to other programs, and kept in variables."""
    scripts = [word.split("=", 1)[1] for statement in found for word in statement.words
               if word.startswith("--command=") or (statement.words[0] == "export" and "-m jaxgan." in word)]
    return found + [inner for script in scripts for inner in flattened(statements(script))]


def understand(statement: Statement, monkeypatch) -> None:
    """Raises for what the command would refuse, without doing it."""
    command = ours(statement.words)
    if command is None:
        program = statement.words[0] if statement.words else "export"
        assert program in OTHERS, f"what is {program!r}? List it in OTHERS"
        for extras in re.findall(r"(?:jaxgan|\.)\[([\w,]+)\]", " ".join(statement.words)):
            assert set(extras.split(",")) <= set(EXTRAS)
        return
    name, arguments = command
    assert name in MODULES
    module = importlib.import_module(f"jaxgan.{name}")
    if name == "prepare":
        for step in ("prepare_weights", "prepare_dataset"):
            monkeypatch.setattr(prepare, step, lambda *given: None)
        module.main(arguments)
        return
    found = module.parse(arguments)
    if name in ("main", "plan"):
        config_lib.load(found[0].config, found[1])


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A folder that has what the pages speak of: photos, digits, digits by class, an .npz like MedMNIST's, mine.py."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    rng = np.random.default_rng(0)
    digit = (28, 28)
    for folder, shape, count in (("my/photos", (20, 24, 3), 24), ("my/others", (20, 24, 3), 24),
                                 ("my/digits", digit, 24), ("my/scans", digit, 24),
                                 *((f"my/other-digits/{name}", digit, 4) for name in range(10))):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(tmp_path / folder / f"{i}.png")
    arrays = {}
    for split, count in (("train", 64), ("val", 16), ("test", 32)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count) % 2)[:, None]
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    shutil.copy(ROOT / "configs" / "dcgan.py", tmp_path / "mine.py")
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", WITH_BLOCKS)
def test_every_command_is_understood(page, stage, monkeypatch):
    for block in blocks(page):
        assert block.language in ("bash", "python", "text"), f"{page}:{block.line}"
        if block.language == "python":
            compile(block.text, page, "exec")
        if block.language != "bash":
            continue
        assert subprocess.run(["bash", "-n"], input=block.text, text=True, check=False).returncode == 0
        for statement in flattened(statements(block.text)):
            try:
                understand(statement, monkeypatch)
            except Exception as error:
                raise AssertionError(f"{page}:{block.line}: {' '.join(statement.words)}: {error}") from error


def test_no_exception_is_stale():
    scripts = [block.text for page in WITH_BLOCKS for block in blocks(page) if block.language == "bash"]
    found = flattened([statement for script in scripts for statement in statements(script)])
    lines = [line_of(statement) for statement in found]
    assert not [text for text in NOT_EXECUTED if not any(text in line for line in lines)]
    assert not [name for name in OTHERS if not any(statement.words[:1] == [name] for statement in found)]


def line_of(statement: Statement) -> str:
    """With the module's name, whichever way it is called."""
    command = ours(statement.words)
    return " ".join(statement.words if command is None else [f"jaxgan.{command[0]}", *command[1]])


def execute(statement: Statement, monkeypatch) -> None:
    command = ours(statement.words)
    if command is None or any(text in line_of(statement) for text in NOT_EXECUTED):
        return
    name, arguments = command
    arguments += SHORTER.get(name, ())
    if name in ("main", "plan"):
        recipe = re.search(r"--config=(?:configs/)?(\w+)", " ".join(arguments))[1]
        arguments += NETWORKS.get(recipe, (*SMALL, "--config.data.resolution=8"))
    if "PYTHONPATH" in statement.variables:
        monkeypatch.syspath_prepend(statement.variables["PYTHONPATH"])
    assert not importlib.import_module(f"jaxgan.{name}").main(arguments)


def play(page: str, monkeypatch) -> None:
    """Executes a page."""
    names = {}
    for block in blocks(page):
        if block.language == "bash":
            for statement in statements(block.text):
                print(f"{page}:{block.line}: {' '.join(statement.words)}", file=sys.stderr)
                execute(statement, monkeypatch)
        elif (saved := re.match(r"# (\w+\.py)\n", block.text)) is not None:
            Path(saved[1]).write_text(block.text)
        elif block.language == "python":
            with monkeypatch.context() as patch:
                patch.setattr(config_lib, "load", shorter(config_lib.load))
                exec(compile("\n" * (block.line - 1) + block.text, page, "exec"), names)


def shorter(load):
    """`jaxgan.config.load`, for runs of seconds."""
    def loaded(location, overrides=()):
        return load(location, [*overrides, *(option.removeprefix("--config.") for option in (*BRIEF, *SMALL))])
    return loaded


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_BLOCKS)
def test_the_page_runs(page, stage, monkeypatch, no_page):
    play(page, monkeypatch)
