"""The page of one run."""

from collections.abc import Sequence
from typing import Any

from jaxgan.reporting.page import pictures, text
from jaxgan.reporting.page.charts import balance, charts
from jaxgan.reporting.page.markup import Markup, Section, document, element, section
from jaxgan.reporting.page.portrait import Portrait


def run_page(run: Portrait) -> str:
    """The whole page, as HTML."""
    frames = pictures.frames_data(run.frames)
    plane = pictures.plane_data(run.plane) if run.plane else None
    drawn = charts(run.records)
    stand = balance(run.records, text.part_name(run.config["loss"]))
    of_balance = list(stand.charts) if stand else []
    parts = [pictures.images_section(run, frames),
             pictures.plane_section(run.plane, plane) if plane else None,
             text.findings_section(run, stand, boxes(range(len(of_balance)))),
             curves_section(range(len(of_balance), len(of_balance) + len(drawn))),
             text.scores_section(run),
             pictures.classes_section(run), pictures.walks_section(run), pictures.neighbours_section(run),
             text.settings_section(run), text.background_section(run), text.commands_section(run),
             text.notes_section(run)]
    data: dict[str, Any] = {"frames": [frames], "charts": of_balance + drawn}
    if plane:
        data["plane"] = {key: value for key, value in plane.items() if key != "sheet"}
    return document(run.name, text.lead(run), [part for part in parts if part], data)


def boxes(indices: Sequence[int]) -> list[Markup]:
    """Where the script draws charts."""
    return [element("div", class_="card chart", data_chart=str(index)) for index in indices]


def curves_section(indices: Sequence[int]) -> Section | None:
    return section("Curves", element("div", boxes(indices), class_="charts"), about="Point at a curve for its values. "
                   "Where there are many, the line is a moving average over the faint raw values; a red cross marks a "
                   "value that was not finite.") if indices else None
