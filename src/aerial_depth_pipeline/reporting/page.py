"""The report as one HTML file that opens without a server and loads nothing from anywhere."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from jinja2 import Environment
from PIL import Image


@dataclass(frozen=True)
class Text:
    """A paragraph; `strong` for what a reader has to know."""

    text: str
    strong: bool = False
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Table:
    """A table as text: header and rows of cells; the first cell of a row is its name. `intervals`
    has small print for each cell, or nothing; `best` holds (row, column) of what to emphasise;
    `words` sets cells on the left."""

    caption: str
    header: list[str]
    rows: list[list[str]]
    intervals: list[list[str]] = field(default_factory=list)
    best: set[tuple[int, int]] = field(default_factory=set)
    folded: bool = False
    words: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Picture:
    """A PNG or an MP4 with its caption, embedded into the page."""

    caption: str
    content: bytes
    kind: ClassVar[str] = "picture"


@dataclass(frozen=True)
class Section:
    """A heading with whatever stands below it, in its order."""

    title: str
    blocks: list[Text | Heading | Table | Picture]


def render_page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The page's HTML; every text is escaped, every picture is inside.

    Args:
        title: heading and name of the browser's tab.
        lead: a sentence below the heading.
        sections: what follows.
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["embedded"] = _embedded
    environment.filters["is_video"] = _is_video
    return environment.from_string(_TEMPLATE).render(title=title, lead=lead, sections=sections)


def _is_video(content: bytes) -> bool:
    return content[4:8] == b"ftyp"


def _embedded(content: bytes) -> str:
    """A picture or video as a data URI; photographs and large pictures as JPEG, which the eye does
    not tell from PNG at this quality."""
    if _is_video(content):
        return "data:video/mp4;base64," + base64.b64encode(content).decode()
    if len(content) > 300_000:
        stream = io.BytesIO()
        Image.open(io.BytesIO(content)).convert("RGB").save(stream, "JPEG", quality=88)
        return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
    return "data:image/png;base64," + base64.b64encode(content).decode()


_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>
  :root { color-scheme: light; }
  body { font: 15px/1.5 system-ui, sans-serif; color: #1d1d24; background: #fff; margin: 0 auto; max-width: 75rem;
         padding: 2rem 1.5rem 4rem; }
  h1 { font-size: 1.7rem; margin: 0; }
  h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: 1rem; border-top: 2px solid #7e03a8; }
  nav a { margin-right: 1rem; }
  a { color: #7e03a8; }
  h3 { font-size: 1.02rem; margin: 1.8rem 0 .3rem; }
  p { max-width: 50rem; margin: .5rem 0; }
  p.answer { font-size: 1.08rem; border-left: 4px solid #7e03a8; padding-left: .8rem; }
  .table { overflow-x: auto; }
  table { border-collapse: collapse; margin: .4rem 0 1rem; font-variant-numeric: tabular-nums; font-size: .88rem; }
  caption { text-align: left; font-weight: 600; padding: .4rem 0; }
  th, td { padding: .25rem .55rem; text-align: right; border-bottom: 1px solid #e4e2ea; }
  td { white-space: nowrap; }
  th { vertical-align: bottom; }
  td { vertical-align: top; }
  th:first-child, td:first-child, table.words td, table.words th { text-align: left; }
  thead th { border-bottom: 2px solid #b9b4c6; }
  td.best { font-weight: 700; color: #7e03a8; }
  td small { display: block; font-weight: 400; font-size: .72rem; color: #77747f; }
  tbody tr:hover { background: #f6f2fa; }
  img, video { max-width: 100%; height: auto; display: block; }
  video { width: 60rem; }
  figure { margin: 1rem 0; }
  figcaption { color: #55535f; font-size: .88rem; }
  summary { cursor: pointer; font-weight: 600; padding: .2rem 0; }
  @media print { details { display: block; } h2 { break-before: page; } }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p>{{ lead }}</p>
<nav>{% for section in sections %}<a href="#s{{ loop.index }}">{{ section.title }}</a>{% endfor %}</nav>
{% for section in sections %}
<h2 id="s{{ loop.index }}">{{ section.title }}</h2>
{% for block in section.blocks %}
{% if block.kind == "text" %}
<p{% if block.strong %} class="answer"{% endif %}>{{ block.text }}</p>
{% elif block.kind == "heading" %}
<h3>{{ block.text }}</h3>
{% elif block.kind == "table" %}
{% if block.folded %}<details><summary>{{ block.caption }}</summary>{% endif %}
<div class="table"><table{% if block.words %} class="words"{% endif %}>
{% if not block.folded %}<caption>{{ block.caption }}</caption>{% endif %}
<thead><tr>{% for name in block.header %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in block.rows %}{% set y = loop.index0 %}
<tr>
{% for text in row %}{% set note = block.intervals[y][loop.index0] if block.intervals else "" %}
<td{% if (y, loop.index0) in block.best %} class="best"{% endif %}>{{ text }}{% if note %}<small>{{ note }}</small>{% endif %}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody>
</table></div>
{% if block.folded %}</details>{% endif %}
{% else %}
<figure>
{% if block.content | is_video %}
<video controls autoplay loop muted playsinline src="{{ block.content | embedded }}"></video>
{% else %}
<img src="{{ block.content | embedded }}" alt="{{ block.caption }}">
{% endif %}
<figcaption>{{ block.caption }}</figcaption>
</figure>
{% endif %}
{% endfor %}
{% endfor %}
</body>
</html>
"""
