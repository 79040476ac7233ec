"""Papers of a directive with five carriers of five kinds: short, named and numbered as offices do it."""

from __future__ import annotations

import io
import itertools
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest
from docx import Document
from docx.enum.section import WD_ORIENT
from docx.oxml.ns import qn
from openpyxl import load_workbook
from PIL import Image, ImageFont
from pypdf import PdfReader

from app.database import schema
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.reports.counting import consolidated
from app.reports.export.formats import PAPERS, Format, tables_of
from app.reports.figures.table_model import Cell, CellKind, ReportTable, TableRow, value
from app.reports.figures.version import PREVIEW
from app.reports.forms import layout, letterhead
from app.reports.forms.citation import kind_of, topic
from app.reports.frozen import archive
from app.reports.frozen.archive import Frozen, ReportSubject, SubjectKind
from app.reports.papers import consolidated_paper
from app.reports.papers.model import DocumentPicture, Paragraph, Style
from app.reports.release.freeze import Freezer, build
from tests.long.app.reports import cells, five_carriers
from tests.long.app.reports.five_carriers import FIRST, SECOND, THIRD
from tests.long.app.reports.kept import freeze_at
from tests.long.app.reports.reading import words

DIRECTIVE = ReportSubject(SubjectKind.DIRECTIVE, 1)
VIETTEL, VNPT = (ReportSubject(SubjectKind.RUN, id) for id in (1, 4))
HEADS = letterhead.load(None)


@dataclass(frozen=True)
class Kept:
    """The database, and the versions that were frozen as things came in."""

    db: Database
    directive: list[Frozen]
    runs: dict[ReportSubject, Frozen]

    def file(self, of: Frozen, form: str) -> bytes:
        return self.db.read(archive.content, of, form)[1]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("five")
    with closing(Database(f"sqlite:///{folder / 'loa.sqlite3'}")) as db:
        schema.upgrade(db)
        five_carriers.directive(db, Path(folder))
        freezer = Freezer(db, ledger_for(db), HEADS, "officer")
        runs = {subject: freeze_at(freezer, subject, FIRST)[0] for subject in (VIETTEL, VNPT)}
        found = [freeze_at(freezer, DIRECTIVE, FIRST)[0]]
        for version, cutoff in ((2, SECOND), (3, THIRD)):
            five_carriers.later(db, version)
            found.append(freeze_at(freezer, DIRECTIVE, cutoff)[0])
        runs[VNPT] = freeze_at(freezer, VNPT, SECOND)[0]
        yield Kept(db, found, runs)


def pages(kept: Kept, of: Frozen) -> list[str]:
    reader = PdfReader(io.BytesIO(kept.file(of, "pdf")))
    return [re.sub(r"\s+", " ", page.extract_text()) for page in reader.pages]


# ---- short, and the same in every format ----------------------------------------------------------------


@pytest.mark.prove  # seven papers of the largest directive
def test_the_papers_are_short(kept: Kept) -> None:
    assert [len(pages(kept, each)) <= 10 for each in kept.directive] == [True] * 3
    bodies = [
        itertools.takewhile(lambda page: "Phụ lục I " not in page, pages(kept, each)[1:])
        for each in kept.directive
    ]
    assert [1 + len(list(body)) <= 3 for body in bodies] == [True] * 3
    assert len(pages(kept, kept.runs[VIETTEL])) <= 6
    assert len(pages(kept, kept.runs[VNPT])) <= 7  # of which two have what changed in each commune


@pytest.mark.prove
def test_they_are_as_short_in_an_office_program(kept: Kept, tmp_path: Path) -> None:
    found = [
        len(PdfReader(opened(kept.file(each, "docx"), tmp_path, "docx", "pdf")).pages)
        for each in (*kept.directive, *kept.runs.values())
    ]
    assert [n <= most for n, most in zip(found, (10, 10, 10, 6, 7), strict=True)] == [True] * 5, found


@pytest.mark.prove
@pytest.mark.parametrize("version", [3, *(pytest.param(each, marks=pytest.mark.prove) for each in (1, 2))])
def test_every_format_has_every_cell_of_every_version(kept: Kept, version: int) -> None:
    frozen = kept.directive[version - 1]
    report = kept.db.read(build, DIRECTIVE, (FIRST, SECOND, THIRD)[version - 1])
    in_docx = cells.docx_tables(kept.file(frozen, "docx"))
    in_xlsx, in_csv = cells.xlsx_values(kept.file(frozen, "xlsx")), cells.csv_rows(kept.file(frozen, "csv"))
    in_pdf = cells.pdf_text(kept.file(frozen, "pdf"))
    for form in tables_of(report)[1:]:
        assert in_docx[form.title] == [cells.words(form, row) for row in form.rows]
        start = in_csv.index([form.title])
        assert [
            [cell.lstrip("'") for cell in line[:2]] for line in in_csv[start + 3 :][: len(form.rows)]
        ] == [cells.words(form, row)[:2] for row in form.rows]
        for nth, row in enumerate(form.rows):
            assert all(part in in_pdf for part in cells.numbers(form, row)), (form.name, row.key)
            kept_cells = [_kept(cell) for cell in in_xlsx[form.name][nth]]
            assert kept_cells == pytest.approx([_kept(cell) for cell in row.cells])
    figures = json.loads(kept.file(frozen, "json"))
    (form_5,) = (form for form in tables_of(report) if form.name == "Biểu 5")
    assert figures["runs"][3]["stated"]["general"]["sent"] == said(form_5, "run_4", "sent")


def _kept(cell: Cell) -> Cell:
    found = value(cell)
    return None if found == "" else found


def said(form: ReportTable, key: str, column: str) -> object:
    row = next(row for row in form.rows if row.key == key)
    return value(row.cells[form.place(column)])


@pytest.mark.prove
def test_the_chairman_s_page_is_a_file_of_its_own_and_the_report_begins_with_the_letterhead(
    kept: Kept,
) -> None:
    """It says what proves each figure, and takes a carrier's own word for no measured share."""
    report = kept.directive[-1]
    alone = PdfReader(io.BytesIO(kept.file(report, "summary"))).pages
    assert len(alone) == 1
    first = PdfReader(io.BytesIO(kept.file(report, "pdf"))).pages[0]
    text, paper = (re.sub(r"\s+", " ", page.extract_text()) for page in (alone[0], first))
    assert "TÓM TẮT KẾT QUẢ Tuyên truyền phòng cháy" in text
    assert re.search(r"Máy thuê bao xác nhận đã nhận: \d+/\d+ thuê bao \([\d,]+ %\)\.", text)
    assert re.search(r"trong số có xác nhận: .* 99,9 % do doanh nghiệp tự báo\.", text)
    carriers = (
        "Vietnamobile số đo",
        "Viettel số đo",
        "MobiFone số đo",
        "VNPT VinaPhone doanh",
        "Gmobile nhập",
    )
    assert sorted(carriers, key=text.index) == list(carriers)
    assert "Agribank chi nhánh tỉnh (quá hạn), Các ngân hàng chi nhánh khác (quá hạn)." in text
    assert "Cơ quan, đơn vị khác: 13/15 đơn vị đã báo cáo" in text
    assert re.search(r"Địa bàn có tỷ lệ nhận thấp nhất: \S+", text)
    assert "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM" in paper
    assert "TÓM TẮT" not in paper


def opened(content: bytes, folder: Path, form: str, into: str) -> Path:
    """The file as LibreOffice writes it again."""
    soffice = shutil.which("soffice")
    if soffice is None:
        pytest.skip("LibreOffice (soffice) is not installed, so no file is opened in it")
    (folder / f"a.{form}").write_bytes(content)
    command = [soffice, f"-env:UserInstallation=file://{folder}/office", "--headless", "--convert-to", into]
    command += ["--outdir", str(folder / "out"), str(folder / f"a.{form}")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "out" / f"a.{into}"


def computed(content: bytes, folder: Path) -> dict[str, bool]:
    """What LibreOffice computes on the sheet of checks; openpyxl keeps no results."""
    sheet = load_workbook(opened(content, folder, "xlsx", "xlsx"), data_only=True)["Kiểm tra"]
    return {row[0]: row[1] for row in sheet.iter_rows(min_row=4, values_only=True)}


@pytest.mark.prove
@pytest.mark.parametrize("of", ["run", pytest.param("directive", marks=pytest.mark.prove)])
def test_the_workbook_checks_itself_and_lists_every_number(kept: Kept, tmp_path: Path, of: str) -> None:
    content = kept.file(kept.runs[VIETTEL] if of == "run" else kept.directive[-1], "xlsx")
    book = load_workbook(io.BytesIO(content))
    numbers = {row[3] for row in book["Dữ liệu"].iter_rows(min_row=4, values_only=True)}
    changed, place = ("Biểu 2", "D4") if of == "run" else ("Biểu 5", "E4")
    assert book[changed][place].value in numbers
    again = io.BytesIO()
    book.save(again)
    found = computed(again.getvalue(), tmp_path)
    assert len(found) >= (5 if of == "run" else 2)
    assert set(found.values()) == {True}
    book[changed][place].value += 1
    book.save(again := io.BytesIO())
    assert False in computed(again.getvalue(), tmp_path).values()


@pytest.mark.prove
def test_frozen_again_without_a_change_it_is_the_same_version(kept: Kept) -> None:
    freezer = Freezer(kept.db, ledger_for(kept.db), HEADS, "officer")
    first, new = freezer.freeze(DIRECTIVE)
    assert new  # VNPT's report was frozen since, and form 5 names its version
    assert freezer.freeze(DIRECTIVE) == (first, False)


# ---- what has changed -----------------------------------------------------------------------------------


@pytest.mark.prove
def test_changes_have_a_row_for_each_carrier_and_the_reason_above(kept: Kept) -> None:
    second = kept.directive[1]
    assert cells.docx_tables(kept.file(second, "docx"))["Số liệu nhắn tin thay đổi"] == [
        ["VNPT VinaPhone (mã đợt 4)", "1.234.567", "1.250.001", "1.167.467", "1.182.901"]
    ]
    text = words("docx", kept.file(second, "docx"))
    assert "Lý do đính chính của VNPT VinaPhone: Bổ sung số liệu của các thuê bao trả trước" in text
    assert "thay thế Báo cáo số" not in text  # the one before was never issued
    assert "thay thế Báo cáo số" not in words("docx", kept.file(kept.directive[0], "docx"))
    assert len(second.changes) > 150
    rows = cells.xlsx_values(kept.file(second, "xlsx"))["Thay đổi"]
    assert len(rows) == len(second.changes)


@pytest.mark.prove
def test_no_list_of_changes_has_a_word_of_the_program(kept: Kept) -> None:
    for each in (*kept.directive, *kept.runs.values()):
        for change in each.changes:
            assert not re.search(
                r"\b(counts|failed|reasons|segments|repeated|sent|received|n|_)\b", change.where
            )


# ---- subject, kind, annexes, signature ------------------------------------------------------------------


@pytest.mark.prove
@pytest.mark.parametrize("form", ["docx", "pdf"])
def test_the_directive_is_named_by_its_kind_and_its_own_subject(kept: Kept, form: str) -> None:
    text = words(form, kept.file(kept.directive[0], form)).replace("\u00a0", " ")
    assert "Tổng hợp kết quả tuyên truyền phòng cháy, chữa cháy rừng mùa khô 2025 - 2026" in text
    assert (
        "Thực hiện Kế hoạch số 306/KH-UBND ngày 27/10/2025 của UBND tỉnh Sơn La về việc tuyên truyền phòng "
        "cháy, chữa cháy rừng mùa khô 2025 - 2026, Công an tỉnh Sơn La báo cáo kết quả như sau."
    ) in text
    run = words(form, kept.file(kept.runs[VIETTEL], form)).replace("\u00a0", " ")
    assert "Kết quả nhắn tin tuyên truyền theo Kế hoạch số 306/KH-UBND ngày 27/10/2025" in run
    for each in (text, run):
        assert "lừa đảo" not in each
        # What a carrier's word on its receipts rests on is named as it is.
        assert "Công văn" not in each.replace("theo Công văn số 88/VTSL-KT (30/10/2025)", "")
        assert "V/v" not in each
        assert not re.search(r"\bLoa\b(?! truyền thanh)|\d\d:\d\d:\d\d", each)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("306/KH-UBND", "Kế hoạch"),
        ("18/CT-UBND", "Chỉ thị"),
        ("02/CĐ-UBND", "Công điện"),
        ("12/2025/QĐ-UBND", "Quyết định"),
        ("303/CAT-PA05", "Công văn"),
        ("CATSL-303", "Công văn"),
    ],
)
def test_a_number_tells_the_kind_of_its_paper(number: str, kind: str) -> None:
    assert kind_of(number) == kind


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("V/v phối hợp tuyên truyền", "phối hợp tuyên truyền"),
        ("Về việc: Phòng cháy.", "phòng cháy"),
        ("UBND xã báo cáo", "UBND xã báo cáo"),
        ("", ""),
    ],
)
def test_a_subject_fits_into_a_sentence(subject: str, said: str) -> None:
    assert topic(subject) == said


@pytest.mark.prove
def test_an_agency_issues_its_own_directive(kept: Kept) -> None:
    report = kept.db.read(consolidated.build, 1, FIRST)
    letter = replace(report.letter, number="303/CAT-PA05", issuer="Công an tỉnh Sơn La")
    head = replace(HEADS.of(letterhead.POLICE, letter.issued_on), bases=("Chỉ thị số 18/CT-UBND",))
    paper = consolidated_paper.compose(replace(report, letter=letter), head, PREVIEW)
    told = [block.text for block in paper.blocks if hasattr(block, "style")]
    assert (
        "Thực hiện Chỉ thị số 18/CT-UBND, Công an tỉnh Sơn La đã ban hành Công văn số 303/CAT-PA05 ngày "
        "27/10/2025 về việc tuyên truyền phòng cháy, chữa cháy rừng mùa khô 2025 - 2026."
    ) in told


@pytest.mark.prove
def test_annexes_have_roman_numbers_their_own_pages_and_are_named_in_the_body(kept: Kept) -> None:
    found = pages(kept, kept.directive[1])
    heads = [re.search(r"Phụ lục (I|II|III|IV|V) (?=[A-ZĐÌ])", text) for text in found]
    assert [each[1] for each in heads if each] == ["I", "II", "III", "IV", "V"]
    body = " ".join(found[: next(n for n, each in enumerate(heads) if each)])
    assert all(f"Phụ lục {number}" in body for number in ("I", "II", "III", "IV", "V"))
    assert sum("năm 2025 của Công an tỉnh Sơn La)" in text for text in found) == 5
    document = Document(io.BytesIO(kept.file(kept.directive[1], "docx")))
    starts = [section._sectPr.find(qn("w:pgNumType")).get(qn("w:start")) for section in document.sections]
    assert starts == ["1"] * 6
    across = [section for section in document.sections if section.orientation is WD_ORIENT.LANDSCAPE]
    assert {(round(each.page_width.mm), round(each.page_height.mm)) for each in across} == {(297, 210)}
    levels = {style.name: style.element.find(f".//{qn('w:outlineLvl')}") for style in document.styles}
    own = {name for name, level in levels.items() if level is not None and not name.startswith("Heading")}
    outlined = [p.text for p in document.paragraphs if p.style.name in own]
    assert {levels[p.style.name].get(qn("w:val")) for p in document.paragraphs if p.text in outlined} == {"0"}
    assert outlined == [
        "BÁO CÁO",
        *(f"Phụ lục {n}" for n in ("I", "II", "III", "IV", "V")),
    ]


@pytest.mark.prove
@pytest.mark.parametrize("form", [Format.DOCX, Format.PDF])
def test_the_signer_stands_below_the_post_as_written(kept: Kept, form: Format) -> None:
    report = kept.db.read(consolidated.build, 1, FIRST)
    head = HEADS.of(letterhead.POLICE, report.letter.issued_on)
    head = replace(head, post="KT. GIÁM ĐỐC\nPHÓ GIÁM ĐỐC", signer="Đại tá Nguyễn Văn A")
    text = words(form, PAPERS[form](consolidated_paper.compose(report, head, PREVIEW)))
    assert text.index("PHÓ GIÁM ĐỐC") < text.index("Đại tá Nguyễn Văn A")


@pytest.mark.prove
def test_the_last_section_alone_stays_with_the_signature(kept: Kept) -> None:
    document = Document(io.BytesIO(kept.file(kept.directive[1], "docx")))
    dots = [p.paragraph_format.keep_with_next for p in document.paragraphs if p.text == "\t"]
    assert dots == [None] * 4 + [True] * 2


@pytest.mark.prove
def test_the_mark_can_be_read_through_pictures(kept: Kept) -> None:
    with zipfile.ZipFile(io.BytesIO(kept.file(kept.runs[VIETTEL], "docx"))) as archive_:
        pictures = [name for name in archive_.namelist() if name.endswith(".png")]
        assert pictures
        assert all(Image.open(archive_.open(name)).getpixel((0, 0))[3] == 0 for name in pictures)


@pytest.mark.prove
def test_one_command_of_word_removes_every_mark(kept: Kept) -> None:
    document = Document(io.BytesIO(kept.file(kept.directive[1], "docx")))
    for section in document.sections:
        for header in (section.header, section.first_page_header):
            assert re.search(r'id="PowerPlusWaterMarkObject\d+"', header._element.xml)


@pytest.mark.prove
def test_what_a_carrier_did_not_say_by_day_is_not_called_without_receipts(kept: Kept) -> None:
    rows = cells.docx_tables(kept.file(kept.runs[VNPT], "docx"))["Biểu 3 – Kết quả theo ngày"]
    assert [row[-1] for row in rows] == ["không báo", "không báo"]


@pytest.mark.prove
def test_no_number_is_broken_over_two_lines(kept: Kept) -> None:
    bold = ImageFont.truetype("app/data/fonts/LiberationSerif-Bold.ttf", 100)
    report = kept.db.read(build, DIRECTIVE, FIRST)
    form = next(form for form in tables_of(report) if form.name == "Biểu 5")
    big = form._replace(rows=tuple(_bigger(row) for row in form.rows))
    room, size = layout.width(landscape=True), 8.5
    widths = layout.columns(big, room, size)
    assert sum(widths) == pytest.approx(room)
    for nth, column in enumerate(big.columns):
        for row in big.rows:
            for word in cells.words(big, row)[nth].split(" ") if column.kind is CellKind.COUNT else ():
                wide = bold.getlength(word) / 100 * size + 4
                assert wide <= widths[nth] * 72 / 25.4, (column.key, word)


def _bigger(row: TableRow) -> TableRow:
    return row._replace(cells=tuple(12_519_000 if isinstance(value(c), int) else c for c in row.cells))


def _rounds(report: consolidated.ConsolidatedReport, times: int) -> consolidated.ConsolidatedReport:
    """Return the report as if each of its campaigns had been sent so many times, each with its own runs."""
    lines = [
        replace(
            line,
            run_id=line.run_id + 100 * nth,
            campaign_id=line.campaign_id + 100 * nth,
            campaign=f"{line.campaign}, vòng {nth + 1}",
        )
        for nth in range(times)
        for line in report.lines
    ]
    return replace(report, lines=tuple(lines))


def test_a_text_that_several_campaigns_sent_is_printed_once_under_all_their_names(kept: Kept) -> None:
    report = kept.db.read(build, DIRECTIVE, FIRST)
    assert isinstance(report, consolidated.ConsolidatedReport)
    (head,) = {line.campaign for line in report.lines}
    paper = consolidated_paper.compose(_rounds(report, 4), HEADS.of("", date(2025, 11, 14)), PREVIEW)
    wordings = {wording for line in report.lines for wording in line.report.header.texts.values()}
    printed = [block.text for block in paper.blocks if getattr(block, "style", None) is Style.QUOTED]
    assert sorted(printed) == sorted(wordings)
    above = " ".join(block.text for block in paper.blocks if isinstance(block, Paragraph))
    for nth in range(4):
        assert f"chiến dịch “{head}, vòng {nth + 1}”" in above


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler is not installed")
@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_no_page_holds_one_picture_alone(kept: Kept, times: int, tmp_path: Path) -> None:
    report = kept.db.read(build, DIRECTIVE, FIRST)
    assert isinstance(report, consolidated.ConsolidatedReport)
    paper = consolidated_paper.compose(_rounds(report, times), HEADS.of("", date(2025, 11, 14)), PREVIEW)
    pictures = [block for block in paper.blocks if isinstance(block, DocumentPicture)]
    assert bool(pictures) == (times > 1)  # two bars of one round are read faster in their table
    file = tmp_path / "b.pdf"
    file.write_bytes(PAPERS[Format.PDF](paper))
    pages = subprocess.run(["pdftotext", "-layout", file, "-"], check=True, capture_output=True).stdout
    with_pictures = [page for page in pages.decode().split("\f") if "Kết quả theo doanh nghiệp: " in page]
    assert bool(with_pictures) == bool(pictures)
    for page in with_pictures:
        assert "Biểu 5 – Tổng hợp" in page or page.count("Kết quả theo doanh nghiệp: ") > 1, page
