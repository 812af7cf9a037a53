"""HTML that escapes by construction, and the frame of a page in the style of the house."""

import base64
import functools
import hashlib
import html
import json
from importlib import resources
from typing import Any, NamedTuple

SAFE_SOURCES = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:{images}"
VOID = ("img", "input", "meta", "wbr")


class Markup(str):
    """Text that is HTML already. Everything else that an element is given is escaped."""


class Section(NamedTuple):
    """A part of the page that the contents at its top lead to."""

    id: str
    heading: str
    html: Markup


def element(tag: str, *children: Any, **attributes: Any) -> Markup:
    """`<tag attributes>children</tag>`. Children: text, Markup, lists of them, None for nothing. Attributes: True for a
    bare one, None and False for none; `class_` is class, `data_key` data-key."""
    written = "".join(_attribute(name, value) for name, value in attributes.items()
                      if value is not None and value is not False)
    if tag in VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{_inside(children)}</{tag}>")


def _attribute(name: str, value: Any) -> str:
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def _inside(children: Any) -> str:
    if isinstance(children, list | tuple):
        return "".join(_inside(child) for child in children)
    if children is None:
        return ""
    return children if isinstance(children, Markup) else html.escape(str(children))


def section(heading: str, *children: Any, about: str | None = None) -> Section:
    """about: what stands beneath the heading."""
    name = "".join(letter if letter.isalnum() else "-" for letter in heading.lower())
    lead = about and element("p", about, class_="about")
    return Section(name, heading, element("section", element("h2", heading), lead, *children, id=name))


def table(head: list[Any], rows: list[list[Any]], class_: str | None = None) -> Markup:
    """A table that scrolls by itself where it is wider than the screen. The first cell of each row is its heading."""
    lines = [element("tr", element("th", row[0], scope="row"), [element("td", cell) for cell in row[1:]])
             for row in rows]
    top = element("thead", element("tr", [element("th", cell, scope="col") for cell in head])) if head else None
    return element("div", element("table", top, element("tbody", lines), class_=class_), class_="wide", tabindex="0")


def document(title: str, lead: Any, sections: list[Section], data: Any = None, files: bool = False) -> str:
    """The whole page. lead: what stands beneath the title. data: what its script draws from. files: whether pictures
    lie beside the page; otherwise they are in it.

    The page's own rules forbid every script but ours and every request, whatever names and texts hold.
    """
    script, style = _asset("page.js"), _asset("page.css")
    rules = SAFE_SOURCES.format(images=" 'self' file:" if files else "")
    rules += f"; script-src {_digest(script)}; style-src {_digest(style)}"
    links = [element("a", part.heading, href=f"#{part.id}") for part in sections]
    held = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    head = element("head", element("meta", charset="utf-8"), element("title", title),
                   element("meta", name="viewport", content="width=device-width, initial-scale=1"),
                   element("meta", http_equiv="Content-Security-Policy", content=rules),
                   element("style", Markup(style)))
    switch = element("button", "◐", id="theme", type="button", title="light or dark", aria_label="light or dark")
    body = element("body", element("header", element("div", element("h1", title), switch, class_="top"), lead,
                                   element("nav", links, aria_label="contents")),
                   element("main", [part.html for part in sections]),
                   element("script", Markup(held), type="application/json", id="data"),
                   element("script", Markup(script)))
    return f'<!doctype html>\n<html lang="en">{head}{body}</html>\n'


@functools.cache
def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
