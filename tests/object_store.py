"""A bucket on this machine: as much of Google's storage service (its JSON interface) as its clients use here."""

import contextlib
import itertools
import json
import re
import threading
from collections.abc import Iterator
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

BUCKET = "bucket"
OBJECTS = f"/storage/v1/b/{BUCKET}/o"


class Stored(NamedTuple):
    data: bytes
    generation: int


class Store:
    """Named objects, each with the number of its last change."""

    def __init__(self):
        self.objects: dict[str, Stored] = {}
        self.lock, self._generations = threading.Lock(), itertools.count(1)

    def put(self, name: str, data: bytes, query: dict[str, str]) -> dict | None:
        """Writes if the object is at the generation asked for (0: absent); its facts, or None."""
        with self.lock:
            if not self._matches(name, query):
                return None
            self.objects[name] = Stored(data, next(self._generations))
            return self.facts(name)

    def delete(self, name: str, query: dict[str, str]) -> bool | None:
        """Whether there was such an object; None if at another generation."""
        with self.lock:
            if not self._matches(name, query):
                return None
            return self.objects.pop(name, None) is not None

    def _matches(self, name: str, query: dict[str, str]) -> bool:
        at = self.objects[name].generation if name in self.objects else 0
        return "ifGenerationMatch" not in query or int(query["ifGenerationMatch"]) == at

    def facts(self, name: str) -> dict:
        data, generation = self.objects[name]
        return {"kind": "storage#object", "bucket": BUCKET, "name": name, "size": str(len(data)),
                "generation": str(generation), "metageneration": "1", "etag": str(generation),
                "updated": "2020-01-01T00:00:00.000Z", "timeCreated": "2020-01-01T00:00:00.000Z"}

    def list(self, query: dict[str, str]) -> dict:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        items, prefixes = [], set()
        with self.lock:
            for name in sorted(self.objects):
                rest = name.removeprefix(prefix)
                if not name.startswith(prefix):
                    continue
                if delimiter and delimiter in rest:
                    prefixes.add(prefix + rest.split(delimiter)[0] + delimiter)
                else:
                    items.append(self.facts(name))
        return {"kind": "storage#objects", "items": items, "prefixes": sorted(prefixes)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece: in two, each waits for the other side's acknowledgement
    store: Store

    def log_message(self, *_):
        pass

    def reply(self, code: int, body: bytes | dict = b"", **headers: str) -> None:
        body = json.dumps(body).encode() if isinstance(body, dict) else body
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def asked(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        return parts.path, {key: values[0] for key, values in parse_qs(parts.query).items()}

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_GET(self) -> None:
        path, query = self.asked()
        path = path.removeprefix("/download")
        if path == OBJECTS:
            return self.reply(200, self.store.list(query))
        if not path.startswith(f"{OBJECTS}/"):
            return self.reply(200 if path == OBJECTS.removesuffix("/o") else 404, {"name": BUCKET})
        name = unquote(path.removeprefix(f"{OBJECTS}/"))
        found = self.store.objects.get(name)
        if found is None:
            return self.reply(404, {"error": {"code": 404, "message": "No such object"}})
        if query.get("ifGenerationNotMatch") == str(found.generation):
            return self.reply(304)
        if query.get("alt") != "media":
            return self.reply(200, self.store.facts(name))
        return self.content(found)

    def content(self, found: Stored) -> None:
        facts = {"x_goog_generation": str(found.generation), "ETag": str(found.generation)}
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return self.reply(200, found.data, **facts)
        size = len(found.data)
        start = int(asked[1]) if asked[1] else size - int(asked[2])
        stop = min(int(asked[2]) + 1, size) if asked[1] and asked[2] else size
        return self.reply(206, found.data[start:stop], Content_Range=f"bytes {start}-{stop - 1}/{size}", **facts)

    def do_POST(self) -> None:
        path, query = self.asked()
        data = self.body()
        if path.startswith("/batch"):
            return self.batch(data)
        if query.get("uploadType") == "resumable":
            where = f"http://{self.headers['Host']}/upload/rest?{urlencode({'name': query['name']})}"
            return self.reply(200, {}, Location=where)
        if query.get("uploadType") == "multipart":
            boundary = re.search(r'boundary="?([^";]+)', self.headers["Content-Type"])[1].encode()
            parts = re.split(rb"\r?\n?--" + re.escape(boundary), data)[1:3]
            facts, data = (re.split(rb"\r?\n\r?\n", part, maxsplit=1)[1] for part in parts)
            query["name"] = json.loads(facts)["name"]
        written = self.store.put(query["name"], data, query)
        return self.reply(200, written) if written else self.reply(412, {"error": {"code": 412}})

    def batch(self, data: bytes) -> None:
        """Many deletions in one request."""
        header = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        answers = []
        for part in message_from_bytes(header + data).get_payload():
            path = re.search(r"DELETE (\S+)", part.get_payload())[1]
            self.store.delete(unquote(urlsplit(path).path.split("/o/", 1)[1]), {})
            answers.append("Content-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
        body = "".join(f"--answers\r\n{answer}\r\n" for answer in answers) + "--answers--"
        self.reply(200, body.encode(), Content_Type="multipart/mixed; boundary=answers")

    def do_DELETE(self) -> None:
        path, query = self.asked()
        deleted = self.store.delete(unquote(path.removeprefix(f"{OBJECTS}/")), query)
        self.reply(412 if deleted is None else 204 if deleted else 404)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_) -> None:
        """Clients leave in the middle of an answer they no longer want."""


@contextlib.contextmanager
def serving() -> Iterator[tuple[str, Store]]:
    """The address of a server of one bucket, and what is in it."""
    store = Store()
    server = Server(("localhost", 0), type("Handler", (Handler,), {"store": store}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}", store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
