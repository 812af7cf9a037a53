"""The page of several runs, side by side."""

import math
from collections.abc import Sequence

from jaxgan.reporting import scores
from jaxgan.reporting.page import pictures, text
from jaxgan.reporting.page.charts import RUN_TONES, overlaid
from jaxgan.reporting.page.markup import Markup, Section, document, element, section, table
from jaxgan.reporting.page.portrait import Portrait
from jaxgan.reporting.page.run import curves_section

FRAMES_BYTES = 3_000_000  # of all runs together
NOT_COMPARED = ("kimg", "step")


def comparison_page(runs: Sequence[Portrait]) -> str:
    """The whole page, as HTML."""
    drawn = overlaid({run.name: run.records for run in runs})
    frames = [pictures.frames_data(run.frames, FRAMES_BYTES // len(runs)) for run in runs]
    parts = [_numbers(runs), _pictures(runs, frames), curves_section(range(len(drawn))), _scores(runs), _settings(runs)]
    names = ", ".join(run.name for run in runs)
    return document(f"{len(runs)} runs compared", element("p", names, class_="lead"), [part for part in parts if part],
                    {"frames": frames, "charts": drawn})


def _numbers(runs: Sequence[Portrait]) -> Section:
    """A row for each run."""
    facts = [dict(text.facts(run)) for run in runs]
    names = list(dict.fromkeys(name for found in facts for name in found))
    metrics = list(dict.fromkeys(key for run in runs for key in _last(run) if key.startswith(("eval/", "d/loss", "g/"))
                                 and not key.endswith("grad_norm")))
    rows = []
    for index, (run, found) in enumerate(zip(runs, facts)):
        last = _last(run)
        values = [scores.number(last[key]) if key in last else "–" for key in metrics]
        rows.append([_badge(run.name, index), *(found.get(name, "–") for name in names), *values,
                     str(len(run.findings))])
    heads = ["run", *names, *(key.removeprefix("eval/") for key in metrics), "findings"]
    return section("At a glance", table(heads, rows), about="Values are the last ones. Scores stand side by side only "
                   "where they were obtained in the same way: see the settings below.")


def _badge(name: str, index: int) -> Markup:
    return element("span", name, class_=f"run run{index % RUN_TONES}")


def _last(run: Portrait) -> dict[str, float]:
    """The last finite value of each metric."""
    return {key: value for record in run.records for key, value in record.items()
            if isinstance(value, int | float) and math.isfinite(value) and key not in NOT_COMPARED}


def _pictures(runs: Sequence[Portrait], frames: Sequence[list]) -> Section | None:
    cards = [element("div", element("h3", _badge(run.name, index)), pictures.slideshow(found, index, run.name),
                     class_="card") for index, (run, found) in enumerate(zip(runs, frames)) if found]
    return section("Images", element("div", cards, class_="runs")) if cards else None


def _scores(runs: Sequence[Portrait]) -> Section | None:
    """Evaluations afterwards, each with what keeps it from standing beside the others."""
    files = {f"{run.name}: {file}": results for run in runs for file, results in run.scores.items()}
    if not files:
        return None
    names = list(dict.fromkeys(result["name"] for results in files.values() for result in results))
    rows = [[name, *(next((f"{scores.number(each['value'])} {scores.margin(each)}" for each in results
                           if each["name"] == name), "–") for results in files.values())] for name in names]
    differing = scores.protocol_differences(files)
    warning = element("div", element("p", element("b", "Protocols differ: these numbers do not belong side by side.")),
                      [element("p", line) for line in differing], class_="finding bad") if differing else None
    return section("Scores", table(["score", *files], rows), warning)


def _settings(runs: Sequence[Portrait]) -> Section:
    """The options in which the runs differ."""
    keys = sorted({key for run in runs for key in run.options})
    rows = [[text.option_name(key), *values] for key in keys
            if len(set(values := [text.value_text(run.options.get(key)) for run in runs])) > 1]
    alike = element("p", "All options are the same." if not rows else f"{len(keys) - len(rows)} others are the same.",
                    class_="note")
    rows += [["data (content sha256)", *(run.environment["data"]["content_hash"][:scores.HASH] for run in runs)],
             ["jaxgan", *(run.environment["jaxgan"] for run in runs)],
             ["devices", *(f"{len(run.environment['devices'])} × {run.environment['backend']}" for run in runs)]]
    return section("What differs", table(["option", *(run.name for run in runs)], rows, "settings"), alike)
