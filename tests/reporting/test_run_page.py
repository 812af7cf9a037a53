"""The run page, read as text: what it says, and that nothing of a run becomes markup."""

import html
import json
import re
import shlex

import numpy as np
import pytest
from PIL import Image

from jaxgan import config as config_lib
from jaxgan import images, portraits, report
from jaxgan.errors import InputError
from jaxgan.reporting.page.charts import MOST_POINTS, balance, line
from jaxgan.reporting.page.comparison import comparison_page
from jaxgan.reporting.page.encoding import embedded, thinned, tiles_of
from jaxgan.reporting.page.markup import Markup, element
from jaxgan.reporting.page.run import run_page
from jaxgan.runs import RunFolder

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&"


def held(page):
    """What the page's script draws from."""
    return json.loads(re.search(r'id="data">(.*?)</script>', page, flags=re.DOTALL)[1])


def said(page):
    """The page's words."""
    body = re.sub(r"<(style|script).*?</\1>|<wbr>", "", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", " ", body))


def pixels(src):
    import base64
    import io
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(src.partition(",")[2]))))


def test_the_page_has_everything(portrait):
    page = run_page(portrait())
    words = said(page)
    for heading in ("Images", "Latent explorer", "Health", "Curves", "Scores", "Class by class", "Interpolation",
                    "Nearest real images", "Settings", "Data and machine", "Commands"):
        assert f"<h2>{heading}</h2>" in page
    for what in ("dcgan against dcgan, hinge loss, on digits: 90 images of 8×8×1, 2 classes.", "finished", "95.9 k",
                 "D is right about everything.", "python -m jaxgan.main --config=c.json", "ab" * 32, "jax 0.10.2",
                 "fd1000_pixels8", "D is right about 80% of real images and 90% of fakes"):
        assert " ".join(what.split()) in " ".join(words.split()), what
    assert words.index("generator.width") < words.index("all 5 options")
    data = held(page)
    assert [frame["label"] for frame in data["frames"][0]] == [f"step {10 * i}" for i in range(5)]
    loss = next(chart for chart in data["charts"] if chart["title"] == "loss")
    assert [each["name"] for each in loss["lines"]] == ["d/loss", "g/loss"]
    assert loss["lines"][1]["y"][20] is None
    assert loss["lines"][1]["x"][20] == pytest.approx(13.44)
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_nothing_of_a_run_becomes_markup(portrait):
    """Names, classes, findings, settings, commands and keys, in one page and in a comparison."""
    run = portrait()
    named = run._replace(
        name=HOSTILE, commands={HOSTILE: HOSTILE}, differences=[(HOSTILE, HOSTILE, None)],
        options={HOSTILE: HOSTILE, "metrics": [HOSTILE]},
        records=[*run.records, {"step": 500, "kimg": 40.0, f"eval/{HOSTILE}": 1.0, HOSTILE: 2.0}],
        findings=[run.findings[0]._replace(name=HOSTILE, text=HOSTILE)], notes=[HOSTILE],
        classes=[run.classes[0]._replace(name=HOSTILE)], frames=[run.frames[0]._replace(label=HOSTILE)] * 2,
        plane=run.plane._replace(variants={HOSTILE: next(iter(run.plane.variants.values()))}, what=HOSTILE),
        environment=run.environment | {"platform": HOSTILE, "data": run.environment["data"] | {
            "name": HOSTILE, "class_names": [HOSTILE], "licence": HOSTILE}})
    for page in (run_page(named), comparison_page([named, run])):
        assert "<img src=x" not in page
        assert page.count("</script>") == 2
        assert html.escape(HOSTILE) in page
        assert HOSTILE in json.dumps(held(page), ensure_ascii=False).replace('\\"', '"')


def test_scripts_are_ours_alone(portrait):
    """The page's rules name the hash of its own script and style, and allow no other place."""
    import base64
    import hashlib
    page = run_page(portrait())
    rules = html.unescape(re.search(r'Content-Security-Policy" content="(.*?)"', page)[1])
    assert rules.startswith("default-src 'none'")
    for tag in ("script", "style"):
        text = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in rules
    assert " style=" not in page


def test_a_long_run_stays_small(long_page):
    assert len(long_page) < 5_000_000
    data = held(long_page)
    assert len(data["frames"][0]) == 50
    assert {len(line["x"]) for chart in data["charts"] for line in chart["lines"]} == {500}


def test_thinned_lines_keep_their_peaks():
    y = np.zeros(20_000)
    y[12_345], y[777], y[50] = 9.0, -4.0, np.nan
    drawn = line("loss", "d", (np.arange(20_000.0), y))
    assert len(drawn["x"]) <= MOST_POINTS
    assert {9.0, -4.0, None} <= set(drawn["y"])
    assert [drawn["x"][0], drawn["x"][-1]] == [0, 19_999]
    assert len(drawn["s"]) == len(drawn["y"])


@pytest.mark.parametrize(("loss", "values", "says"), [
    ("hinge", {"d/sign_real": 1.0, "d/sign_fake": -1.0}, "nearly always"),
    ("hinge", {"d/sign_real": 0.0, "d/sign_fake": 0.0}, "little better than guessing"),
    ("hinge", {"d/sign_real": float("nan"), "d/sign_fake": 0.0}, "diverged"),
    ("wasserstein", {"d/sign_real": 1.0, "d/sign_fake": -1.0, "d/logit_real": 5.0, "d/logit_fake": 2.0}, "only the"),
    ("wasserstein", {"health/accuracy_real": 0.9, "health/accuracy_fake": 0.7}, "right about 80%")])
def test_what_the_balance_says(loss, values, says):
    found = balance([{"step": step, **values} for step in range(20)], loss)
    assert says in found.words
    if "d/logit_real" in values:
        assert found.charts[0]["lines"][0]["y"] == [3.0] * 20


def test_a_grid_gives_its_images_back():
    made = np.random.default_rng(0).integers(0, 256, (64, 16, 12, 3), np.uint8)
    np.testing.assert_array_equal(tiles_of(images.grid(made, columns=8, title="step 4"), made.shape[1:]), made)
    assert tiles_of(np.zeros((676, 641, 3), np.uint8), (16, 12, 3)) is None
    assert thinned(range(100), 3) == [0, 50, 99]


def test_pictures_are_exact_where_they_fit_and_smaller_where_not():
    small = np.random.default_rng(0).integers(0, 256, (40, 30, 1), np.uint8)
    kept = embedded(small, 50_000)
    np.testing.assert_array_equal(pixels(kept["src"])[:, :, 0], small[:, :, 0])
    assert (kept["width"], kept["height"]) == (30, 40)
    large = np.random.default_rng(0).integers(0, 256, (700, 500, 3), np.uint8)
    lossy = embedded(large, 20_000)
    assert len(lossy["src"]) < 4 / 3 * 20_000 + 100
    assert (lossy["width"], lossy["height"]) == (500, 700)
    see_through = np.zeros((4, 4, 4), np.uint8)
    assert (pixels(embedded(see_through, 5000)["src"]) == 255).all()


def test_elements_escape():
    assert element("p", "<b>", Markup("<i></i>"), None, class_="a\"b", data_x=1, hidden=True, title=None) == (
        '<p class="a&quot;b" data-x="1" hidden>&lt;b&gt;<i></i></p>')
    assert element("input", value=0, disabled=False) == '<input value="0">'


def test_runs_side_by_side(portrait):
    """Options that differ, a line for each run, and a warning where protocols do."""
    def scored(num):
        return [{"name": "fd", "short": "fd", "value": num / 2, "low": None, "high": None, "interval": None,
                 "details": {}, "protocol": {"metric": "fd", "n_fake": num, "n_real": 90, "fake": [], "real": {}}}]
    one = portrait(scores={"a.json": scored(100)})
    other = portrait(records=80, name="other", options=one.options | {"loss": "wasserstein"},
                     scores={"b.json": scored(200)})
    page = comparison_page([one, other])
    words = said(page)
    differing = words[words.index("What differs"):]
    assert "wasserstein" in differing
    assert "generator.width" not in differing
    assert "4 others are the same." in differing
    assert "Protocols differ" in words
    assert "n_fake is 100 in dcgan-digits: a.json, 200 in other: b.json" in words
    charts = {chart["title"]: chart["lines"] for chart in held(page)["charts"]}
    assert [(line["name"], line["tone"], len(line["x"])) for line in charts["d/loss"]] == [
        ("dcgan-digits", "run0", 40), ("other", "run1", 80)]
    assert len(held(page)["frames"]) == 2


def test_a_folder_without_weights_is_shown_as_far_as_it_goes(written, tiny, capsys, tmp_path):
    made = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), np.uint8)
    run = written(tiny("loss=hinge"), records=[{"step": 20, "kimg": 0.32, "d/loss": 1.0, "finding/odd": "Look."},
                                               {"step": 40, "kimg": 0.64, "d/loss": None, "finding/odd": "Look!"}],
                  pictures=[(0, images.grid(made, columns=8, title="step 0"))])
    (run / "samples" / "step00000020.png").write_bytes(b"half a picture")
    (run / "notes.json").write_text("[1, 2]")
    found = portraits.of_folder(RunFolder(run))
    assert [(each.name, each.text, each.first, each.last, each.times) for each in found.findings] == [
        ("odd", "Look!", 20, 40, 2)]
    np.testing.assert_array_equal(found.frames[0].picture, made)
    assert len(found.frames) == 1
    assert ("loss", "hinge", None) in found.differences
    assert report.main([f"--workdir={run}", f"--output={tmp_path / 'page.html'}"]) == 0
    page = said((tmp_path / "page.html").read_text())
    assert "No images:" in page
    assert "No images:" in capsys.readouterr().err
    assert "Look!" in page


def test_commands_are_quoted_for_a_shell(written, tiny, tmp_path):
    run = written(tiny()).rename(tmp_path / "my run; rm -rf $HOME")
    for command in portraits.of_folder(RunFolder(run)).commands.values():
        words = shlex.split(command)
        assert words[:2] == ["python", "-m"]
        assert f"--workdir={run}" in words


def test_a_run_goes_on_from_its_own_config(written, tiny, tmp_path):
    """--config=…/config.json is the run's config; code from outside is not taken from there unasked."""
    config = tiny("loss=hinge")
    run = written(config)
    assert not config_lib.differences(config, config_lib.load(f"{run}/config.json"))
    assert config_lib.load(f"{run}/config.json", ["batch_size=8"])["batch_size"] == 8
    (run / "config.json").write_text(config_lib.to_json(tiny("loss=os:getcwd")))
    with pytest.raises(InputError, match=r"loss=os:getcwd.*--trust"):
        config_lib.load(f"{run}/config.json")
    assert config_lib.load(f"{run}/config.json", trust=True)["loss"] == "os:getcwd"
    assert all("--trust" in command for command in portraits.of_folder(RunFolder(run)).commands.values())
    with pytest.raises(InputError, match="Cannot read"):
        config_lib.load(f"{tmp_path}/none.json")


@pytest.mark.parametrize(("arguments", "message"), [
    (["--output=a.html"], "--workdir"),
    (["--workdir=a", "--output=a.txt"], "ends in .html"),
    (["--workdir=a", "--output=none/a.html"], "there is no folder none"),
    (["--workdir=a", "--workdir=b", "--explore", "--output=a.html"], "give one --workdir"),
    (["--workdir=nowhere", "--output=a.html"], "nowhere is not a run")])
def test_what_is_refused(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        report.main(arguments)
