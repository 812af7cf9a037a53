"""Reads and writes .safetensors: a header of names, shapes and types, then the bytes of the arrays."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import ml_dtypes  # noqa: F401 - lets the library below return bfloat16
import numpy as np
import safetensors
import safetensors.numpy

from jaxgan.errors import InputError


def read(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays of a file by name, and its metadata. Raises InputError where it is missing or damaged."""
    try:
        with safetensors.safe_open(path, "np") as file:
            return {name: file.get_tensor(name) for name in sorted(file.keys())}, dict(file.metadata() or {})
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (safetensors.SafetensorError, ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged, or no safetensors file: {error}.") from error


def write(path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Writes a file that is either whole or not there, whoever else writes it at the same time."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        safetensors.numpy.save_file(plain, temporary, metadata=dict(metadata))
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
