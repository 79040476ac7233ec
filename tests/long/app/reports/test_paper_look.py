"""Papers look as an administrative paper must: pages, letters, heads, tables, marks; in LibreOffice too."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import zipfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from docx.oxml.ns import qn
from PIL import Image
from pypdf import PdfReader

from app.core import clock
from app.database.connection import Database
from app.reports.export.formats import Format
from app.reports.figures.figures import RARE, CarrierReport
from app.reports.forms import carrier_tables, layout
from tests.long.app.reports import cells
from tests.long.app.reports.long_paper import files, many_areas

SOFFICE = shutil.which("soffice")


# ---- the look of a .docx --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_report(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> CarrierReport:
    """The report of many areas, built once: how it looks is no matter of the engine."""
    file = tmp_path_factory.mktemp("long") / "loa.sqlite3"
    shutil.copy(sqlite_template, file)
    with closing(Database(f"sqlite:///{file}")) as db:
        return many_areas(db)


@pytest.fixture(scope="module")
def long_files(long_report: CarrierReport) -> dict[Format, bytes]:
    """All of its files."""
    return files(long_report)


@pytest.fixture(scope="module")
def draft(long_files: dict[Format, bytes]) -> Any:
    """The .docx of a long report, opened."""
    return Document(io.BytesIO(long_files[Format.DOCX]))


@pytest.mark.prove
def test_pages_are_a4_with_the_margins_of_the_decree(draft: Any) -> None:
    for section in draft.sections:
        assert (round(section.page_width.mm), round(section.page_height.mm)) == (210, 297)
        assert 20 <= section.top_margin.mm <= 25
        assert 20 <= section.bottom_margin.mm <= 25
        assert 30 <= section.left_margin.mm <= 35
        assert 15 <= section.right_margin.mm <= 20


@pytest.mark.prove
def test_pages_are_numbered_from_the_second_and_marked_as_draft(draft: Any) -> None:
    first = draft.sections[0]
    assert first.different_first_page_header_footer
    assert "PAGE" not in first.first_page_header._element.xml
    for section in draft.sections:
        header = section.header._element.xml
        assert "PAGE" in header
        assert 'string="DỰ THẢO"' in header
    assert 'string="DỰ THẢO"' in first.first_page_header._element.xml


@pytest.mark.prove
def test_letters_are_times_new_roman_of_13_or_14(draft: Any) -> None:
    normal = draft.styles["Normal"]
    assert (normal.font.name, normal.font.size.pt) == ("Times New Roman", 14)
    fonts = normal.element.rPr.rFonts
    assert {fonts.get(qn(f"w:{script}")) for script in ("ascii", "hAnsi", "cs", "eastAsia")} == {
        "Times New Roman"
    }
    languages = draft.styles.element.findall(f".//{qn('w:lang')}")
    assert {each.get(qn("w:val")) for each in languages} == {"vi-VN"}


def test_the_head_of_the_first_page_is_that_of_the_decree(draft: Any) -> None:
    left, right = (cell.text.splitlines() for cell in draft.tables[0].rows[0].cells)
    assert left[1] == "VNPT SƠN LA"
    assert right[:2] == ["CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc"]
    assert re.fullmatch(r"Sơn La, ngày …+ tháng …+ năm 20\d\d", right[-1])
    assert re.fullmatch(r"Số:\s+/BC-VNPT-SLA", left[-1])  # the office gives the number


def test_headings_are_headings_and_the_body_is_justified(draft: Any) -> None:
    headings = [p.text for p in draft.paragraphs if p.style.name == "Heading 1"]
    assert headings[:2] == ["I. CĂN CỨ VÀ PHẠM VI", "II. KẾT QUẢ"]
    body = next(p for p in draft.paragraphs if p.text.startswith("Thuê bao của"))
    look = body.style.paragraph_format
    assert look.alignment == 3
    assert 10 <= look.first_line_indent.mm <= 12.7
    assert look.space_after.pt >= 6
    assert body._p.pPr.xpath("./*[not(self::w:pStyle)]") == []  # nothing that is not its style's


def test_tables_repeat_their_head_and_split_no_row(draft: Any) -> None:
    tables = [table for table in draft.tables if table.style.name == "Table Grid"]
    assert len(tables) == 5
    for table in tables:
        rows = [row._tr.trPr for row in table.rows]
        assert rows[0].find(qn("w:tblHeader")) is not None
        assert all(row.find(qn("w:cantSplit")) is not None for row in rows)


# The order of the standard (ECMA-376, 17.3.1.26, 17.4.66, 17.3.2.28): Word refuses files that break it.
_ORDERS = {
    "pPr": "pStyle keepNext keepLines pageBreakBefore widowControl numPr pBdr shd tabs "
    "spacing ind contextualSpacing jc textAlignment outlineLvl rPr sectPr",
    "tcPr": "tcW gridSpan vMerge tcBorders shd noWrap tcMar textDirection tcFitText vAlign hideMark",
    "rPr": "rStyle rFonts b bCs i iCs caps strike noProof color spacing kern sz szCs highlight u lang",
}


@pytest.mark.parametrize("name", list(_ORDERS))
def test_properties_stand_in_the_order_that_word_wants(draft: Any, name: str) -> None:
    order = _ORDERS[name].split()
    roots = [draft.element, *(section.header._element for section in draft.sections)]
    found = [each for root in roots for each in root.iter(qn(f"w:{name}"))]
    assert len(found) > 5
    for each in found:
        places = [order.index(child.tag.rpartition("}")[2]) for child in each]
        assert places == sorted(places), [child.tag for child in each]


def test_the_paper_ends_with_recipients_and_a_post_to_sign(draft: Any) -> None:
    left, right = next(t for t in draft.tables if "Nơi nhận:" in t.rows[0].cells[0].text).rows[0].cells
    assert left.text.splitlines() == ["Nơi nhận:", "- Như trên;", "- Lưu: VT."]
    assert right.text == "GIÁM ĐỐC"


def test_pictures_have_words_for_those_who_cannot_see_them(draft: Any) -> None:
    shapes = draft.inline_shapes
    assert len(shapes) == 2
    assert all("Đã gửi:" in shape._inline.docPr.get("descr") for shape in shapes)


# ---- the look of a PDF ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def printed(long_files: dict[Format, bytes]) -> PdfReader:
    return PdfReader(io.BytesIO(long_files[Format.PDF]))


def test_pdf_pages_are_numbered_from_the_second(printed: PdfReader) -> None:
    assert len(printed.pages) == 6  # the most that form A may have with all communes
    texts, number = [page.extract_text() for page in printed.pages], 0
    for text in texts:
        number = 1 if not number or "(Kèm theo" in text else number + 1
        head = re.sub(r"\s+", " ", text[:60]).replace("DỰ THẢO", "").split()
        assert (head[0] == str(number)) is (number > 1)
    assert sum("(Kèm theo" in text for text in texts) == 2
    sizes = {tuple(round(float(side) * 25.4 / 72) for side in page.mediabox[2:]) for page in printed.pages}
    assert sizes == {(210, 297)}


def test_pdf_letters_are_embedded_in_part_and_need_no_font_to_be_installed(printed: PdfReader) -> None:
    fonts = {}
    for page in printed.pages:
        for font in page["/Resources"]["/Font"].values():
            (found,) = font.get_object()["/DescendantFonts"]
            fonts[found.get_object()["/BaseFont"]] = found.get_object()["/FontDescriptor"]
    assert len(fonts) >= 3
    for name, descriptor in fonts.items():
        assert re.match(r"/[A-Z]{6}\+LiberationSerif", name)
        assert "/FontFile2" in descriptor.get_object()


def test_pdf_is_an_archive_file_with_tags_bookmarks_and_words_for_pictures(
    printed: PdfReader, long_report: CarrierReport
) -> None:
    """As veraPDF asks of PDF/A-2a; the program that writes the file checks the rest of the standard."""
    root = printed.trailer["/Root"]
    assert (root["/Lang"], root["/MarkInfo"]["/Marked"]) == ("vi-VN", True)
    metadata = printed.xmp_metadata
    assert metadata is not None
    about = root["/Metadata"].get_object().get_data().decode()
    assert "<pdfaid:part>2</pdfaid:part>" in about
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in about
    assert "<pdfuaid:part>1</pdfuaid:part>" in about
    assert root["/OutputIntents"][0]["/S"] == "/GTS_PDFA1"
    assert printed.metadata.creation_date == clock.from_ms(long_report.cutoff_ms // 1000 * 1000)
    titles = [each["/Title"] for each in printed.outline if not isinstance(each, list)]
    assert titles[1:3] == ["I. CĂN CỨ VÀ PHẠM VI", "II. KẾT QUẢ"]
    assert any("KẾT QUẢ THEO ĐỊA BÀN" in title for title in titles)
    kinds, alternatives = Counter[str](), []
    todo: list[Any] = [root["/StructTreeRoot"]]
    while todo:
        node = todo.pop()
        node = node.get_object() if hasattr(node, "get_object") else node
        if isinstance(node, dict):
            kinds[node.get("/S", "")] += 1
            alternatives += [node["/Alt"]] if "/Alt" in node else []
            below = node.get("/K", [])
            todo += below if isinstance(below, list) else [below]
    assert kinds["/Table"] == 5
    assert kinds["/TH"] > 20 < kinds["/TD"]
    assert kinds["/Figure"] == 2 == sum("Đã gửi:" in words for words in alternatives)


def test_pdf_reads_without_its_mark(printed: PdfReader) -> None:
    """What is no content, the mark and page numbers, is marked as such: reading aloud leaves it out."""
    for page in printed.pages:
        first = page.get_contents().get_data().partition(b"EMC")[0]
        assert first.startswith(b"/Artifact")
        assert b"/Type/Background" in first
        assert b"Tf" not in first  # letters as outlines: as text they would stand among the page's words
        assert first.count(b" m ") > 6, "a page without its mark"


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler is not installed")
def test_no_line_of_a_draft_holds_a_letter_of_its_mark(
    long_files: dict[Format, bytes], tmp_path: Path
) -> None:
    file = tmp_path / "draft.pdf"
    file.write_bytes(long_files[Format.PDF])
    text = subprocess.run(
        ["pdftotext", "-layout", file, "-"], check=True, capture_output=True
    ).stdout.decode()
    assert "BÁO CÁO" in text
    letters = [line.strip() for line in text.splitlines() if re.fullmatch(r"\s*[DỰTHẢO]\s*", line)]
    assert letters == []
    assert "DỰ THẢO" not in text
    shown = subprocess.run(
        ["pdftoppm", "-r", "40", "-png", "-f", "1", "-l", "1", file], check=True, capture_output=True
    ).stdout
    colours = Image.open(io.BytesIO(shown)).convert("L").getcolors() or ()
    grey = sum(n for n, colour in colours if abs(colour - round(255 * layout.MARK_GREY)) < 3)
    assert grey > 2000, "the mark is not seen on the page"


def test_pdf_tables_repeat_their_head_on_every_page(printed: PdfReader) -> None:
    pages = [re.sub(r"\s+", " ", page.extract_text()) for page in printed.pages]
    with_areas = [text for text in pages if re.search(r"(Xã|Phường) \S+ .*\d", text) and "Thuộc diện" in text]
    assert len(with_areas) == 2


def test_pdf_text_stays_within_the_margins(printed: PdfReader) -> None:
    mm = 72 / 25.4
    for page in printed.pages:
        places: list[float] = []

        def look(text: str, cm: list[float], tm: list[float], *_: Any, found: list[float] = places) -> None:
            if text.strip() and tm[1] == cm[1] == 0:  # what is not turned, as the mark is
                found.append(tm[4] * cm[0] + cm[4])

        page.extract_text(visitor_text=look)
        assert min(places) >= (layout.LEFT - 1) * mm
        assert max(places) <= float(page.mediabox[2]) - layout.RIGHT * mm


@pytest.mark.prove
@pytest.mark.skipif(
    SOFFICE is None, reason="LibreOffice (soffice) is not installed, so the .docx is not opened in it"
)
def test_libreoffice_opens_the_docx_and_prints_the_same_figures(
    long_report: CarrierReport, long_files: dict[Format, bytes], tmp_path: Path
) -> None:
    report, made = long_report, long_files
    (tmp_path / "a.docx").write_bytes(made[Format.DOCX])
    command = [
        str(SOFFICE),
        f"-env:UserInstallation=file://{tmp_path}/profile",
        "--headless",
        "--convert-to",
        "pdf",
    ]
    subprocess.run(
        [*command, "--outdir", str(tmp_path), str(tmp_path / "a.docx")], check=True, capture_output=True
    )
    text = cells.pdf_text((tmp_path / "a.pdf").read_bytes())
    for form in carrier_tables.of_run(report)[1:5]:
        on_paper = form.without_empty(RARE)[0] if form.name == "Biểu 2" else form
        for row in on_paper.rows:
            assert all(run in text for run in cells.numbers(on_paper, row)), (form.name, row.key)
    assert text.count("Thuộc diện") >= 3  # the head of form 2, on every page of it
    assert (
        abs(len(PdfReader(tmp_path / "a.pdf").pages) - len(PdfReader(io.BytesIO(made[Format.PDF])).pages))
        <= 1
    )
    assert "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM" in text


def test_the_workbook_has_charts_of_its_own(long_files: dict[Format, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(long_files[Format.XLSX])) as book:
        charts = [book.read(name).decode() for name in book.namelist() if name.startswith("xl/charts/chart")]
    assert len(charts) == 2
    assert any("'Biểu 2'!" in chart for chart in charts)
