"""The Hugging Face Hub, as a place for exports. Needs the package `huggingface_hub`, which `jaxgan[hub]` brings."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxgan.errors import InputError

SCHEME = "hf:"


def repository(address: str, option: str) -> str:
    """`hf:user/name` -> `user/name`. Raises InputError, which begins with `option`, for anything else."""
    name = address.removeprefix(SCHEME)
    if not address.startswith(SCHEME) or not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise InputError(f"{option}={address}: write hf:USER/NAME.")
    return name


def upload(folder: Path, address: str, private: bool = False) -> str:
    """Makes the repository where there is none, and one commit of all files; returns where it can be seen."""
    name = repository(address, "--push")
    with _explained(f"--push={address}"):
        from huggingface_hub import HfApi
        api = HfApi()
        url = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder, commit_message="Export from jaxgan")
    return str(url)


def download(address: str, patterns: list[str]) -> Path:
    """The files of a repository that fit `patterns`, in the Hub's own cache on this machine."""
    name = repository(address, "jaxgan.load")
    with _explained(address):
        from huggingface_hub import snapshot_download
        return Path(snapshot_download(name, allow_patterns=patterns))


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Whatever the service answers, as one sentence. Its client raises errors of many unrelated classes."""
    try:
        yield
    except ImportError as error:
        raise InputError(f"{what}: this needs a package that is not installed ({error}): "
                         "pip install 'jaxgan[hub]'.") from error
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{what} did not work ({reason}). Check the name, the network, and that `hf auth login` has "
                         "been done with a token that may write.") from error
