"""Memory that is freed. That saving leaves none behind is tested with the checkpoints."""

import ctypes
import gc
import resource
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

from jaxgan.data import Info
from jaxgan.data.source import ArraySource
from jaxgan.training import memory


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")
def test_what_was_freed_goes_back_to_the_system():
    blocks = [b"x" * 100_000 for _ in range(1000)]
    last = blocks[-1]  # so that what lies before it is not at the end of the heap
    del blocks
    before = resident()
    memory.give_back()
    assert before - resident() > 50_000_000
    assert last


@pytest.fixture
def no_collector():
    """Without the collector of cycles, which looks at old objects only after a quarter as many new ones."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_samples_of_an_evaluation_are_freed_at_once(no_collector):
    source = ArraySource(np.zeros((2, 4, 4, 1), np.uint8), None, Info("samples", (4, 4, 1)))
    assert len(source.info.content_hash) == 64
    held = weakref.ref(source)
    del source
    assert held() is None


def test_giving_back_leaves_no_cycles(no_collector):
    memory.give_back()
    gc.collect()
    memory.give_back()
    assert gc.collect() == 0
