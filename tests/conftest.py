"""Eight virtual CPU devices for every test, and the folder of shared data where there is one."""

import os
import tempfile
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
# One cache for this process and the commands it starts: a program is compiled once a session, never taken from an older one.
os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="jaxgan-test-cache-")

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def shared():
    """`shared("reference/x.npz")` -> its path; skips the test, saying so, where that file is not."""
    def find(relative: str) -> Path:
        path = SHARED / relative
        if not path.exists():
            pytest.skip(f"no {relative}: the shared data folder is not beside this checkout")
        return path
    return find


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's top folder."""
    return ROOT
