"""Running the commands as a person does: in a process of their own."""

import os
import re
import subprocess
import sys

import pytest

# A run of seconds: 80 steps of 16 small digits, its events close together.
SMALL = """
from jaxgan.config import data_argument, default

def get_config(arg="digits"):
    config = default()
    config.data = data_argument(arg)
    config.data.resolution = 8
    config.latent = {"name": "normal", "dim": 4}
    config.generator = {"name": "mlp", "width": 16, "depth": 1}
    config.discriminator = {"name": "mlp", "width": 16, "depth": 1}
    config.batch_size, config.total_kimg = 16, 1.28
    config.log_every = config.sample_every = config.checkpoint_every = 20
    config.evaluate_every, config.metrics = 40, ({"name": "fd_pixels", "num_samples": 32},)
    return config
"""


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The path of a config file that trains in seconds."""
    path = tmp_path_factory.mktemp("configs") / "small.py"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def run_of(small, no_page):
    """`run_of(folder, "seed=1", ...)` trains such a run in this process, on one device."""
    import jax

    from jaxgan import config, training_run

    def train(folder, *overrides):
        training_run.train(config.load(str(small), overrides), folder, quiet=True, devices=jax.devices()[:1])
        return folder
    return train


@pytest.fixture(scope="session")
def command_in(root):
    """`command_in(folder)("main", "--config=...")` runs `python -m jaxgan.main` there: (exit code, stdout, stderr)."""
    def bind(folder):
        def run(name, *arguments, devices=1, wait=True, **variables):
            flags = re.sub(r"device_count=\d+", f"device_count={devices}", os.environ["XLA_FLAGS"])
            environment = os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(root)} | variables
            process = subprocess.Popen([sys.executable, "-m", f"jaxgan.{name}", *map(str, arguments)], cwd=folder,
                                       env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if not wait:
                return process
            out, err = process.communicate(timeout=240)
            return process.returncode, out, err
        return run
    return bind


@pytest.fixture
def command(command_in, tmp_path):
    """`command_in` an empty folder."""
    return command_in(tmp_path)
