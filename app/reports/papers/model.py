"""A document as paragraphs, headings, tables and pictures in sections, independent of its format."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from app.reports.figures.table_model import ReportTable


class Style(Enum):
    BODY = "body"  # justified, first line indented
    ITEM = "item"  # list item with a hanging dash
    CENTRED = "centred"
    NOTE = "note"  # small italics, below tables and pictures
    QUOTED = "quoted"  # a message text, verbatim
    BLANK = "blank"  # dots for handwriting; the text is the key of what is filled in there


@dataclass(frozen=True, slots=True)
class PaperHead:
    """Top of the first page. number: the line for the blank number; dated: place and blank date.

    about: the subject under the number, for official letters, which have no title.
    """

    superior: str
    agency: str
    number: str
    dated: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Title:
    """Kind of document, its subject, and notes in brackets below; to: the addressee, if any.

    Official letters have neither kind nor subject here.
    """

    kind: str
    subject: str
    notes: tuple[str, ...] = ()
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    """level 1: "I.", 2: "1.", 3: "a)"."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str
    style: Style = Style.BODY


@dataclass(frozen=True, slots=True)
class Table:
    """A form under its title. source: where its figures come from; size: of the text, in points.

    below_picture: it begins right below a picture, however short it is, so that no page has a picture alone.
    """

    form: ReportTable
    source: str
    size: float = 11.0
    below_picture: bool = False


@dataclass(frozen=True, slots=True)
class DocumentPicture:
    """A chart under its title. plot: what chart.typ draws, as JSON; sizes in millimetres; alt: in words."""

    title: str
    plot: str
    width_mm: float
    height_mm: float
    alt: str


@dataclass(frozen=True, slots=True)
class Signature:
    """Recipients of the document, the post that signs it with room for seal and signature, and the signer."""

    recipients: tuple[str, ...]
    post: str
    signer: str = ""


@dataclass(frozen=True, slots=True)
class CheckCode:
    """By what a printed copy is checked: lines, and the address as a QR code (PNG), None without one."""

    lines: tuple[str, ...]
    address: str
    png: bytes | None


Block = PaperHead | Title | Heading | Paragraph | Table | DocumentPicture | Signature | CheckCode


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks on pages of their own, numbered from 1, portrait or landscape."""

    blocks: tuple[Block, ...]
    landscape: bool = False


@dataclass(frozen=True, slots=True)
class PaperDocument:
    """A whole document. mark: printed across every page; cutoff_ms: of its figures, ms since 1970."""

    title: str
    author: str
    mark: str
    cutoff_ms: int
    sections: tuple[Section, ...]

    @property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(block for section in self.sections for block in section.blocks)
