"""Renders a document as tagged PDF/A with embedded fonts: the same blocks and styles as the .docx."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from functools import singledispatchmethod
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import typst

from app.reports.export import pdf_text
from app.reports.export.pdf_text import clean, flowing
from app.reports.figures.numbers import shown
from app.reports.figures.table_model import CellKind, value
from app.reports.forms import layout
from app.reports.forms.layout import LineStyle
from app.reports.papers.model import (
    Block,
    CheckCode,
    DocumentPicture,
    Heading,
    PaperDocument,
    PaperHead,
    Paragraph,
    Section,
    Signature,
    Style,
    Table,
    Title,
)

_LOOK = {
    "body": layout.BODY,
    "spacing": layout.SPACING,
    "after": layout.AFTER,
    "indent": layout.INDENT,
    "number": layout.PAGE_NUMBER,
    "grey": layout.MARK_GREY,
    "top": layout.TOP,
    "bottom": layout.BOTTOM,
    "left": layout.LEFT,
    "right": layout.RIGHT,
    "from_top": layout.NUMBER_FROM_TOP,
}
_NO_TITLE, _LONGEST_NAME = "Báo cáo", 1000
_Part = dict[str, Any]


def render(paper: PaperDocument) -> bytes:
    """Render to bytes, deterministically: the file's time is that of the figures."""
    with tempfile.TemporaryDirectory(prefix="loa-paper-") as name, as_file(files("app") / "data") as data:
        folder = Path(name)
        (folder / "paper.json").write_text(json.dumps(_document(paper, folder)), "utf-8")
        shutil.copy(data / "chart.typ", folder)
        fonts: dict[str, Any] = {"font_paths": [data / "fonts"], "ignore_system_fonts": True}
        if paper.mark:
            outlines: Any = typst.compile(Path(shutil.copy(data / "mark.typ", folder)), format="svg", **fonts)
            (folder / "mark.svg").write_bytes(outlines)
        pdf: bytes = typst.compile(
            Path(shutil.copy(data / "paper.typ", folder)),
            **fonts,
            pdf_standards=["a-2a", "ua-1"],  # checked while writing; a-2a contains a-2b
            timestamp=paper.cutoff_ms // 1000,
        )
        return pdf


def _document(paper: PaperDocument, folder: Path) -> _Part:
    sections = [_Parts(folder / str(nth), each).section() for nth, each in enumerate(paper.sections)]
    title = pdf_text.title(paper.title)[:_LONGEST_NAME].strip() or _NO_TITLE  # PDF/UA wants one
    named = {"title": title, "author": paper.author, "mark": paper.mark}
    return {**named, "look": _LOOK, "sections": sections}


def _line(text: str, look: LineStyle) -> _Part:
    return {"is": "line", "text": flowing(text), **asdict(look)}


class _Parts:
    """The parts of a section, as paper.typ reads them; pictures are written beside them as PNG files."""

    def __init__(self, pictures: Path, section: Section) -> None:
        self._pictures, self._section = pictures, section
        self._room = layout.width(section.landscape)
        self._drawn = 0

    def section(self) -> _Part:
        short, long = layout.PAGE
        parts: list[_Part] = []
        for block in self._section.blocks:
            for last in parts[-2:] if isinstance(block, Signature) else ():
                last["keep"] = True  # a signature never stands alone
            parts += self._made(block)
        return {"page": (long, short) if self._section.landscape else (short, long), "parts": parts}

    @singledispatchmethod
    def _made(self, block: Block) -> Iterator[_Part]:
        raise TypeError(type(block).__name__)

    @_made.register
    def _(self, block: PaperHead) -> Iterator[_Part]:
        left = [
            _line(block.superior.upper(), layout.SUPERIOR),
            _line(block.agency.upper(), layout.AGENCY),
            _rule(layout.AGENCY_RULE_MM),
            _line(block.number, layout.NUMBER),
            *([_line(block.about, layout.ABOUT)] if block.about else []),
        ]
        right = [
            _line(layout.NATION_WORDS, layout.NATION),
            _line(layout.MOTTO_WORDS, layout.MOTTO),
            _rule(layout.MOTTO_RULE_MM),
            _line(block.dated, layout.DATED),
        ]
        own = self._room * layout.HEAD_LEFT
        yield {"is": "beside", "before": 0, "widths": [own, self._room - own], "columns": [left, right]}

    @_made.register
    def _(self, block: Title) -> Iterator[_Part]:
        if block.kind:
            yield {"is": "title", "lines": [clean(block.kind), *pdf_text.title(block.subject).split("\n")]}
            yield from (_line(note, layout.UNDER_SUBJECT) for note in block.notes)
            yield _rule(layout.TITLE_RULE_MM, keep=True)
        if block.to:
            yield _line(block.to, layout.TO)

    @_made.register
    def _(self, block: Heading) -> Iterator[_Part]:
        yield {"is": "heading", "level": block.level, "text": pdf_text.title(block.text)}

    @_made.register
    def _(self, block: Paragraph) -> Iterator[_Part]:
        said = f"- {block.text}" if block.style is Style.ITEM else block.text
        if block.style is Style.BLANK:
            yield {"is": "dots"}
        elif block.style is Style.QUOTED:
            yield {
                "is": "quoted",
                "text": layout.broken(clean(said), self._room, layout.QUOTED),
                "size": layout.QUOTED,
            }
        elif block.style is Style.CENTRED:
            yield _line(said, LineStyle(layout.BODY, centred=True, after=layout.AFTER))
        elif block.style is Style.NOTE:
            yield _line(said, layout.SOURCE)
        else:
            yield {"is": "prose", "text": flowing(said), "keep": False}

    @_made.register
    def _(self, block: Table) -> Iterator[_Part]:
        form = block.form
        widths = layout.columns(form, self._room, block.size)
        yield _line(form.title, layout.CAPTION)
        yield {
            "is": "table",
            "size": block.size,
            "long": block.below_picture or len(form.rows) > layout.WHOLE_ROWS,
            "widths": widths,
            "heads": [clean(column.title) for column in form.columns],
            "rows": [
                [
                    _cell(column.kind, value(cell), row.strong)
                    | {"text": layout.broken(clean(shown(column.kind, value(cell))), wide, block.size)}
                    for column, cell, wide in zip(form.columns, row.cells, widths, strict=True)
                ]
                for row in form.rows
            ],
        }
        yield _line(block.source, layout.SOURCE)

    @_made.register
    def _(self, block: DocumentPicture) -> Iterator[_Part]:
        wide, _ = layout.fitted(block.width_mm, block.height_mm, self._room)
        caption, scale = _line(block.title, layout.CAPTION), wide / block.width_mm
        plot = json.loads(block.plot)
        yield {"is": "chart", "caption": caption, "plot": plot, "scale": scale, "alt": block.alt}

    @_made.register
    def _(self, block: CheckCode) -> Iterator[_Part]:
        size, alt = {"wide": layout.QR_MM, "high": layout.QR_MM}, f"Mã QR: {block.address}"
        left = [{"is": "image", "alt": alt, **self._image(block.png), **size}] if block.png else []
        code, *about = block.lines
        right = [_line(code, layout.CODE), *(_line(each, layout.ABOUT_CODE) for each in about)]
        widths = [layout.QR_MM if left else 0.0, self._room - (layout.QR_MM if left else 0.0)]
        yield {"is": "beside", "before": 12, "widths": widths, "columns": [left, right]}

    def _image(self, png: bytes) -> dict[str, str]:
        """Write a picture beside the sections; return its place as paper.typ names it."""
        self._drawn += 1
        file = self._pictures.with_name(f"{self._pictures.name}-{self._drawn}.png")
        file.write_bytes(png)
        return {"file": f"/{file.name}"}

    @_made.register
    def _(self, block: Signature) -> Iterator[_Part]:
        left = [_line(layout.RECIPIENTS_WORDS, layout.RECIPIENTS_HEAD)]
        left += [_line(each, layout.RECIPIENT) for each in layout.recipients(block.recipients)]
        right = [_line(each, layout.POST) for each in layout.post(block.post)]
        right.append({"is": "space", "high": layout.SIGN_MM})
        right += [_line(block.signer, layout.SIGNER)] if block.signer else []
        yield {"is": "beside", "before": 12, "widths": [self._room / 2] * 2, "columns": [left, right]}


def _rule(wide: float, *, keep: bool = False) -> _Part:
    return {"is": "rule", "wide": wide, "keep": keep}


def _cell(kind: CellKind, value: str | int | float | None, strong: bool) -> _Part:
    numbers = kind is not CellKind.TEXT
    return {"strong": strong, "number": numbers and not isinstance(value, str), "centred": numbers}
