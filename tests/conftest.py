"""Eight virtual CPU devices for every test, and the folder of shared data where there is one."""

import os
import tempfile
from importlib import metadata
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
# Tests compile much and compute little: programs compiled in a hurry, and by the older emitters, which take half the
# time for it, halve that of the suite. XLA refuses to start with a flag that it does not know.
os.environ["XLA_FLAGS"] = ("--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
                           + " --xla_cpu_use_fusion_emitters=false" * metadata.version("jaxlib").startswith("0.10."))
# One cache for this process and the commands it starts: a program is compiled once a session, and in no earlier one.
os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="jaxgan-test-cache-")
os.environ["XDG_CACHE_HOME"] = os.environ["JAX_COMPILATION_CACHE_DIR"]  # features and weights: nothing of the user's

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


@pytest.fixture
def tiny():
    """`tiny("loss.name=hinge", ...)` -> the config of a run of seconds: small MLPs on 8x8 digits, 40 steps of 16."""
    from jaxgan import config as config_lib

    def make(*overrides: str):
        config = config_lib.default()
        config.data = {"name": "digits", "resolution": 8}
        config.latent = {"name": "normal", "dim": 4}
        config.generator = {"name": "mlp", "width": 16, "depth": 1}
        config.discriminator = {"name": "mlp", "width": 16, "depth": 1}
        config.batch_size, config.total_kimg = 16, 0.64
        config.log_every = config.sample_every = 20
        config.checkpoint_every, config.steps_per_call = 20, 10
        for text in overrides:
            config_lib.override(config, text)
        config_lib.validate(config)
        return config
    return make


@pytest.fixture(scope="module")
def no_page():
    """Runs of this module end without their page, which takes longer than their steps."""
    from jaxgan import training_run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_run.Studio, "page", lambda *_: "")
        yield


@pytest.fixture
def same_bits():
    """Asserts that two pytrees are equal to the last bit, keys included."""
    import jax
    import numpy as np

    def check(one, two):
        def plain(leaf):
            return jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        assert jax.tree.structure(one) == jax.tree.structure(two)
        for (path, a), b in zip(jax.tree.leaves_with_path(one), jax.tree.leaves(two)):
            assert np.asarray(plain(a)).tobytes() == np.asarray(plain(b)).tobytes(), jax.tree_util.keystr(path)
    return check
