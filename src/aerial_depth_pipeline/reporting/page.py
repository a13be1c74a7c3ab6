"""The report as one HTML file that opens without a server and loads nothing from anywhere."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
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
class Figure:
    """A PNG or an MP4 with its caption, embedded into the page."""

    caption: str
    content: bytes
    kind: ClassVar[str] = "figure"


Block = Text | Heading | Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading with whatever stands below it, in its order."""

    title: str
    blocks: Sequence[Block]


def render_page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The page's HTML; every text is escaped, every image is inside.

    Args:
        title: heading and name of the browser's tab.
        lead: a sentence below the heading.
        sections: what follows.
    """
    template = resources.files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["embedded"] = _embedded
    environment.filters["is_video"] = _is_video
    return environment.from_string(template).render(title=title, lead=lead, sections=sections)


def _is_video(content: bytes) -> bool:
    return content[4:8] == b"ftyp"


def _embedded(content: bytes) -> str:
    """An image or video as a data URI; photographs and large images as JPEG, which the eye does
    not tell from PNG at this quality."""
    if _is_video(content):
        return "data:video/mp4;base64," + base64.b64encode(content).decode()
    if len(content) > 300_000:
        stream = io.BytesIO()
        Image.open(io.BytesIO(content)).convert("RGB").save(stream, "JPEG", quality=88)
        return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
    return "data:image/png;base64," + base64.b64encode(content).decode()
