"""The parts of a page that say what a run is, how it went, and what to do with it."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxgan.reporting import scores
from jaxgan.reporting.page.charts import Balance
from jaxgan.reporting.page.markup import Markup, Section, element, section, table
from jaxgan.reporting.page.portrait import Finding, Portrait


def part_name(spec: Any) -> str:
    """What a config's section names: `{"name": "hinge", …}` or `"hinge"`."""
    return str(spec["name"] if isinstance(spec, Mapping) else spec)


def value_text(value: Any) -> str:
    """A config's value as a person reads it."""
    return "not set" if value is None else value if isinstance(value, str) and value else json.dumps(
        value, ensure_ascii=False, default=str)


def option_name(key: str) -> list[Any]:
    """The name of an option, for a cell: where it is narrow, broken between the parts of the name."""
    return [each for part in re.split(r"(?<=[._])", key) for each in (part, element("wbr"))][:-1]


def shape_words(data: Mapping[str, Any]) -> str:
    """`"images of 16×16×1"`."""
    kind = "points" if data["kind"] == "point" else f"images of {'×'.join(map(str, data['shape']))}"
    classes = data["num_classes"]
    return kind + (f", {classes} {'classes' if data['label_kind'] == 'class' else 'label values'}" if classes else "")


def lead(run: Portrait) -> list[Markup]:
    """What was trained in a sentence, and the numbers one looks for first."""
    config, data = run.config, run.environment["data"]
    train = data["splits"].get("train")
    parts = [part_name(config[name]) for name in ("generator", "discriminator", "loss")]
    words = ("{} against {}, {} loss, ".format(*parts)
             + f"on {data['name']}: {f'{train:,} ' if train else ''}{shape_words(data)}.")
    found = facts(run)
    if main := main_score(run.records):
        found.append((main[0].removeprefix("eval/"), scores.number(main[1])))
    return [element("p", words, class_="lead"),
            element("dl", [element("div", element("dt", name), element("dd", value)) for name, value in found],
                    class_="facts")]


def facts(run: Portrait) -> list[tuple[str, str]]:
    """(name, value) of what a run is summed up by."""
    kimg = next((record["kimg"] for record in reversed(run.records) if "kimg" in record), 0.0)
    done = run.step >= run.total_steps
    found = [("status", "finished" if done else f"{run.step / max(run.total_steps, 1):.0%} done"),
             ("images shown", f"{kimg:,.4g} of {run.config['total_kimg']:,.4g}k"),
             ("steps", f"{run.step:,}"),
             ("seed", str(run.config["seed"]))]
    if speeds := [record["images_per_second"] for record in run.records if "images_per_second" in record]:
        found.append(("images a second", f"{np.median(speeds):,.0f}"))
    found += [(f"{player} weights", count_words(count)) for player, count in run.parameters.items()]
    return found


def count_words(count: int) -> str:
    """`"3.58 M"`."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)


def main_score(records: Sequence[Mapping[str, Any]]) -> tuple[str, float] | None:
    """Name and last value of an `eval/` metric."""
    found = [(key, record[key]) for record in records for key in record
             if key.startswith("eval/") and isinstance(record[key], int | float) and math.isfinite(record[key])]
    return found[-1] if found else None


def findings_section(run: Portrait, balance: Balance | None, charts: Sequence[Markup]) -> Section | None:
    """What the doctor found, and how the two players stand."""
    found = [element("div", element("p", element("b", finding.name), finding_place(finding)),
                     element("p", finding.text), class_="finding") for finding in run.findings]
    if not found and balance is None:
        return None
    none = element("div", element("p", "No findings: nothing that looks like collapse or divergence was noted."),
                   class_="finding good") if run.records else None
    return section("Health", found or none, balance and element("p", balance.words, class_="about"),
                   element("div", charts, class_="charts"))


def finding_place(finding: Finding) -> str:
    """When it was found: `", at step 4,000 and 3 times since step 1,000"`."""
    return f", at step {finding.last:,}" + (f" and {finding.times} times in all, first at step {finding.first:,}"
                                            if finding.times > 1 else "")


def scores_section(run: Portrait) -> Section | None:
    """Scores with their protocols: of evaluations afterwards, then of those during training."""
    parts = []
    for file, results in run.scores.items():
        rows = [[result["name"], scores.number(result["value"]), scores.margin(result),
                 f"{result['protocol']['n_fake']:,}", f"{result['protocol']['n_real']:,}",
                 scores.direction(result["short"])] for result in results]
        parts += [element("h3", file), table(["score", "value", "± 95 %", "fakes", "real", "better"], rows),
                  element("details", element("summary", "protocol"), element("pre", scores.protocol_lines(results)))]
    during = trained_scores(run.records)
    if during:
        data = run.environment["data"]
        parts += [element("h3", "During training"),
                  table(["score", "last", "lowest", "highest", "last one after"], during),
                  element("p", f"Samples of the averaged weights for seeds from 0 on, against the training images of "
                               f"{data['name']} (content sha256 {data['content_hash'][:scores.HASH]}), pixels as "
                               f"uint8, jaxgan {run.environment['jaxgan']}; no interval, for each is one draw. "
                               f"config.metrics: {value_text(run.options['metrics'])}", class_="note")]
    return section("Scores", parts) if parts else None


def trained_scores(records: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A row for each metric that was measured while training."""
    rows = []
    for key in dict.fromkeys(key for record in records for key in record if key.startswith("eval/")):
        seen = [record for record in records if isinstance(record.get(key), int | float)]
        values = [record[key] for record in seen if math.isfinite(record[key])]
        if values:
            last = seen[-1]
            place = f"{last['kimg']:,.4g}k images" if "kimg" in last else f"step {last['step']:,}"
            rows.append([key.removeprefix("eval/"), *map(scores.number, (last[key], min(values), max(values))), place])
    return rows


def settings_section(run: Portrait) -> Section:
    """The config, what differs from the default first."""
    changed = [[option_name(key), value_text(value), value_text(default)] for key, value, default in run.differences]
    every = [[option_name(key), value_text(value)] for key, value in run.options.items()]
    first = table(["option", "this run", "default"], changed, "settings") if changed else element(
        "p", "Every option has its default.")
    return section("Settings", first, element("details", element("summary", f"all {len(every)} options"),
                                              table(["option", "this run"], every, "settings")),
                   about="What differs from the defaults of jaxgan.config.")


def background_section(run: Portrait) -> Section:
    """Data, hardware and versions."""
    data, env = run.environment["data"], run.environment
    names = ", ".join(data["class_names"])
    splits = ", ".join(f"{name} {count:,}" for name, count in data["splits"].items())
    rows = [["data", f"{data['name']}, {shape_words(data)}"], ["splits", splits or "not known"],
            *([["classes", names]] if names else []), ["licence of the data", data["licence"]],
            ["content sha256", data["content_hash"]],
            ["devices", f"{len(env['devices'])} × {env['devices'][0] if env['devices'] else '?'} ({env['backend']}), "
                        f"{env['processes']} process(es), {env['cpu_count']} CPU cores"],
            ["system", f"{env['platform']}, Python {env['python']}"],
            ["versions", ", ".join(f"{name} {version}" for name, version in
                                   {"jaxgan": env["jaxgan"], **env["packages"]}.items())]]
    rows += [["skipped files", f"{len(data['skipped']):,}"]] if data["skipped"] else []
    return section("Data and machine", table([], rows))


def commands_section(run: Portrait) -> Section:
    """Commands to be copied."""
    return section("Commands", [
        element("div", element("h3", what), element("pre", element("code", _words(command))),
                element("button", "copy", type="button"), class_="command") for what, command in run.commands.items()])


def _words(command: str) -> list[Any]:
    """A command whose arguments are broken only where they must be."""
    return [each for word in command.split(" ") for each in (element("span", word), " ")][:-1]


def notes_section(run: Portrait) -> Section | None:
    return section("Not shown", [element("p", note) for note in run.notes]) if run.notes else None
