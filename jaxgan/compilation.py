"""How jaxgan compiles: one place for backend options and the persistent cache."""

import functools
import os
from collections.abc import Callable
from pathlib import Path

import jax

# XLA-CPU sends convolutions to YNNPACK by default, whose kernels are slower than Eigen's for the shapes of
# GAN training (3x3 weight gradient 4x); matrix products and reductions are faster there, so those stay.
CPU_OPTIONS = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE",
}


@functools.cache
def options(platform: str) -> dict[str, str] | None:
    """Compiler options for a platform; None where there are none, or where this jaxlib refuses them."""
    if platform != "cpu":
        return None
    try:
        jax.jit(lambda x: x, compiler_options=CPU_OPTIONS).lower(jax.ShapeDtypeStruct((), "float32")).compile()
    except Exception:  # the option is experimental: a jaxlib that has dropped it raises one of several types
        return None
    return CPU_OPTIONS


def jit(function: Callable, *, platform: str | None = None, **arguments) -> Callable:
    """`jax.jit` with the options of a platform, by default this backend's. For outermost functions only."""
    return jax.jit(function, compiler_options=options(platform or jax.default_backend()), **arguments)


def jit_once(function: Callable, **arguments) -> Callable:
    """`jax.jit` for a program that runs once, such as an initialisation: compiled in a hurry rather than to be fast."""
    hurried = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
    return jax.jit(function, compiler_options=hurried, **arguments)


def enable_cache() -> Path | None:
    """Switches the persistent compilation cache on: `JAX_COMPILATION_CACHE_DIR`, else the user's cache folder.

    Returns the folder, or None where it cannot be written or `JAX_ENABLE_COMPILATION_CACHE` says no.
    """
    if not jax.config.jax_enable_compilation_cache:
        return None
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxgan" / "xla"
    folder = Path(jax.config.jax_compilation_cache_dir or default)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return folder
