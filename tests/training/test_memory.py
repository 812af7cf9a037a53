"""Memory that is freed. That saving leaves none behind is tested with the checkpoints."""

import ctypes
import resource
import sys
from pathlib import Path

import pytest

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
