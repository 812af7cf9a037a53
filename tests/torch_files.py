"""Writes the files of PyTorch and of NVIDIA's and R3GAN's trainings as they do, without PyTorch."""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {"float32": "FloatStorage", "float64": "DoubleStorage", "int64": "LongStorage"}
PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"


class Global:
    """A name that a pickle is to hold, whatever there is under it."""

    def __init__(self, text: str):
        self.module, _, self.name = text.rpartition(".")

    def __call__(self):
        raise AssertionError("written, never called")


class Call:
    """A call of a name, or with `state` an object of a class."""

    def __init__(self, name: str, *arguments, state: dict | None = None):
        self.function, self.arguments, self.state = Global(name), arguments, state


class Storage:
    """The entries of a tensor, kept outside the pickle under `key`."""

    def __init__(self, array: np.ndarray, key: str):
        self.array, self.key = array, key


class Pickler(pickle._Pickler):
    dispatch = pickle._Pickler.dispatch.copy()
    legacy = False

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        kind = Global(f"torch.{STORAGES[value.array.dtype.name]}")
        return ("storage", kind, value.key, "cpu", value.array.size, *[None] * self.legacy)

    def save_name(self, value):
        if self.proto >= 4:
            self.save(value.module)
            self.save(value.name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        self.memoize(value)

    def save_call(self, value):
        self.save(value.function)
        self.save(value.arguments)
        self.write(pickle.REDUCE if value.state is None else pickle.NEWOBJ)
        self.memoize(value)
        if value.state is not None:
            self.save(value.state)
            self.write(pickle.BUILD)

    dispatch[Global], dispatch[Call] = save_name, save_call


def dumps(value, protocol: int = 2, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    pickler = Pickler(buffer, protocol)
    pickler.legacy = legacy
    pickler.dump(value)
    return buffer.getvalue()


def legacy_file(content, storages: Iterable[Storage] = ()) -> bytes:
    """What torch.save wrote before it wrote zip files, and still writes for a storage inside a pickle."""
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [dumps(MAGIC), dumps(1001), dumps(machine), dumps(content, legacy=True), dumps([s.key for s in storages])]
    return b"".join([*parts, *(struct.pack("<q", s.array.size) + s.array.tobytes() for s in storages)])


def rebuilt(array: np.ndarray, storage) -> Call:
    stride = tuple(step // array.itemsize for step in array.strides)
    return Call("torch._utils._rebuild_tensor_v2", storage, 0, array.shape, stride, False, OrderedDict())


def zip_file(content: Mapping, path) -> None:
    """torch.save of nested dicts of arrays."""
    storages = []

    def prepared(value):
        if isinstance(value, Mapping):
            return {key: prepared(entry) for key, entry in value.items()}
        if not isinstance(value, np.ndarray):
            return value
        storages.append(Storage(np.ascontiguousarray(value), str(len(storages))))
        return rebuilt(storages[-1].array.reshape(value.shape), storages[-1])

    data = dumps(prepared(content))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        for storage in storages:
            archive.writestr(f"archive/data/{storage.key}", storage.array.tobytes())


def tensor(array: np.ndarray) -> Call:
    """A tensor in a plain pickle: its data are a file of their own."""
    array = np.ascontiguousarray(array).reshape(array.shape)
    storage = Storage(array, "94")
    return rebuilt(array, Call("torch.storage._load_from_bytes", legacy_file(storage, [storage])))


def module(tensors: Mapping[str, np.ndarray], source: str | None = None,
           class_name: str = "training.networks.Generator", buffers=(), **attributes) -> Call:
    """A module with the parameters of a state_dict, those that end with `buffers` as buffers: with the source text of
    its class, or of a class by name."""
    parts: dict[str, dict] = {}
    state = {"training": False, "_parameters": OrderedDict(), "_buffers": OrderedDict(), "_modules": OrderedDict(),
             "_non_persistent_buffers_set": set(), **attributes}
    for name, array in tensors.items():
        first, _, rest = name.partition(".")
        if rest:
            parts.setdefault(first, {})[rest] = array
        elif first.endswith(tuple(buffers)):
            state["_buffers"][first] = tensor(array)
        else:
            state["_parameters"][first] = Call("torch._utils._rebuild_parameter", tensor(array), False, OrderedDict())
    inner = class_name if source is not None else "torch.nn.modules.container.ModuleList"
    state["_modules"].update({name: module(part, source, inner, buffers) for name, part in parts.items()})
    if source is None:
        return Call(class_name, state=state)
    return Call(PERSISTENT, {"type": "class", "version": 6, "module_src": source, "class_name": class_name,
                             "state": state})
