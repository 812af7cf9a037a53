"""Spares a run the memory that tensorstore loses.

Whatever tensorstore 0.1.86 describes to Python as JSON, it keeps the strings of for ever. Orbax 0.12.8 asks it for two
such descriptions: of its folder for each array it saves, and of all counters twice a checkpoint, together some 50 KiB
a checkpoint of 80 arrays. Both are answered without tensorstore here. Where Orbax and tensorstore have changed so that
this no longer fits them, it does nothing and the memory is lost again. Buckets are described by tensorstore still.
"""

from typing import Any


def spare() -> None:
    """For the whole process, with the answers of before. A second call changes nothing."""
    try:
        import tensorstore
        from orbax.checkpoint._src.serialization import tensorstore_utils
        describe = tensorstore.KvStore.Spec.to_json
        if describe.__module__ != __name__:
            tensorstore.KvStore.Spec.to_json = _describing_folders(tensorstore.KvStore.Spec, describe)
    except (ImportError, AttributeError, TypeError):
        return
    if hasattr(tensorstore_utils, "get_tensorstore_raw_bytes"):  # only for bytes a second in a log that we silence
        tensorstore_utils.get_tensorstore_raw_bytes = lambda *_: 0


def _describing_folders(kind: type, describe: Any) -> Any:
    def to_json(self: Any, *args: Any, **kwargs: Any) -> Any:
        folder = {"driver": "file", "path": self.path}
        return folder if not args and not kwargs and self == kind(folder) else describe(self, *args, **kwargs)
    return to_json
