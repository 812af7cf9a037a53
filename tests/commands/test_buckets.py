"""Runs and data in a bucket: a server of one on this machine answers the real clients."""

import io
import json

import numpy as np
import pytest
from object_store import serving
from PIL import Image

from jaxgan import data, main, sample
from jaxgan.errors import InputError

pytest.importorskip("gcsfs", reason="buckets need jaxgan[buckets]")

# The clients leave their connections to the garbage collector, here with the event loop they came from.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SHORT = ("--config.total_kimg=0.32", "--config.log_every=10", "--config.evaluate_every=0", "--config.metrics=()",
         "--quiet")


@pytest.fixture(scope="module")
def bucket():
    """What is in gs://bucket, by name."""
    import fsspec
    with pytest.MonkeyPatch.context() as patch, serving() as (address, store):
        for name in ("STORAGE_EMULATOR_HOST", "TENSORSTORE_GCS_HTTP_URL"):
            patch.setenv(name, address)
        patch.setenv("NO_GCE_CHECK", "true")  # there is nobody to ask who we are
        fsspec.get_filesystem_class("gs").clear_instance_cache()
        yield store


def test_a_run_lives_in_a_bucket(bucket, small, no_page, tmp_path, capsys):
    config, place = f"--config={small}", "gs://bucket/runs/one"
    assert main.main([config, f"--workdir={place}", *SHORT]) == 0
    said = capsys.readouterr().out
    assert f"{place}/samples/step00000020.png" in said
    assert f"--workdir={place} " in said
    assert {"runs/one/config.json", "runs/one/environment.json", "runs/one/samples/step00000000.png",
            "runs/one/samples/training.gif"} < set(bucket.objects)
    lines = bucket.objects["runs/one/metrics.jsonl"].data.splitlines()
    assert [json.loads(line)["step"] for line in lines] == [10, 20]
    sample.main([f"--workdir={place}", "--seeds=0-3", f"--output={tmp_path}/four.npz"])
    with np.load(tmp_path / "four.npz") as arrays:
        assert arrays["images"].shape == (4, 8, 8, 1)
    with pytest.raises(InputError, match="gs://bucket/runs/one holds a run with another config"):
        main.main([config, f"--workdir={place}", *SHORT, "--config.seed=1"])


@pytest.mark.slow
def test_another_machine_goes_on_from_what_the_bucket_holds(bucket, small, no_page):
    arguments = [f"--config={small}", "--workdir=gs://bucket/runs/two", *SHORT, "--config.total_kimg=0.64"]
    assert main.main(arguments) == 0
    lines = bucket.objects["runs/two/metrics.jsonl"].data.splitlines()
    assert len(lines) == 4
    # As though killed after the first checkpoint, which is published with the lines before it.
    for name in [name for name in bucket.objects if "/checkpoints/40/" in name]:
        bucket.delete(name, {})
    bucket.put("runs/two/metrics.jsonl", b"\n".join(lines[:3]) + b"\n", {})
    assert main.main(arguments) == 0
    again = bucket.objects["runs/two/metrics.jsonl"].data.splitlines()
    assert [json.loads(line)["d/loss"] for line in again] == [json.loads(line)["d/loss"] for line in lines]


def test_data_come_from_a_bucket_and_are_kept_as_long_as_they_are_the_same(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def png(grey):
        file = io.BytesIO()
        Image.new("L", (8, 8), grey).save(file, "png")
        return file.getvalue()
    for name, grey in (("cats/a.png", 1), ("cats/b.png", 2), ("dogs/c.png", 3)):
        bucket.put(f"photos/{name}", png(grey), {})
    where = {"name": "folder", "path": "gs://bucket/photos"}

    def greys():
        source = data.open(where)
        assert source.info.class_names == ("cats", "dogs")
        return [int(source[i]["image"].max()) for i in range(len(source))]
    assert greys() == [1, 2, 3]
    kept = tmp_path / "jaxgan/buckets/gs/bucket/photos"
    before = (kept / "cats/a.png").stat()
    bucket.delete("photos/cats/b.png", {})
    bucket.put("photos/dogs/c.png", png(9), {})
    assert greys() == [1, 9]
    assert (kept / "cats/a.png").stat().st_mtime_ns == before.st_mtime_ns

    file = io.BytesIO()
    np.savez(file, images=np.full((3, 8, 8), 7, np.uint8))
    bucket.put("sets/grey.npz", file.getvalue(), {})
    assert data.open({"name": "npz", "path": "gs://bucket/sets/grey.npz"})[2]["image"].max() == 7

    with pytest.raises(InputError, match="nothing at gs://bucket/phots"):
        data.open({"name": "folder", "path": "gs://bucket/phots"})
