"""Weights are fetched, checked, converted and kept, from a server on this machine."""

import functools
import hashlib
import http.server
import pickle
import threading

import jax
import numpy as np
import pytest

from jaxgan import prepare
from jaxgan.errors import InputError
from jaxgan.interop import safetensors
from jaxgan.metrics import backbones
from jaxgan.metrics.backbones import BACKBONES, WEIGHTS, dinov2, inception, weights


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path):
    """(folder that is served, its address)."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache/jaxgan/weights"


@pytest.fixture
def tiny(server, monkeypatch):
    """A published file of two small tensors, for the name "tiny"; its path on the server."""
    folder, address = server
    file = folder / "tiny.safetensors"
    safetensors.write(file, {"a.weight": np.arange(6, dtype=np.float32)}, {})
    content = file.read_bytes()
    published = weights.Published(f"{address}/{file.name}", len(content), hashlib.sha256(content).hexdigest())
    kind = weights.Weights(published, lambda tensors, where: {"a/kernel": tensors["a.weight"] * 2})
    monkeypatch.setitem(backbones.WEIGHTS, "tiny", kind)
    return file


def test_fetched_checked_converted_kept(tiny, cache, capsys):
    published = WEIGHTS["tiny"].published
    prepare.main(["--weights=tiny"])
    assert capsys.readouterr().out == f"tiny is prepared in {cache}/tiny.safetensors\n"
    params, sha256 = weights.load("tiny", WEIGHTS["tiny"])
    np.testing.assert_array_equal(params["a"]["kernel"], 2 * np.arange(6))
    assert sha256 == published.sha256
    assert [file.name for file in cache.iterdir()] == ["tiny.safetensors"]
    tiny.unlink()  # it is not asked for twice
    prepare.main(["--weights=tiny"])
    assert capsys.readouterr().out == f"tiny is prepared already, in {cache}/tiny.safetensors\n"


def test_from_a_file(tiny, cache, tmp_path):
    elsewhere = tiny.rename(tmp_path / "mine.safetensors")
    prepare.main(["--weights=tiny", f"--from={elsewhere}"])
    assert weights.find("tiny", WEIGHTS["tiny"]) == cache / "tiny.safetensors"
    with pytest.raises(InputError, match=r"none\.pth cannot be read"):
        prepare.main(["--weights=tiny", "--from=none.pth"])


def test_a_file_that_is_not_the_published_one(tiny, cache, server, tmp_path):
    content = tiny.read_bytes()
    changed = content[:-1] + b"\x01"
    (tmp_path / "x.safetensors").write_bytes(changed)
    tiny.write_bytes(changed)
    for arguments in ([f"--from={tmp_path / 'x.safetensors'}"], []):
        with pytest.raises(InputError, match=f"is not the published file of tiny: its sha256 is "
                                             f"{hashlib.sha256(changed).hexdigest()}, not .*--weights=tiny-custom"):
            prepare.main(["--weights=tiny", *arguments])
    for length, message in ((10, "gave only 10 of"), (500, "gave more than the")):
        tiny.write_bytes((content + bytes(1000))[:length])
        with pytest.raises(InputError, match=rf"{message} .*--weights=tiny --from=FILE"):
            prepare.main(["--weights=tiny"])
    tiny.unlink()
    with pytest.raises(InputError, match=r"cannot be fetched \(File not found\)\. Fetch it elsewhere and run "
                                         "`python -m jaxgan.prepare --weights=tiny --from=FILE`"):
        prepare.main(["--weights=tiny"])
    assert not list(cache.iterdir())


def test_without_a_network(tiny, monkeypatch):
    monkeypatch.setitem(backbones.WEIGHTS, "tiny", WEIGHTS["tiny"]._replace(
        published=WEIGHTS["tiny"].published._replace(url="http://127.0.0.1:9/x.pth")))
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9/x\.pth cannot be fetched .*--weights=tiny --from=FILE"):
        prepare.main(["--weights=tiny"])


def test_a_damaged_cache_is_refused_and_made_anew(tiny, cache):
    prepare.main(["--weights=tiny"])
    file = cache / "tiny.safetensors"
    sound = file.read_bytes()
    for content in (sound[:-1] + b"\x01", sound[:20], b""):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"tiny\.safetensors is damaged"):
            weights.load("tiny", WEIGHTS["tiny"])
        prepare.main(["--weights=tiny"])
        np.testing.assert_array_equal(weights.load("tiny", WEIGHTS["tiny"])[0]["a"]["kernel"], 2 * np.arange(6))


@pytest.mark.parametrize("name", ["inception", "dinov2-s", "dinov2-b", "dinov2-l"])
def test_missing_weights_say_how_to_get_them(name):
    with pytest.raises(InputError) as caught:
        BACKBONES[name]()
    assert str(caught.value) == (
        f"The weights of {name} are not on this machine: run `python -m jaxgan.prepare --weights={name}`, or, offline, "
        f"add --from=FILE with {WEIGHTS[name].published.url} fetched elsewhere.")


def test_other_weights_are_never_called_by_the_name_alone(tmp_path, monkeypatch, capsys):
    table = dinov2.published_names(dinov2.VisionTransformer(64, 1, 1, grid=2))
    rng = np.random.default_rng(0)
    file = tmp_path / "mine.safetensors"
    safetensors.write(file, {theirs: rng.normal(size=shape).astype(np.float32) for theirs, shape in table.values()}, {})
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(InputError, match="not the published file of dinov2-s"):
        prepare.main(["--weights=dinov2-s", f"--from={file}"])
    with pytest.raises(InputError, match="--from=FILE"):
        prepare.main(["--weights=dinov2-custom"])
    with pytest.raises(InputError, match=r"not on this machine: run .*--weights=dinov2-custom --from=FILE`\.$"):
        BACKBONES["dinov2-custom"]()
    prepare.main(["--weights=dinov2-custom", f"--from={file}"])
    backbone = BACKBONES["dinov2-custom"]()
    assert (backbone.name, backbone.weights_sha256) == (f"dinov2-custom-{sha256[:8]}", sha256)
    prepared = backbone.prepare(rng.integers(0, 256, (1, 20, 30, 3), np.uint8))
    assert jax.eval_shape(backbone.apply, backbone.weights, prepared)["pool"].shape == (1, 64)
    with pytest.raises(InputError, match="does not hold the weights of this network"):
        prepare.main(["--weights=inception-custom", f"--from={file}"])
    monkeypatch.setattr(weights, "load", lambda name, kind: ({}, sha256))
    assert inception.inception_custom().name == f"inception-custom-{sha256[:8]}"
    assert inception.inception("clean")._replace(prepare=None, apply=None) == (
        "inception", "clean", sha256, {}, None, None)


def test_a_hostile_file_is_refused(tmp_path, cache):
    file = tmp_path / "x.pth"
    file.write_bytes(pickle.dumps({"a": print}))
    with pytest.raises(InputError, match=r"asks for builtins\.print"):
        prepare.main(["--weights=inception-custom", f"--from={file}"])
    assert not cache.exists()
