"""Whatever is typed becomes a PDF/A: letters that the font lacks, endless blanks and words, empty titles."""

from __future__ import annotations

import io
import time
import unicodedata
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from pypdf import PdfReader

from app.reports.export import pdf_text
from app.reports.export.pdf_file import render
from app.reports.export.pdf_text import clean, flowing
from app.reports.figures.table_model import CellKind, ReportTable, TableColumn, TableRow
from app.reports.papers.model import (
    Block,
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

COLUMN = (TableColumn("a", "A", CellKind.TEXT, 20),)


def blocks(text: str) -> tuple[Block, ...]:
    """Every kind of block with this text."""
    return (
        PaperHead("Bộ Công an", text, text, "Sơn La", text),
        Title("BÁO CÁO", text, (text,), text),
        Heading(1, text),
        *(
            Paragraph(text, style)
            for style in (Style.BODY, Style.ITEM, Style.NOTE, Style.QUOTED, Style.CENTRED)
        ),
        Table(ReportTable("Biểu 1", text, COLUMN, (TableRow("r", (text,)),), text), text),
        Signature((text,), text, text),
    )


def paper(text: str, title: str = "Báo cáo", body: tuple[Block, ...] | None = None) -> bytes:
    sections = (Section(blocks(text) if body is None else body),)
    return render(PaperDocument(title, "Công an tỉnh", "DỰ THẢO", 1_700_000_000_000, sections))


def read(pdf: bytes) -> str:
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


TYPED = {
    "a letter of private use": "a\uf004b",
    "one above": "a\U000f0001b",
    "blanks": "a" + " " * 5000 + "b",
    "tabs": "a\t" * 2500 + "b",
    "wide blanks": "a" + "\u2003" * 5000 + "b",
    "line ends": "a" + "\n" * 5000 + "b",
    "marks": "a" + "\u0301" * 5000 + "b",
    "a word": "a" * 20_000,
    "words": "a b " * 5000,
    "words that hold together": "a\u00a0" * 5000,
    "nothing that is seen": "\u200b",
    "nothing": "",
}


@pytest.mark.prove
@pytest.mark.parametrize("text", TYPED.values(), ids=TYPED.keys())
def test_a_paper_is_made_of_whatever_is_typed_and_soon(text: str) -> None:
    begun = time.process_time()
    assert paper(text).startswith(b"%PDF")
    assert time.process_time() - begun < 3


@pytest.mark.parametrize("title", ["", " ", "\u200b", "a" * 100_000, "a b " * 25_000])
def test_a_paper_has_a_title_of_some_length(title: str) -> None:
    said = PdfReader(io.BytesIO(paper("x", title))).metadata
    assert said is not None
    assert said.title is not None
    assert 1 <= len(said.title) <= 1100


def test_a_letter_of_private_use_is_named_as_others_that_the_font_lacks() -> None:
    said = read(paper("Ông \uf004 và \U0001f600"))
    assert "Ông [U+F004] và [U+1F600]" in said


def test_a_short_run_of_blanks_stays_and_a_long_one_is_cut_with_every_word_kept() -> None:
    assert clean("a   b") == "a \u00a0 b"
    assert clean(f"một{' ' * 5000}hai 1.234").replace("\u00a0", " ") == f"một{' ' * 8}hai 1.234"
    assert clean("một\n\n\n\n\n\nhai") == "một\n\n\nhai"


def test_a_line_is_not_turned_and_long_words_may_end_it() -> None:
    assert clean("a\u202ebc") == "abc"
    address = "https://congan.sonla.gov.vn/tin-tuc/canh-bao-lua-dao/2025?x=1"
    assert flowing(address[:60]) == address[:60]
    assert flowing(address).replace("\u200b", "") == address


def test_a_subject_without_end_is_cut_where_it_is_a_bookmark() -> None:
    said = read(paper("", body=(Title("BÁO CÁO", "a b " * 25_000), Heading(1, "a b " * 25_000))))
    assert "[...]" in said


@pytest.mark.parametrize("face", ["Regular", "Bold", "Italic", "BoldItalic"])
def test_the_list_of_letters_is_that_of_each_face(face: str) -> None:
    """If a font changes: write its letters to letters.txt, a range of code points a line."""
    folder = Path(pdf_text.__file__).parents[2] / "data" / "fonts"
    with TTFont(folder / f"LiberationSerif-{face}.ttf", lazy=True) as font:
        letters = {code for code in font.getBestCmap() if unicodedata.category(chr(code)) not in ("Co", "Cf")}
    assert pdf_text._letters() == letters
