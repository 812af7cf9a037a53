"""Spares a run the memory that tensorstore loses.

Whatever tensorstore 0.1.86 describes to Python as JSON, it keeps the strings of for ever. Orbax 0.12.8 asks it for two
such descriptions: of its folder for each array it saves, and of all counters twice a checkpoint, together some 50 KiB
a checkpoint of 80 arrays. Both are answered without tensorstore here. Where Orbax and tensorstore have changed so that
this no longer fits them, it does nothing and the memory is lost again. Buckets are described by tensorstore still.
"""

from typing import Any


def spare() -> None:
    """For the whole process; answers are those of before. Once is enough, twice does no harm."""
    try:
        import tensorstore
        from orbax.checkpoint._src.serialization import tensorstore_utils
        kind, counted = tensorstore.KvStore.Spec, tensorstore_utils.get_tensorstore_raw_bytes
        describe = kind.to_json
    except (ImportError, AttributeError):
        return
    if getattr(describe, "__module__", None) == __name__:
        return

    def to_json(self: Any, *args: Any, **kwargs: Any) -> Any:
        plain = {"driver": "file", "path": self.path}
        return plain if not args and not kwargs and self == kind(plain) else describe(self, *args, **kwargs)

    try:
        kind.to_json = to_json
    except TypeError:
        return
    # Only for a line about bytes a second, in a log that `Checkpoints` silences.
    tensorstore_utils.get_tensorstore_raw_bytes = lambda *_: 0
