"""What keeps the memory of a long run where it was."""

import ctypes
import functools
from collections.abc import Callable
from typing import Any


def give_back() -> None:
    """Returns to the system what the process has freed; glibc keeps it otherwise, in more and more places.

    After compilation and some checkpoints of a small network that is two fifths of the process. 400 MB took 33 ms, and
    nothing to give 0.1. Without glibc it does nothing.
    """
    if (trim := _malloc_trim()) is not None:
        trim(0)


@functools.cache  # each look at the library makes classes in cycles
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # there is another C library
        return None


def spare_tensorstore() -> None:
    """Keeps Orbax from asking tensorstore for JSON, for the whole process; a second call changes nothing.

    Whatever tensorstore 0.1.86 describes to Python as JSON, it keeps the strings of for ever. Orbax 0.12.8 asks it for
    two such descriptions: of its folder for each array it saves, and of all counters twice a checkpoint, together some
    50 KiB a checkpoint of 80 arrays. The first is answered here, in the same words, where it is a plain folder; the
    second Orbax wants only for bytes a second in its log, which is silenced. Where the two have changed so that this no
    longer fits them, nothing is done and the memory is lost again.
    """
    try:
        import tensorstore
        from orbax.checkpoint._src.serialization import tensorstore_utils
        describe = tensorstore.KvStore.Spec.to_json
        if describe.__module__ != __name__:
            tensorstore.KvStore.Spec.to_json = _describing_folders(tensorstore.KvStore.Spec, describe)
    except (ImportError, AttributeError, TypeError):
        return
    if hasattr(tensorstore_utils, "get_tensorstore_raw_bytes"):
        tensorstore_utils.get_tensorstore_raw_bytes = lambda *_: 0


def _describing_folders(kind: type, describe: Any) -> Any:
    def to_json(self: Any, *args: Any, **kwargs: Any) -> Any:
        folder = {"driver": "file", "path": self.path}
        return folder if not args and not kwargs and self == kind(folder) else describe(self, *args, **kwargs)
    return to_json
