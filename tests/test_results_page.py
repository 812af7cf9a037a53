"""The README's results, and those that configs quote, are what the experiments left."""

import sys

import pytest


@pytest.fixture
def results(root, monkeypatch):
    """The script that writes them."""
    monkeypatch.syspath_prepend(root)
    before = set(sys.modules)
    from experiments import results
    yield results
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "experiments":
            del sys.modules[name]


def test_the_section_is_what_the_script_writes(results, root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert readme.count(results.BEGIN) == readme.count(results.END) == 1
    assert results.section(readme) == readme, "run: python -m experiments.results"


def test_configs_quote_what_was_found(results):
    stale = [config.name for config, text in results.quotes().items() if config.read_text(encoding="utf-8") != text]
    assert stale == [], "run: python -m experiments.results"


def test_every_experiment_is_listed(results, root):
    assert set(results.folders()) == {path.parent.name for path in (root / "experiments").glob("*/README.md")}


def test_what_has_been_measured_is_said(results):
    silent = [name for name, sentence in results.SENTENCES.items()
              if list((results.EXPERIMENTS / name / "results").rglob("*.json")) and not sentence()]
    assert silent == []
