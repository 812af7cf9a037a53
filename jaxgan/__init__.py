"""jaxgan: train, study and use generative adversarial networks in JAX.

From Python: `train`, `load`, `Generator`, `score`, `InputError`, and the modules `config` and `metrics`. Each is
imported when first asked for: `import jaxgan` alone brings no jax.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxgan import config, metrics
    from jaxgan.errors import InputError
    from jaxgan.library import Generator, load, score, train

__version__ = "0.1.0"
__all__ = ["Generator", "InputError", "__version__", "config", "load", "metrics", "score", "train"]

_MODULES = ("config", "metrics")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'jaxgan' has no attribute {name!r}")
    if name in _MODULES:
        return importlib.import_module(f"jaxgan.{name}")
    return getattr(importlib.import_module("jaxgan.errors" if name == "InputError" else "jaxgan.library"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
