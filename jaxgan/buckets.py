"""Google's object storage, gs://…, as the place of runs and of data."""

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxgan.errors import InputError

SCHEME = "gs://"
MANIFEST = ".jaxgan-bucket.json"  # beside a local copy: what was there when it was made


def is_bucket(path: object) -> bool:
    """Whether a path names something in a bucket."""
    return str(path).startswith(SCHEME)


class Mirror:
    """The small files of a run in a bucket, in a folder of their own on this machine.

    Whatever reads and writes a run's files does so here, as it always does; `publish` then brings to the bucket what
    has changed. Folders named in `without` are left out: checkpoints are written to the bucket by Orbax itself.
    """

    def __init__(self, url: str, without: tuple[str, ...]):
        self.url = str(url).rstrip("/")
        self._files, self._root = _open(self.url)
        top = tempfile.mkdtemp(prefix="jaxgan-")
        atexit.register(shutil.rmtree, top, ignore_errors=True)
        self.folder = Path(top) / self.url.rsplit("/", 1)[-1]
        with _explained(self.url):
            names = [name for name in _listing(self._files, self._root) if name.split("/")[0] not in without]
            _download(self._files, self._root, names, self.folder)
        self._without = without
        self._published = self._local()

    def publish(self) -> None:
        """Uploads the files that are new or changed since the last time."""
        there = self._local()
        changed = [name for name, stamp in there.items() if self._published.get(name) != stamp]
        if changed:
            with _explained(self.url):
                self._files.put([str(self.folder / name) for name in changed],
                                [f"{self._root}/{name}" for name in changed])
        self._published = there

    def _local(self) -> dict[str, tuple[int, int]]:
        """Every file with its size and time of change. Hidden ones are still being written."""
        found = {}
        for path in self.folder.rglob("*"):
            name = path.relative_to(self.folder)
            if path.is_file() and not path.name.startswith(".") and name.parts[0] not in self._without:
                found[name.as_posix()] = (path.stat().st_size, path.stat().st_mtime_ns)
        return found


def fetched(url: str) -> Path:
    """The file or folder at `url`, copied to this machine under XDG_CACHE_HOME; files that are there are not copied
    again unless they have changed in the bucket. Raises InputError where there is nothing.
    """
    url = str(url).rstrip("/")
    files, root = _open(url)
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "jaxgan" / "buckets"
    local = cache / url.replace("://", "/", 1)
    with _explained(url):
        if files.isfile(root):
            facts = {local.name: _stamp(files.info(root))}
            root, folder = root.rsplit("/", 1)[0], local.parent
        else:
            facts, folder = _listing(files, root), local
            if not facts:
                raise InputError(f"There is nothing at {url}. Check the spelling.")
        manifest = folder / f"{MANIFEST}.{local.name}"
        known = _known(manifest)
        wanted = [name for name, stamp in facts.items() if known.get(name) != stamp or not (folder / name).is_file()]
        _download(files, root, wanted, folder)
        for name in set(known) - set(facts):
            if ".." not in name.split("/"):
                (folder / name).unlink(missing_ok=True)
        if known != facts:
            manifest.write_text(json.dumps(facts), encoding="utf-8")
    return local


def _known(manifest: Path) -> dict[str, str]:
    """What a manifest says; nothing where it is damaged, so that all is copied again."""
    try:
        return dict(json.loads(manifest.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _open(url: str):
    """The file system of a URL and the path in it."""
    try:
        import fsspec
        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise InputError(f"{url}: buckets need a package that is not installed ({error}): "
                         "pip install 'jaxgan[buckets]'.") from error


def _listing(files, root: str) -> dict[str, str]:
    """Everything below a path, by its name from there, with a word that changes when the content does."""
    files.invalidate_cache()
    found = files.find(root, detail=True)
    return {path[len(root) + 1:]: _stamp(facts) for path, facts in sorted(found.items())
            if facts["type"] == "file" and not path.endswith("/")}


def _stamp(facts: dict) -> str:
    return str([facts["size"], *(facts[key] for key in ("etag", "generation") if key in facts)])


def _download(files, root: str, names: list[str], folder: Path) -> None:
    """Each file appears under its name when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name.startswith("/") or ".." in name.split("/"):
            raise InputError(f"{root}/{name}: a name that leads out of its folder. Remove it.")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    partial = [str(folder / f"{name}.{os.getpid()}.part") for name in names]
    if names:
        files.get([f"{root}/{name}" for name in names], partial)
    for name, part in zip(names, partial, strict=True):
        os.replace(part, folder / name)


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Whatever a storage service answers, as one sentence. Its client raises errors of many unrelated classes."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{url} cannot be used ({reason}). Check that the bucket exists and that this machine may "
                         "read and write it, such as by `gcloud auth application-default login`.") from error
