"""Rules of the house that a reader cannot see from one file."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "jaxgan").rglob("*.py"))


@functools.cache
def names(path):
    """Every dotted name a file uses, such as `nn.Conv`, and every module it imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            found.add(ast.unparse(node))
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def using(forbidden, allowed=()):
    return [f"{path.relative_to(ROOT)}: {name}" for path in SOURCES if path.name not in allowed
            for name in names(path) if forbidden(name)]


def test_every_convolution_goes_through_one_file():
    stock = ("Conv", "ConvTranspose", "conv", "conv_general_dilated", "conv_transpose", "conv_with_general_padding",
             "conv_general_dilated_patches", "reduce_window", "avg_pool", "max_pool")
    assert not using(lambda name: name.rpartition(".")[0] in ("nn", "lax", "jax.lax", "flax.linen", "linen")
                     and name.rpartition(".")[2] in stock, allowed=("convolution.py", "_convolution_cpu.py"))


def test_only_one_file_touches_internals_of_jax():
    assert not using(lambda name: name.startswith(("jax.extend", "jax.interpreters", "jax._src")),
                     allowed=("convolution.py",))


def test_no_option_is_read_with_a_silent_default():
    assert not using(lambda name: name.startswith(("config.", "self.config.")) and name.endswith(".get"))


def test_no_framework_but_jax_is_imported():
    heavy = "tensorflow", "torch", "clu", "keras"
    code = ("import sys; import jaxgan.main, jaxgan.sample, jaxgan.prepare, jaxgan.convert, jaxgan.evaluate, "
            "jaxgan.conversion, jaxgan.evaluation, jaxgan.training_run; "
            f"print([m for m in {heavy!r} if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert out.strip() == "[]"


def test_what_answers_a_wrong_option_imports_no_jax():
    """In one process; the first module named is the one that does."""
    modules = ["jaxgan", *(f"jaxgan.{name}" for name in (
        "config", "main", "sample", "evaluate", "invert", "convert", "export", "report", "synthesize",
        "synthesis.settings", "synthesis.place", "enhance", "enhancement.pictures"))]
    code = ("import importlib, sys\n"
            f"for name in {modules}:\n    importlib.import_module(name)\n    if 'jax' in sys.modules: print(name)")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert out.split() == []


def test_imports_run_one_way():
    pytest.importorskip("importlinter")
    result = subprocess.run([sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
                            capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 0, result.stdout


def test_files_and_functions_stay_short():
    long = [f"{path.relative_to(ROOT)}: {count} lines" for path in SOURCES
            if (count := len(path.read_text(encoding="utf-8").splitlines())) > 400]
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60:
                long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1}")
    assert not long
