"""The notebook runs from top to bottom, in a kernel of its own."""

import os
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "first_gan.ipynb"


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_committed_without_outputs(notebook):
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)


@pytest.fixture
def kernel_environment(monkeypatch, root):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
    monkeypatch.delenv("MPLBACKEND", raising=False)  # else the kernel would draw nothing
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]))


@pytest.mark.slow  # `.ci/run` runs it all the same
def test_it_runs_from_top_to_bottom(notebook, kernel_environment, tmp_path):
    """With fewer training images than it says."""
    cell, = [cell for cell in notebook.cells if "total_kimg = 64 " in cell.source]
    cell.source = cell.source.replace("total_kimg = 64 ", "total_kimg = 0.64 ")
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3",
                            resources={"metadata": {"path": str(tmp_path)}}).execute()
    texts = [output.get("text", "") + str(output.get("data", {}).get("text/plain", ""))
             for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("<dcgan generator, (16, 16, 1), 10 classes>" in text for text in texts)
    assert any("fd500_pixels" in text for text in texts)
    pictures = [output for cell in notebook.cells for output in cell.get("outputs", ())
                if {"image/png", "image/gif"} & set(output.get("data", {}))]
    assert len(pictures) == 3
