"""The documentation builds without a warning, and has every part."""

import os
import subprocess
import sys

import pytest

from jaxgan.augmentation import AUGMENTATIONS
from jaxgan.conditioning import CONDITIONING
from jaxgan.data import SOURCES
from jaxgan.degradation import DEGRADATIONS
from jaxgan.latents import PRIORS
from jaxgan.losses import LOSSES
from jaxgan.metrics import METRICS
from jaxgan.models import FAMILIES
from jaxgan.privacy import PRIVACY
from jaxgan.regularizers import REGULARIZERS
from jaxgan.training.averages import AVERAGES
from jaxgan.training.optimizers import OPTIMIZERS

PAGES = {"augmentation": AUGMENTATIONS, "degradation": DEGRADATIONS, "conditioning": CONDITIONING, "data": SOURCES,
         "latents": PRIORS, "losses": LOSSES, "privacy": PRIVACY, "metrics": METRICS, "models": FAMILIES,
         "regularizers": REGULARIZERS, "optimizers": AVERAGES | OPTIMIZERS}


@pytest.fixture(scope="module")
def site(root, tmp_path_factory):
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    result = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", f"--site-dir={folder}"],
                            cwd=root, capture_output=True, text=True, check=False,
                            env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_every_part_is_in_the_reference(site, page):
    text = (site / "reference" / page / "index.html").read_text(encoding="utf-8")
    for part in PAGES[page].values():
        name = part.__name__ if page == "models" else f"{part.__module__}.{part.__qualname__}"
        assert f'id="{name}' in text, name


def test_nothing_comes_from_elsewhere(site):
    page = (site / "index.html").read_text(encoding="utf-8")
    assert "https://fonts." not in page
    assert 'src="http' not in page
