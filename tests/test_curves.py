import math

import numpy as np
import pytest

from jaxgan.images import load_png
from jaxgan.reporting import curves
from jaxgan.reporting.curves import draw_curves


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """draw(records) -> what each panel of the picture holds: title -> (labels, lines, x limits)."""
    figures = []
    original = curves.Figure

    def figure(*args, **kwargs):
        figures.append(original(*args, **kwargs))
        return figures[-1]

    monkeypatch.setattr(curves, "Figure", figure)

    def draw(records):
        path = draw_curves(records, tmp_path / "curves.png")
        assert load_png(path).std() > 0
        return {axes.get_title("left"): axes for axes in figures[-1].axes}

    return draw


def history(count):
    rng = np.random.default_rng(0)
    return [{"step": 50 * i, "kimg": 3.2 * i, "d/loss": rng.random(), "g/loss": rng.random(), "d/sign_real": 0.3,
             "d/sign_fake": -0.3, "d/r1": 0.1, "eval/fid": 9.0 - i / count, "images_per_second": 3000 + i,
             "note": "text is no curve"} for i in range(count)]


def foot(panels):
    text, = next(iter(panels.values())).figure.texts
    return text.get_text()


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def test_one_panel_for_each_thing_that_is_measured(drawn):
    panels = drawn(history(5))
    assert list(panels) == ["loss", "mean sign of D's logit", "d/r1", "eval/fid", "images a second"]
    assert labels(panels["loss"]) == ["d/loss", "g/loss"]
    assert labels(panels["mean sign of D's logit"]) == ["d/sign_real", "d/sign_fake"]
    line = panels["eval/fid"].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [0, 3.2, 6.4, 9.6, 12.8])
    np.testing.assert_allclose(line.get_ydata(), [9, 8.8, 8.6, 8.4, 8.2])
    assert len({axes.get_xlim() for axes in panels.values()}) == 1
    assert foot(panels) == "thousand images"


def test_steps_where_images_are_not_counted(drawn):
    panels = drawn([{"step": 10, "d/loss": 1.0}, {"step": 20, "kimg": 1.0, "d/loss": 2.0}])
    assert foot(panels) == "step"
    assert panels["d/loss"].lines[0].get_xdata().tolist() == [10, 20]


def test_long_histories_are_smoothed_over_a_faint_raw_line(drawn):
    records = history(600)
    raw, smooth = drawn(records)["loss"].lines[:2]
    assert raw.get_alpha() < 0.5
    np.testing.assert_array_equal(raw.get_ydata(), [record["d/loss"] for record in records])
    assert np.std(smooth.get_ydata()) < np.std(raw.get_ydata()) / 2
    # The ends average what there is of the window instead of leaning to zero.
    np.testing.assert_allclose(smooth.get_ydata()[0], raw.get_ydata()[:11].mean())


@pytest.mark.parametrize("count", [20, 200])
def test_gaps_stay_gaps_and_are_marked(drawn, count):
    records = history(count)
    records[3]["d/loss"], records[4]["d/loss"], records[5]["d/loss"] = math.nan, None, math.inf
    del records[7]["d/loss"]
    panel = drawn(records)["loss"]
    for line in panel.lines[:2 if count >= 60 else 1]:
        assert np.isnan(line.get_ydata()).tolist() == [i in (3, 4, 5) for i in range(count - 1)]
        assert 7 * 3.2 not in line.get_xdata()
    cross = panel.lines[-1]
    assert cross.get_label() == "not finite"
    np.testing.assert_allclose(cross.get_xdata(), [9.6, 12.8, 16.0])


def test_sparse_metrics_are_joined_across_records_that_lack_them(drawn):
    records = [{"step": i, "kimg": i, "d/loss": 1.0} | ({"eval/fid": i} if i % 10 == 0 else {}) for i in range(31)]
    assert drawn(records)["eval/fid"].lines[0].get_xdata().tolist() == [0, 10, 20, 30]


@pytest.mark.parametrize("records", [
    [], [{"step": 0, "kimg": 0}], history(1), [{"step": 0, "d/loss": math.nan}],
    [{"step": i, "d/loss": None, "g/loss": 3e38 * (-1) ** i} for i in range(80)],
], ids=["none", "no metrics", "one", "nothing finite", "huge"])
def test_odd_histories_are_drawn_all_the_same(drawn, records):
    drawn(records)


def test_too_many_metrics_are_named_instead_of_drawn(drawn):
    panels = drawn([{"step": i, **{f"d/term{k:02}": k * i for k in range(18)}} for i in range(2)])
    assert len(panels) == 15
    assert "Not drawn: d/term15, d/term16, d/term17" in foot(panels)


def test_the_same_history_gives_the_same_bytes(tmp_path):
    one, two = (draw_curves(history(70), tmp_path / name, "a run") for name in ("a.png", "b.png"))
    assert one.read_bytes() == two.read_bytes()
