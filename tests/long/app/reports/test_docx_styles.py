"""A .docx has named styles, in the order that the schema wants, and nothing of its template is left."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any
from xml.etree import ElementTree

import pytest
from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn

from app.reports.export import docx_file
from app.reports.forms import layout
from app.reports.frozen import archive
from tests.long.app.reports.conftest import Two

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
# ISO/IEC 29500-1 (transitional), annex A: the order of what Loa writes in each; nothing else may stand there.
ORDER = {
    "pPr": """pStyle keepNext keepLines pageBreakBefore widowControl numPr pBdr shd tabs spacing ind
        contextualSpacing jc outlineLvl rPr sectPr""",
    "rPr": "rStyle rFonts b bCs i iCs caps smallCaps noProof color spacing kern sz szCs u vertAlign lang",
    "tcPr": "tcW gridSpan vMerge tcBorders shd noWrap tcMar vAlign",
    "tblPr": "tblStyle tblW jc tblBorders tblLayout tblCellMar tblLook",
    "sectPr": "headerReference footerReference type pgSz pgMar pgNumType cols titlePg docGrid",
    "tbl": "tblPr tblGrid tr",
    "tr": "trPr tc",
    "tc": "tcPr p",
    "pBdr": "top left bottom right",
    "style": """name basedOn next link uiPriority semiHidden unhideWhenUsed qFormat rsid pPr rPr tblPr
        trPr tcPr tblStylePr""",
}
AGAIN = {"headerReference", "tr", "tc", "p"}  # what may stand several times


@pytest.fixture
def parts(frozen: Two) -> dict[str, bytes]:
    freezer, (_, second) = frozen
    content = freezer.db.read(archive.content, second, "docx")[1]
    with zipfile.ZipFile(io.BytesIO(content)) as archive_:
        return {name: archive_.read(name) for name in archive_.namelist()}


@pytest.fixture
def document(frozen: Two) -> Any:
    freezer, (_, second) = frozen
    return Document(io.BytesIO(freezer.db.read(archive.content, second, "docx")[1]))


def local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


@pytest.mark.prove
def test_elements_stand_in_the_order_of_the_schema(parts: dict[str, bytes]) -> None:
    looked = 0
    for name in (each for each in parts if re.fullmatch(r"word/(document|header\d+)\.xml", each)):
        found_here = (each for each in ElementTree.fromstring(parts[name]).iter() if local(each) in ORDER)
        for element in (each for each in found_here if each.tag.startswith(W)):
            order, children = ORDER[local(element)].split(), [local(child) for child in element]
            found = [order.index(each) for each in children]  # ValueError: it may not stand there
            assert found == sorted(found), (name, local(element), children)
            once = [each for each in children if each not in AGAIN]
            assert len(once) == len(set(once)), (name, local(element), children)
            looked += 1
    assert looked > 1000


@pytest.mark.prove
def test_styles_stand_in_the_order_of_the_schema(parts: dict[str, bytes]) -> None:
    for style in ElementTree.fromstring(parts["word/styles.xml"]).iter(f"{W}style"):
        order = ORDER["style"].split()
        found = [order.index(local(child)) for child in style if child.tag.startswith(W)]
        assert found == sorted(found), style.find(f"{W}name").get(f"{W}val")
        for kind in ("pPr", "rPr"):
            inner = style.find(f"{W}{kind}")
            names = [local(child) for child in inner] if inner is not None else []
            known = [ORDER[kind].split().index(each) for each in names if each in ORDER[kind].split()]
            assert known == sorted(known), names
    ids = [
        each.get(f"{W}styleId") for each in ElementTree.fromstring(parts["word/styles.xml"]).iter(f"{W}style")
    ]
    assert len(ids) == len(set(ids))
    assert all(each.isascii() for each in ids)


@pytest.mark.prove
def test_no_paragraph_is_plain_and_none_is_formatted_by_hand(document: Any) -> None:
    known = {look.name for look in layout.LINES}
    for paragraph in document.paragraphs:
        has_section = paragraph._p.pPr is not None and paragraph._p.pPr.find(qn("w:sectPr")) is not None
        if has_section:
            continue  # ends a section
        assert paragraph.style.name != "Normal", paragraph.text
        for run in paragraph.runs:
            assert run.font.size is None, (paragraph.style.name, run.text)
            assert run.bold is None, (paragraph.style.name, run.text)
    heads = [p for table in document.tables for cell in table._cells for p in cell.paragraphs]
    assert {p.style.name for p in heads} & known
    assert all(p.style.name != "Normal" for p in heads)


@pytest.mark.prove
def test_the_paper_and_each_annex_are_headings(document: Any) -> None:
    def is_heading(style: Any) -> bool:
        while style is not None:
            if style.name.startswith("Heading"):
                return True
            style = style.base_style
        return False

    heads = [p.text for p in document.paragraphs if is_heading(p.style)]
    assert "BÁO CÁO" in heads
    assert [head for head in heads if head.startswith("Phụ lục")] == [
        f"Phụ lục {n}" for n in ("I", "II", "III", "IV", "V")
    ]
    assert "I. CÔNG TÁC CHỈ ĐẠO, TRIỂN KHAI" in heads


def test_nothing_of_the_template_is_left(parts: dict[str, bytes]) -> None:
    assert not [name for name in parts if "thumbnail" in name or "stylesWithEffects" in name]
    assert (
        b'w:name="compatibilityMode" w:uri="http://schemas.microsoft.com/office/word" w:val="15"'
        in parts["word/settings.xml"]
    )


def test_word_s_own_command_finds_every_watermark(parts: dict[str, bytes]) -> None:
    headers = [content for name, content in parts.items() if re.fullmatch(r"word/header\d+\.xml", name)]
    marks = [re.findall(rb'id="(PowerPlusWaterMarkObject\d+)"', content) for content in headers]
    assert all(len(each) == 1 for each in marks)
    assert len({each[0] for each in marks}) == len(marks)


def test_the_named_styles_of_the_document_are_those_of_the_pdf() -> None:
    """app/data/paper.docx is edited in Word; layout.py has the same looks for Typst."""
    docx = Document(io.BytesIO(docx_file._empty()))
    for look in layout.LINES:
        style: Any = docx.styles[look.name]
        kept = style.paragraph_format
        assert (style.font.size.pt, bool(style.font.bold), bool(style.font.italic)) == (
            look.size,
            look.bold,
            look.italic,
        ), look.name
        assert (kept.alignment == WD_ALIGN_PARAGRAPH.CENTER, bool(kept.keep_with_next)) == (
            look.centred,
            look.keep,
        ), look.name
        between = () if look in (layout.CAPTION, layout.SOURCE) else (look.before, look.after)
        assert not between or (kept.space_before.pt, kept.space_after.pt) == between, look.name
    named = {*docx_file.PROSE.values(), docx_file.RULE, docx_file.PICTURE, docx_file.BREAK}
    assert named | {docx_file.CELL, docx_file.PAGE} <= docx_file._ids().keys()
    assert docx.styles["Normal"].font.name == "Times New Roman"
