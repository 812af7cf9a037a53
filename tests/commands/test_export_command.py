"""`python -m jaxgan.export`: files that other programs open, a card that tells what is known, and the Hub."""

import base64
import hashlib
import json
import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub
import jax
import numpy as np
import onnxruntime
import pytest
from huggingface_hub import constants

import jaxgan
from jaxgan import config as config_lib
from jaxgan import data, export, exporting, sample
from jaxgan.errors import InputError
from jaxgan.experiment import Experiment
from jaxgan.images import to_uint8
from jaxgan.runs import RunFolder
from jaxgan.training.checkpoints import Checkpoints

RESULT = {"name": "fd64_pixels", "short": "fd", "value": 1.25, "low": 1.0, "high": 1.5,
          "interval": {"kind": "jackknife", "repeats": 10, "level": 0.95}, "details": {},
          "protocol": {"metric": "fd", "arguments": {}, "n_real": 100, "n_fake": 64, "n_held_out": None,
                       "real": {"data": "digits", "split": "train", "sha256": "ab" * 32},
                       "fake": [{"data": "run step 0", "split": "seeds 0-63", "sha256": "cd" * 32}], "held_out": None,
                       "copies": 0, "quantisation": "uint8", "seed": 0, "jaxgan": "0.1.0",
                       "backbone": {"name": "pixels", "resizer": "box8", "weights_sha256": "none"}}}


def written(config, folder):
    """A run that has just begun, whose averaged weights are others than the last ones: nothing here asks for more."""
    source = data.open(config["data"])
    experiment = Experiment(config, source.info, jax.devices()[:1])
    RunFolder(folder).prepare(config, source.info)
    state = experiment.initial_state()
    state = state.replace(averages=jax.tree.map(lambda leaf: 1.5 * leaf, state.averages))
    with closing(Checkpoints(RunFolder(folder).checkpoints)) as checkpoints:
        checkpoints.save(state)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run, with what jaxgan.evaluate said of it."""
    config = config_lib.default()
    config.data = {"name": "digits", "resolution": 8}
    config.latent = {"name": "normal", "dim": 4}
    config.generator = {"name": "dcgan", "width": 4, "embed_dim": 3}
    config.discriminator = {"name": "mlp", "width": 16, "depth": 1}
    folder = tmp_path_factory.mktemp("export") / "small-run"
    folder.mkdir()
    written(config, folder)
    (folder / "scores.json").write_text(json.dumps({"jaxgan": "0.1.0", "results": [RESULT]}))
    return folder


@pytest.fixture(scope="module")
def exported(run):
    folder = run.parent / "exported"
    assert export.main([f"--workdir={run}", f"--output={folder}", "--format=all", "--licence=cc-by-4.0"]) == 0
    return folder


def sampled(run, path, *options):
    assert sample.main([f"--workdir={run}", "--seeds=0-19", f"--output={path}", *options]) == 0
    return np.load(path)


def test_an_export_gives_the_bytes_that_sample_writes(run, exported, tmp_path):
    for options, arguments in (([], {}), (["--labels=3", "--truncation=0.5"], {"labels": 3, "truncation": 0.5})):
        wanted = sampled(run, tmp_path / "a.npz", *options)["images"]
        for place in (run, exported):
            assert np.array_equal(jaxgan.load(place).generate(range(20), **arguments), wanted)
    raw = tmp_path / "raw"
    assert export.main([f"--workdir={run}", f"--output={raw}", "--format=safetensors", "--raw"]) == 0
    assert {path.name for path in raw.iterdir()} == {"README.md", "config.json", "model.safetensors", "samples.png"}
    wanted = sampled(run, tmp_path / "b.npz", "--raw")["images"]
    assert np.array_equal(jaxgan.load(raw).generate(range(20)), wanted)
    assert not np.array_equal(jaxgan.load(run).generate(range(20)), wanted)


def test_the_programs_need_jax_alone(run, exported, tmp_path):
    """The card's own code, in a process where nothing but jax and NumPy can be imported."""
    card = (exported / "README.md").read_text()
    code = next(part for part in card.split("```python\n") if "deserialize" in part).split("```")[0]
    guard = ("import sys\nclass Guard:\n    def find_spec(self, name, *rest):\n"
             "        assert name.split('.')[0] not in ('flax', 'jaxgan', 'optax', 'orbax'), name\n"
             "sys.meta_path.insert(0, Guard())\n")
    (tmp_path / "alone.py").write_text(f"{guard}{code}\nnp.savez('made.npz', z=z, images=images)\n"
                                       "print(sorted(generator.platforms))\n")
    for name in ("latent.stablehlo", "generator.stablehlo"):
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    out = subprocess.run([sys.executable, "-I", "alone.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip() == "['cpu', 'cuda', 'tpu']"
    made = np.load(tmp_path / "made.npz")
    wanted = jaxgan.load(run).generate(range(16), labels=np.arange(16) % 10)
    assert np.abs(to_uint8(made["images"]).astype(int) - wanted).max() <= 1
    assert np.mean(to_uint8(made["images"]) != wanted) < 1e-3
    session = onnxruntime.InferenceSession(exported / "generator.onnx", providers=["CPUExecutionProvider"])
    (image,) = session.run(None, {"z": made["z"], "label": np.arange(16, dtype=np.int32) % 10})
    np.testing.assert_allclose(image, made["images"], rtol=0, atol=1e-4)


def test_the_card_tells_what_is_known_and_what_is_not(run, exported):
    card = huggingface_hub.ModelCard.load(exported / "README.md")
    assert card.data.library_name == "jaxgan"
    assert card.data.license == "cc-by-4.0"
    assert "dcgan" in card.data.tags
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("fd", 1.25, "digits")
    assert result.metric_args["backbone"]["name"] == "pixels"
    text = (exported / "README.md").read_text()
    for words in ("fd64_pixels", "at step 0", "1,797 images, 10 classes", "Licence of the data: CC BY 4.0",
                  "Not stated by whoever exported it", "has not been measured here", "non_saturating", "samples.png"):
        assert words in text
    assert str(run.parent) not in text + (exported / "config.json").read_text()


def test_an_unlabelled_run_that_was_not_scored(tiny, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    written(tiny("data.labels=False", "seed=1"), tmp_path / "run")
    assert export.main([f"--workdir={tmp_path}/run", f"--output={tmp_path}/out", "--use=Nothing but tests."]) == 0
    assert "generator.stablehlo(z)" in capsys.readouterr().out
    card = (tmp_path / "out" / "README.md").read_text()
    assert "license" not in card.split("---")[1]
    assert "model-index" not in card
    for words in ("Not known: it has not been evaluated", "Nothing but tests.", "no labels", "not stated by whoever"):
        assert words in card
    generator = jaxgan.load(tmp_path / "out")
    assert np.array_equal(generator.generate([3]), jaxgan.load(tmp_path / "run").generate([5, 3])[1:])
    with pytest.raises(InputError, match="trained without"):
        generator.generate([3], labels=1)


def test_a_private_run_keeps_its_seed_and_says_what_it_spent(tiny, tmp_path):
    (tmp_path / "run").mkdir()
    written(tiny("privacy={'name': 'dp_sgd', 'noise': 1.0}", "max_rollbacks=0", "seed=4049"), tmp_path / "run")
    assert export.main([f"--workdir={tmp_path}/run", f"--output={tmp_path}/out", "--format=safetensors"]) == 0
    record = json.loads((tmp_path / "out" / "config.json").read_text())
    card = (tmp_path / "out" / "README.md").read_text()
    assert "seed" not in record["config"]
    assert record["data"]["content_hash"] == ""
    assert "4049" not in card
    assert "content sha256" not in card
    assert "Epsilon 0 at delta 1e-05, of one training image" in card
    assert jaxgan.load(tmp_path / "out").generate([3]).shape == (1, 8, 8, 1)


@pytest.mark.parametrize(("arguments", "words"), [
    (["--format=tflite"], "there is no 'tflite'; there are safetensors, stablehlo, onnx, and all"),
    (["--private"], "--private goes with --push"),
    (["--push=me/mine"], r"--push=me/mine: write hf:USER/NAME"),
    (["--licence=my own: mine"], "give an identifier, such as apache-2.0"),
    (["--scores=nowhere.json"], "Cannot read nowhere.json"),
    (["--output=."], "holds other files"),
])
def test_what_cannot_be_is_refused(run, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(InputError, match=words):
        export.main([f"--workdir={run}", "--output=out", *arguments])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_damaged_and_hostile_exports_are_refused(exported, tmp_path):
    record = json.loads((exported / "config.json").read_text())
    place = tmp_path / "config.json"

    def refused(words, **changes):
        place.write_text(json.dumps(record | changes))
        with pytest.raises(InputError, match=words):
            jaxgan.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((exported / "model.safetensors").read_bytes())
    refused("names code from outside jaxgan.*generator.name=os:system.*trust=True",
            config=record["config"] | {"generator": {"name": "os:system"}})
    refused("does not hold the weights of this network.*params/", config=record["config"] | {
        "generator": {"name": "dcgan", "width": 8, "embed_dim": 3}})
    refused("is damaged, or no export", config={})
    refused("is damaged, or no export", data={"name": "x"})
    place.write_text(json.dumps(record))
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04cposix\nsystem\n.")
    with pytest.raises(InputError, match="damaged, or no safetensors file"):
        jaxgan.load(tmp_path)


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub as an upload and a download need. `files`, `asked`: of the server."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        if self.path == "/api/repos/create":
            self.answer({"url": f"{self.server.url}/me/mine", "name": "me/mine"})
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif self.path.endswith("/preupload/main"):
            self.answer({"files": [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                                   for each in json.loads(body)["files"]]})
        else:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.answer({"commitUrl": f"{self.server.url}/me/mine/commit/{'1' * 40}", "commitOid": "1" * 40,
                         "success": True, "hookOutput": ""})

    def do_GET(self):
        name = self.path.split("?")[0].rpartition("/")[2]
        if self.path.startswith("/api/models/me/mine/tree"):
            self.answer([{"type": "file", "path": each, "size": len(content), "oid": "0" * 40}
                         for each, content in self.server.files.items()])
        elif self.path.startswith("/api/"):
            self.answer({"id": "me/mine", "sha": "1" * 40, "private": False, "tags": [], "downloads": 0, "likes": 0,
                         "siblings": [{"rfilename": each} for each in self.server.files]})
        else:
            self.send_file(self.server.files[name])

    def do_HEAD(self):
        self.send_file(self.server.files[self.path.rpartition("/")[2]])

    def send_file(self, content):
        self.send_response(200)
        for key, value in {"Content-Length": len(content), "X-Repo-Commit": "1" * 40,
                           "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}.items():
            self.send_header(key, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def answer(self, content):
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A stub of the Hub on this machine, which the client takes for the real one."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.files, server.asked = {}, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    for name, value in {"ENDPOINT": server.url, "HF_HUB_DISABLE_XET": True, "HF_HUB_CACHE": str(tmp_path / "cache"),
                        "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}"}.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_push_and_load_back(run, hub, tmp_path, capsys):
    assert export.main([f"--workdir={run}", f"--output={tmp_path}/out", "--format=safetensors",
                        "--push=hf:me/mine"]) == 0
    assert "Uploaded to" in capsys.readouterr().out
    assert hub.files == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert {token for _, token in hub.asked} == {"Bearer hf_secret"}
    assert 'jaxgan.load("hf:me/mine")' in hub.files["README.md"].decode()
    assert np.array_equal(jaxgan.load("hf:me/mine").generate(range(4)), jaxgan.load(run).generate(range(4)))


def test_a_hub_that_does_not_answer(run, hub, tmp_path):
    hub.shutdown()
    hub.server_close()
    with pytest.raises(InputError, match=r"^--push=hf:me/mine did not work \(.*hf auth login"):
        export.main([f"--workdir={run}", f"--output={tmp_path}/out", "--format=safetensors", "--push=hf:me/mine"])
    assert exporting.is_export(tmp_path / "out")
