"""Runs from start to finish, in this process, without what costs time and shows nothing here."""

import functools

import jax
import pytest

from jaxgan import training_run


@pytest.fixture
def plain_runs(monkeypatch):
    """`training_run.train` on one device, without pictures."""
    monkeypatch.setattr(training_run.Studio, "draw", lambda *_: None)
    monkeypatch.setattr(training_run.Studio, "finish", lambda *_: "")
    monkeypatch.setattr(training_run, "train", functools.partial(training_run.train, devices=jax.devices()[:1]))
