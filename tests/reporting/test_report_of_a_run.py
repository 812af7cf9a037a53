"""What a run leaves behind to be looked at: its page, the page anew with an explorer, and TensorBoard's files."""

import json
import re
import shutil
import struct

import pytest

from jaxgan import config as config_lib
from jaxgan import main, portraits, report, training_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(the folder of a run of 40 steps, what it said at its end)."""
    config = config_lib.default()
    config.data = {"name": "digits", "resolution": 8}
    config.latent = {"name": "normal", "dim": 4}
    for player in ("generator", "discriminator"):
        config[player] = {"name": "mlp", "width": 16, "depth": 1}
    config.batch_size, config.total_kimg, config.health_every = 16, 0.64, 0
    config.log_every = config.sample_every = config.checkpoint_every = 20
    config.log.tensorboard = True
    folder = tmp_path_factory.mktemp("runs") / "digits <8>"
    return folder, training_run.train(config, folder, quiet=True)


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, flags=re.DOTALL)[1])


def test_a_run_ends_with_its_page(finished):
    folder, said = finished
    assert f"{folder}/report.html" in said
    page = (folder / "report.html").read_text()
    assert "<h1>digits &lt;8&gt;</h1>" in page
    for heading in ("Images", "Health", "Curves", "Class by class", "Interpolation", "Nearest real images"):
        assert f"<h2>{heading}</h2>" in page
    assert [frame["label"] for frame in data_of(page)["frames"][0]] == ["step 0 · 0k", "step 20 · 0.32k",
                                                                        "step 40 · 0.64k"]
    assert "plane" not in data_of(page)


def test_the_page_anew_with_an_explorer(finished, tmp_path, capsys):
    """Ten digits, three truncations; what differs between them is drawn."""
    folder, _ = finished
    assert report.main([f"--workdir={folder}", "--explore", f"--output={tmp_path / 'page.html'}"]) == 0
    assert "page.html" in capsys.readouterr().out
    page = (tmp_path / "page.html").read_text()
    plane = data_of(page)["plane"]
    assert [len(plane["sheets"]), *map(len, plane["sheets"])] == [10, *[3] * 10]
    assert len({sheet for sheets in plane["sheets"] for sheet in sheets}) == 30
    assert re.findall(r"<option.*?>(.*?)</option>", page)[-3:] == ["none", "0.7", "0.4"]


def test_data_that_changed_are_said_to_be(finished, tmp_path, capsys):
    folder = shutil.copytree(finished[0], tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    config["data"]["resolution"] = 9
    (folder / "config.json").write_text(json.dumps(config))
    assert report.main([f"--workdir={folder}", f"--output={tmp_path / 'page.html'}"]) == 0
    assert "No real images: The data of" in capsys.readouterr().err
    page = (tmp_path / "page.html").read_text()
    assert "Class by class" in page
    assert "Nearest real images" not in page


def test_several_runs_on_one_page(finished, tmp_path):
    folder, _ = finished
    assert report.main([f"--workdir={folder}", f"--workdir={folder}", f"--output={tmp_path / 'page.html'}"]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "digits &lt;8&gt; (1)" in page
    assert "digits &lt;8&gt; (2)" in page


def test_the_command_on_the_page_goes_on_with_the_run(finished, capsys):
    folder, _ = finished
    assert main.main([f"--config={folder}/config.json", f"--workdir={folder}", "--quiet"]) == 0
    assert "is finished: 40 steps" in capsys.readouterr().out


def test_a_page_that_cannot_be_drawn_fails_no_run(finished, monkeypatch):
    def fail(*arguments):
        raise ValueError("no ink")
    monkeypatch.setattr(portraits, "write", fail)
    folder, _ = finished
    studio = training_run.Studio(None, None, training_run.RunFolder(folder), None)
    assert studio.page(None).split() == ["no", "page", "AttributeError:", "'NoneType'", "object", "has", "no",
                                         "attribute", "'weights'"]
    monkeypatch.setattr(training_run.jax, "process_count", lambda: 2)
    assert "ValueError: no ink" in studio.page(None)


def test_tensorboard_files_hold_what_was_logged(finished):
    from tensorboardX.proto.event_pb2 import Event
    folder, _ = finished
    path, = (folder / "tensorboard").iterdir()
    raw, place, scalars, pictures = path.read_bytes(), 0, {}, []
    while place < len(raw):  # length, checksum, event, checksum
        length, = struct.unpack("<Q", raw[place:place + 8])
        event = Event.FromString(raw[place + 12:place + 12 + length])
        place += 16 + length
        for value in event.summary.value:
            if value.HasField("image"):
                pictures.append((event.step, value.tag, value.image.height))
            else:
                scalars[event.step, value.tag] = value.simple_value
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert pictures == [(step, "samples", pictures[0][2]) for step in (0, 20, 40)]
    for record in records:
        assert scalars[record["step"], "d/loss"] == pytest.approx(record["d/loss"])
        assert scalars[record["step"], "kimg"] == pytest.approx(record["kimg"])
