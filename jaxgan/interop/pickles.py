"""Reads a pickle without unpickling it.

A pickle is a program, and `pickle.load` runs what it asks for. Here its instructions are interpreted one by one: they
can build numbers, strings, tuples, lists and dicts, and call what the caller's table names. Nothing is ever imported
and no attribute is looked up; any other name is refused before it is used. Sets come out as lists.
"""

import pickletools
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

from jaxgan.errors import InputError

MARK = object()
ORDERED = "collections.OrderedDict"


class Name(NamedTuple):
    """A global that the pickle named and the table knows."""

    text: str


class Instance:
    """What stands for an object of a class that the table knows: the state it was given, and nothing that acts."""

    def __init__(self, *_: Any):
        self.state: dict = {}


DAMAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, MemoryError, EOFError,
          struct.error)


def load(file: BinaryIO, where: str, calls: Mapping[str, Callable], persistent: Callable[[Any], Any]) -> Any:
    """What the pickle that `file` stands at describes; afterwards `file` stands behind it.

    where: the file's name, for messages. calls: "module.name" -> what a call of it gives; OrderedDict, which becomes a
    dict, is always known. A known name that is not called comes out as `Name`. Of objects only an `Instance` takes the
    state it is given. persistent(id) -> the object kept outside the pickle. Raises InputError for an unknown name or
    instruction, and for damage of any kind.
    """
    machine = _Machine(where, {ORDERED: lambda pairs=(): dict(pairs), **calls}, persistent)
    try:
        for opcode, argument, _ in pickletools.genops(file):
            machine.step(opcode.name, argument)
        (result,) = machine.stack
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"{where} is damaged or cut short: its pickle cannot be read.") from error
    return result


class _Machine:
    """The stack machine of the pickle format, without the instructions that need the outside world."""

    def __init__(self, where: str, calls: Mapping[str, Callable], persistent: Callable[[Any], Any]):
        self.where, self.calls, self.persistent = where, calls, persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise InputError(f"{self.where} is refused: its pickle holds the instruction {name}, which no file of "
                             "weights needs.")

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is MARK:
            raise ValueError("a mark where a value should be")
        return value

    def since_mark(self) -> list[Any]:
        """Takes what lies above the last mark off the stack, and the mark."""
        place = max(i for i, value in enumerate(self.stack) if value is MARK)
        taken = self.stack[place + 1:]
        del self.stack[place:]
        return taken

    def top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise TypeError(f"{kind.__name__} expected")
        return self.stack[-1]

    def set_items(self, flat: list[Any]) -> None:
        target = self.top(dict)
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            if type(key) not in (str, int):  # the hash of a nested tuple can take forever
                raise TypeError("a key that is neither text nor number")
            target[key] = value

    def name(self, module: str, attribute: str) -> None:
        text = f"{module}.{attribute}"
        if text not in self.calls:
            raise InputError(f"{self.where} is refused: its pickle asks for {text}, which is not among the few names "
                             "that arrays are built with. Nothing was executed.")
        self.stack.append(Name(text))

    def call(self) -> None:
        arguments, function = self.pop(), self.pop()
        if type(function) is not Name or type(arguments) is not tuple:
            raise TypeError("a call of something that is no name")
        self.stack.append(self.calls[function.text](*arguments))

    def set_state(self) -> None:
        state, target = self.pop(), self.stack[-1]
        if type(target) is Instance and type(state) is dict:  # others, such as state_dict's OrderedDict, need none
            target.state = state

    def name_from_stack(self) -> None:
        attribute, module = self.pop(), self.pop()
        self.name(str(module), str(attribute))

    def collect(self, count: int) -> None:
        self.stack.append(tuple([self.pop() for _ in range(count)][::-1]))


_LITERALS = {"BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE", "BINUNICODE8",
             "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "BINBYTES8", "SHORT_BINBYTES", "FLOAT",
             "STRING", "UNICODE"}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "MARK": lambda: MARK,
    "EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": list}
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "POP": lambda m, _: m.stack.pop(),
    "POP_MARK": lambda m, _: m.since_mark(),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.since_mark())),
    "TUPLE1": lambda m, _: m.collect(1),
    "TUPLE2": lambda m, _: m.collect(2),
    "TUPLE3": lambda m, _: m.collect(3),
    "APPEND": lambda m, _: (lambda value: m.top(list).append(value))(m.pop()),
    "APPENDS": lambda m, _: (lambda values: m.top(list).extend(values))(m.since_mark()),
    "ADDITEMS": lambda m, _: (lambda values: m.top(list).extend(values))(m.since_mark()),
    "SETITEM": lambda m, _: m.set_items([m.pop(), m.pop()][::-1]),
    "SETITEMS": lambda m, _: m.set_items(m.since_mark()),
    "BINPUT": lambda m, index: m.memo.__setitem__(index, m.stack[-1]),
    "LONG_BINPUT": lambda m, index: m.memo.__setitem__(index, m.stack[-1]),
    "MEMOIZE": lambda m, _: m.memo.__setitem__(len(m.memo), m.stack[-1]),
    "BINGET": lambda m, index: m.stack.append(m.memo[index]),
    "LONG_BINGET": lambda m, index: m.stack.append(m.memo[index]),
    "GLOBAL": lambda m, names: m.name(*names.split(" ", 1)),
    "INST": lambda m, names: m.name(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m.name_from_stack(),
    "REDUCE": lambda m, _: m.call(),
    "NEWOBJ": lambda m, _: m.call(),
    "BUILD": lambda m, _: m.set_state(),
    "BINPERSID": lambda m, _: m.stack.append(m.persistent(m.pop())),
}
