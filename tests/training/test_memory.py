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
from jaxgan.data.source import ArraySource, Mirrored
from jaxgan.inputs import Subset
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


@pytest.mark.parametrize("view", [lambda source: source, Mirrored, lambda source: Subset(source, np.arange(1))])
def test_samples_of_an_evaluation_are_freed_at_once(view, no_collector):
    samples = ArraySource(np.zeros((2, 4, 4, 1), np.uint8), None, Info("samples", (4, 4, 1)))
    source = view(samples)
    assert len(source.info.content_hash) == 64
    held = weakref.ref(source), weakref.ref(samples.arrays.images)
    del source, samples
    assert [each() for each in held] == [None, None]


def test_samples_do_not_hold_what_they_were_read_from(no_collector):
    read = ArraySource(np.zeros((2, 4, 4, 1), np.uint8), None, Info("samples", (4, 4, 1)))
    kept, held = ArraySource(*read.read([0]), read.info), weakref.ref(read.arrays.images)
    del read
    assert held() is None
    assert len(kept) == 1


def test_giving_back_leaves_no_cycles(no_collector):
    memory.give_back()
    gc.collect()
    memory.give_back()
    assert gc.collect() == 0
