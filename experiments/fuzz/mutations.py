"""Good files made bad: changed anywhere, or changed inside and wrapped again so that checksums and lengths fit."""

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random

Mutate = Callable[[Random, bytes], bytes]

EDGES = (0, 1, 2, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
WORDS = (b"../../etc/passwd", b"/etc/passwd", b"os:system", b"cos\nsystem\n", b"NaN", b"-1", b"1e999", b"9" * 30, b"\0",
         b"\xff\xfe", b"'|O'", b"'<U9'", b"(99999999999, 99999)", b"true", b"null", b"\n", b",", b'"', b"\xc3\x28",
         b"[" * 2000, b"{\"a\":" * 1500)
VALUES = (None, True, -1, 0, 1, 2**63, 10**30, 1e308, -0.0, float("nan"), float("inf"), "", "x" * 5000, "../..",
          "os:system", "\ud800", [], {}, [[]], [1, "a", None], {"name": 1}, {"name": "os:system", "command": "true"})


def raw(rng: Random, content: bytes) -> bytes:
    """A few changes of bytes, wherever."""
    changed = bytearray(content)
    while True:
        rng.choice(CHANGES)(rng, changed)
        if rng.random() < 0.5:
            return bytes(changed)


def _flip(rng: Random, changed: bytearray) -> None:
    if changed:
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)


def _byte(rng: Random, changed: bytearray) -> None:
    if changed:
        changed[rng.randrange(len(changed))] = rng.randrange(256)


def _number(rng: Random, changed: bytearray) -> None:
    size = rng.choice((1, 2, 4, 8))
    place = rng.randrange(len(changed) + 1)
    value = rng.choice(EDGES) % (1 << 8 * size)
    changed[place:place + size] = value.to_bytes(size, rng.choice(("little", "big")))


def _word(rng: Random, changed: bytearray) -> None:
    place = rng.randrange(len(changed) + 1)
    word = rng.choice(WORDS)
    changed[place:place + rng.choice((0, len(word)))] = word


def _cut(rng: Random, changed: bytearray) -> None:
    del changed[rng.randrange(len(changed) + 1):]


def _remove(rng: Random, changed: bytearray) -> None:
    place = rng.randrange(len(changed) + 1)
    del changed[place:place + rng.randrange(1, 64)]


def _repeat(rng: Random, changed: bytearray) -> None:
    place = rng.randrange(len(changed) + 1)
    changed[place:place] = changed[place:place + rng.randrange(1, 256)] * rng.choice((1, 2, 20))


CHANGES = (_flip, _flip, _byte, _byte, _number, _number, _word, _cut, _remove, _repeat)


def zipped(inner: Mutate = raw) -> Mutate:
    """A member of a zip changed, renamed, doubled, dropped or compressed, and the archive written anew."""
    def mutate(rng: Random, content: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(entry.filename, archive.read(entry), entry.compress_type) for entry in archive.infolist()]
        place = rng.randrange(len(members))
        name, inside, method = members[place]
        kind = rng.randrange(8)
        if kind == 0:
            name = rng.choice(("../" + name, "/" + name, name.upper(), "", "a\\..\\b", "\0"))
        elif kind == 1:
            members.append(members[place])
        elif kind == 2 and len(members) > 1:
            del members[place]
            place = rng.randrange(len(members))
            name, inside, method = members[place]
        elif kind == 3:
            inside, method = bytes(rng.choice((1 << 16, 1 << 24))), zipfile.ZIP_DEFLATED
        else:
            inside = inner(rng, inside)
        members[place] = name, inside, method
        return archived(members)
    return mutate


def archived(members: list[tuple[str, bytes, int]]) -> bytes:
    """A zip file of (name, content, compression)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content, method in members:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = method
            _write_quietly(archive, entry, content)
    return file.getvalue()


def _write_quietly(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, content: bytes) -> None:
    archive.NameToInfo.pop(entry.filename, None)  # or a second one of this name is warned of
    archive.writestr(entry, content)


def npy(rng: Random, content: bytes) -> bytes:
    """The header's text changed, its length set right."""
    if content[:6] != b"\x93NUMPY":
        return raw(rng, content)
    length = int.from_bytes(content[8:10], "little")
    header = content[10:10 + length]
    shape = f"({rng.choice(EDGES)}, {rng.choice(EDGES)}, {rng.choice((1, 8, 2**40))})".encode()
    kind = rng.choice((b"|O", b"<U9999", b"|V0", b"<f8", b"<c16", b"<M8[ns]", b"|S0", b">u2", b"|b1", b"<f2"))
    header = rng.choice((
        lambda: raw(rng, header),
        lambda: header[:header.find(b"(")] + shape + header[header.find(b")") + 1:],
        lambda: header.replace(b"|u1", kind).replace(b"<i8", kind).replace(b"<f4", kind),
        lambda: header.replace(b"False", b"True")))()[:65_000]
    return content[:8] + len(header).to_bytes(2, "little") + header + content[10 + length:]


def png(rng: Random, content: bytes) -> bytes:
    """A chunk of a PNG changed, its checksum set right; other formats anywhere."""
    if content[:4] != b"\x89PNG":
        return raw(rng, content)
    chunks, place = [], 8
    while place < len(content):
        length = int.from_bytes(content[place:place + 4], "big")
        chunks.append((content[place + 4:place + 8], content[place + 8:place + 8 + length]))
        place += 12 + length
    index = rng.randrange(len(chunks))
    kind, body = chunks[index]
    if kind == b"IHDR":
        sides = [rng.choice((0, 1, 9, 4000, 7999, 30_000, 2**31 - 1)) for _ in range(2)]
        body = struct.pack(">II", *sides) + bytes(rng.choice((0, 1, 2, 3, 4, 6, 8, 16)) for _ in range(2)) + body[10:]
    elif kind == b"IDAT" and rng.random() < 0.5:
        body = zlib.compress(bytes(rng.choice((0, 100, 1 << 24))))
    else:
        body = raw(rng, body)
    chunks[index] = (rng.choice((b"tRNS", b"PLTE", b"zTXt", b"iCCP", b"eXIf", b"acTL")) if rng.random() < 0.2
                     and kind != b"IHDR" else kind, body)
    return content[:8] + b"".join(struct.pack(">I", len(body)) + kind + body
                                  + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)


def document(rng: Random, content: bytes) -> bytes:
    """A value or a key somewhere in a JSON text changed."""
    tree = json.loads(content)
    holders: list[tuple[dict | list, str | int]] = []
    pending = [tree]
    while pending:
        node = pending.pop()
        entries = list(node.items() if isinstance(node, dict) else enumerate(node))
        holders += [(node, key) for key, _ in entries]
        pending += [value for _, value in entries if isinstance(value, dict | list) and value]
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        node, key = rng.choice(holders)
        if isinstance(node, dict) and rng.random() < 0.3:
            node[rng.choice(("name", "x.y", "", "os:system", "__class__", "1"))] = node.pop(key, 0)
        elif isinstance(node, list) and rng.random() < 0.3:
            node.append(rng.choice(VALUES))
        else:
            node[key] = rng.choice(VALUES)
    return json.dumps(tree).encode()


def lines(inner: Mutate = document) -> Mutate:
    """A line changed."""
    def mutate(rng: Random, content: bytes) -> bytes:
        parts = content.split(b"\n")
        place = rng.choice([index for index, part in enumerate(parts) if part])
        parts[place] = inner(rng, parts[place])
        return b"\n".join(parts)
    return mutate


def safetensors(rng: Random, content: bytes) -> bytes:
    """The JSON header changed, its length set right."""
    length = int.from_bytes(content[:8], "little")
    header = rng.choice((document, raw))(rng, content[8:8 + length])
    return len(header).to_bytes(8, "little") + header + content[8 + length:]


def signed(inner: Mutate = npy) -> Mutate:
    """What lies before a sha256 changed, and signed anew."""
    def mutate(rng: Random, content: bytes) -> bytes:
        inside = inner(rng, content[:-32])
        return inside + hashlib.sha256(inside).digest()
    return mutate
