"""A paper as what it says: paragraphs, headings, tables and pictures in sections, for any renderer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from app.reports.render.table_model import ReportTable


class Style(Enum):
    """How a paragraph is set."""

    BODY = "body"  # justified, its first line indented
    ITEM = "item"  # a point of a list: a hanging dash
    CENTRED = "centred"
    NOTE = "note"  # small and slanting, under tables and pictures
    QUOTED = "quoted"  # the text of a message, word for word
    BLANK = "blank"  # dots for an officer to write on


@dataclass(frozen=True, slots=True)
class PaperHead:
    """The top of the first page. number: the line with the blank number; dated: place and blank date."""

    superior: str
    agency: str
    number: str
    dated: str


@dataclass(frozen=True, slots=True)
class Title:
    """Kind of paper, what it is about, and the lines in brackets below; to: the addressee, or none."""

    kind: str
    subject: str
    notes: tuple[str, ...] = ()
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    """level 1: I., 2: 1., 3: a)"""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph."""

    text: str
    style: Style = Style.BODY


@dataclass(frozen=True, slots=True)
class Table:
    """A form under its title. source: where its figures come from; size: of its text in points."""

    form: ReportTable
    source: str
    size: float = 11.0


@dataclass(frozen=True, slots=True)
class DocumentPicture:
    """A PNG under its title; sizes in millimetres. alt: what it shows, in words."""

    title: str
    png: bytes
    width_mm: float
    height_mm: float
    alt: str


@dataclass(frozen=True, slots=True)
class Signature:
    """Who gets the paper, and who will sign it: a post, and room for number, seal and signature."""

    recipients: tuple[str, ...]
    post: str


Block = PaperHead | Title | Heading | Paragraph | Table | DocumentPicture | Signature


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks on pages of their own, upright or across."""

    blocks: tuple[Block, ...]
    landscape: bool = False


@dataclass(frozen=True, slots=True)
class PaperDocument:
    """A whole paper. mark: printed across every page; cutoff_ms: of its figures, ms since 1970."""

    title: str
    author: str
    mark: str
    cutoff_ms: int
    sections: tuple[Section, ...]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Every block in order."""
        return tuple(block for section in self.sections for block in section.blocks)
