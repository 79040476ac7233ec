"""The papers say the same figures in every format, and no more than receipts prove."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from docx import Document
from pypdf import PdfReader

from app.database import models as m
from app.database.connection import Database
from app.reports.counting import consolidated
from app.reports.counting.carrier_report import build
from app.reports.export.formats import Format, document, paper, render, tables_of
from app.reports.figures.figures import RARE, CarrierReport
from app.reports.figures.table_model import CellKind, ReportTable, value
from app.reports.figures.version import PREVIEW, ChangedRow, FigureChange, Version
from app.reports.forms import carrier_tables
from app.reports.papers import carrier_paper
from tests.engines import sqlite_alone
from tests.long.app.reports import cells
from tests.long.app.reports.conftest import sound_on_sqlite
from tests.long.app.reports.long_paper import HEADS, files, many_areas
from tests.long.app.reports.scene import DAY, T0, S, Scene

database_url = sqlite_alone
sound = sound_on_sqlite

CUTOFF = T0 + 3 * DAY


def plain(form: ReportTable, row: int) -> list[Any]:
    """The row as a workbook's results: no text for nothing."""
    return [None if value(cell) == "" else value(cell) for cell in form.rows[row].cells]


def check_all_formats(report: CarrierReport) -> None:
    made, found = files(report), carrier_tables.of_run(report)
    in_docx, in_xlsx = cells.docx_tables(made[Format.DOCX]), cells.xlsx_values(made[Format.XLSX])
    in_csv, in_pdf = cells.csv_rows(made[Format.CSV]), cells.pdf_text(made[Format.PDF])
    for form in found[1:5]:
        on_paper = form.without_empty(RARE)[0] if form.name == "Biểu 2" else form
        assert in_docx[form.title] == [cells.words(on_paper, row) for row in on_paper.rows]
        for nth, row in enumerate(form.rows):
            told = cells.numbers(on_paper, on_paper.rows[nth])
            assert all(run in in_pdf for run in told), (form.name, row.key)
            result = [None if cell == "" else cell for cell in in_xlsx[form.name][nth]]
            assert result == pytest.approx(plain(form, nth)), (form.name, row.key)
        start = in_csv.index([form.title]) + 3
        for column, kind in enumerate(each.kind for each in form.columns):
            if kind is CellKind.COUNT:
                told = [line[column] for line in in_csv[start : start + len(form.rows)]]
                assert told == [
                    "" if (n := value(row.cells[column])) is None else str(n) for row in form.rows
                ]
    general = json.loads(made[Format.JSON])["general"]
    assert (general["sent_messages"], general["sent_segments"]) == (
        report.general.sent,
        report.general.segments,
    )
    assert json.loads(made[Format.JSON])["areas"][0]["sent_messages"] == report.places[0].figures.sent


@pytest.mark.prove
def test_every_format_says_what_the_ledger_says(sound: Database) -> None:
    for run in (1, 2):
        check_all_formats(sound.read(build, run, CUTOFF))


@pytest.mark.prove
def test_long_tables_say_the_same_in_every_format(db: Database) -> None:
    report = many_areas(db)
    assert len(report.places) == 75
    check_all_formats(report)


@pytest.mark.prove
@pytest.mark.parametrize("form", [Format.DOCX, Format.PDF, Format.XLSX, Format.CSV, Format.JSON])
def test_the_same_report_is_the_same_file(sound: Database, form: Format) -> None:
    first, second = (render(sound.read(build, 1, CUTOFF), form, HEADS).content for _ in range(2))
    assert first == second


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns at every step."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.prove
@pytest.mark.parametrize("form", [Format.DOCX, Format.PDF, Format.XLSX])
@pytest.mark.usefixtures("restless")
def test_files_made_at_the_same_moment_are_as_those_made_one_by_one(sound: Database, form: Format) -> None:
    """One person freezes while another looks at a preview."""
    report = sound.read(build, 1, CUTOFF)
    with ThreadPoolExecutor(6) as threads:
        made = [*threads.map(lambda _: render(report, form, HEADS).content, range(12))]
    assert made == [render(report, form, HEADS).content] * 12


# ---- what no receipt proves -----------------------------------------------------------------------------


@pytest.mark.prove
@pytest.mark.parametrize(("level", "delivered", "relayed"), [(2, "0", "–"), (1, None, "0"), (0, None, None)])
def test_what_receipts_cannot_prove_is_no_number(
    db: Database, level: int, delivered: str | None, relayed: str | None
) -> None:
    scene = Scene("sent", level)
    scene.message(S.SUBMITTED)
    scene.save(db)
    made = files(db.read(build, 1, CUTOFF))
    said = {row[0]: row[3] for row in cells.docx_tables(made[Format.DOCX])["Biểu 1 – Kết quả chung"]}
    nothing = "không có biên nhận"
    assert (said["(4a)"], said["(4b)"]) == (delivered or nothing, relayed or nothing)
    general = json.loads(made[Format.JSON])["general"]
    told = (general["received_by_handset_messages"], general["taken_by_operator_messages"])
    assert told == tuple(None if each is None else 0 for each in (delivered, relayed))
    sheet = cells.xlsx_values(made[Format.XLSX])["Biểu 1"]
    assert next(row[3] for row in sheet if row[0] == "(4a)") == (nothing if delivered is None else 0)
    assert (nothing in cells.pdf_text(made[Format.PDF])) is (level < 2)


def test_accepted_by_the_operator_is_never_called_received(sound: Database) -> None:
    text = cells.pdf_text(files(sound.read(build, 2, CUTOFF))[Format.PDF])
    assert "Đã nhận (biên nhận của máy): không có biên nhận; nhà mạng đã tiếp nhận: 2 tin" in text
    assert "đo bằng biên nhận (mức tổng đài: nhà mạng đã tiếp nhận)" in text


def test_every_letter_of_vietnamese_comes_through(db: Database) -> None:
    letters = "ắằẳẵặ ấầẩẫậ ếềểễệ ốồổỗộ ớờởỡợ ứừửữự ýỳỷỹỵ đĂÂĐÊÔƠƯ ẮẰẲẴẶ ẤẦẨẪẬ ẾỀỂỄỆ ỐỒỔỖỘ ỚỜỞỠỢ ỨỪỬỮỰ ÝỲỶỸỴ"
    scene = Scene(name=f"Chiến dịch {letters}")
    scene.message(S.DELIVERED)
    scene.save(db)
    made = files(db.read(build, 1, CUTOFF))
    assert letters in cells.pdf_text(made[Format.PDF])
    assert letters in "".join(p.text for p in Document(io.BytesIO(made[Format.DOCX])).paragraphs)


# ---- annexes, changes, workbook -------------------------------------------------------------------------


def test_the_annex_has_the_message_word_for_word_with_its_hash_and_parts(sound: Database) -> None:
    made = files(sound.read(build, 1, CUTOFF))
    rows = dict(cells.docx_tables(made[Format.DOCX])["Thông số của nội dung"])
    assert rows["Số ký tự"] == "79"
    assert rows["Bảng mã"] == "UCS-2, có dấu"
    assert rows["Số bản tin quy đổi của một tin"] == "2"
    assert len(rows["Mã băm SHA-256 (UTF-8)"]) == 64
    assert "Công an không làm việc qua điện thoại." in cells.pdf_text(made[Format.PDF])


@pytest.mark.prove
def test_a_later_version_prints_what_has_changed(sound: Database) -> None:
    rows = (ChangedRow("Viettel", {"sent": 9, "delivered": 7}, {"sent": 9, "delivered": 9}),)
    version = Version(
        3, (2, CUTOFF - DAY), (FigureChange("Biểu 1, đã nhận", 7, 9),), rows, issued_before=True
    )
    made = files(sound.read(build, 1, CUTOFF), version)
    assert cells.docx_tables(made[Format.DOCX])["Số liệu nhắn tin thay đổi"] == [["Viettel", "7", "9"]]
    assert "THAY ĐỔI SO VỚI BẢN SỐ 2" in cells.pdf_text(made[Format.PDF])
    assert cells.xlsx_values(made[Format.XLSX])["Thay đổi"] == [["Biểu 1, đã nhận", 7, 9, 2]]
    text = cells.pdf_text(made[Format.PDF]).replace("\u00a0", " ")
    assert "Bản số 3, số liệu chốt đến 09 giờ 00 ngày 01/02/2024" in text
    assert "của VNPT Sơn La (bản số 2, số liệu chốt đến 09 giờ 00 ngày 31/01/2024)" in text
    assert "Số liệu thay đổi: Phụ lục III." in text


def test_a_message_is_printed_with_its_line_ends_and_without_what_no_paper_holds(db: Database) -> None:
    scene = Scene()
    scene.rows[m.campaigns][0]["texts"] = {"": "Dòng một\x07\nDòng  hai & <ba>"}
    scene.message(S.DELIVERED)
    scene.save(db)
    made = files(db.read(build, 1, CUTOFF))
    told = next(p.text for p in Document(io.BytesIO(made[Format.DOCX])).paragraphs if "Dòng một" in p.text)
    assert told == "Dòng một\nDòng  hai & <ba>"
    pages = PdfReader(io.BytesIO(made[Format.PDF])).pages
    assert "Dòng một\nDòng" in "".join(page.extract_text() for page in pages)


# ---- the consolidated report ----------------------------------------------------------------------------


def test_the_consolidated_paper_says_form_5_in_every_format(sound: Database) -> None:
    report = sound.read(consolidated.build, 1, CUTOFF)
    made, form = files(report), tables_of(report)[1]
    table = cells.docx_tables(made[Format.DOCX])[form.title]
    assert table == [cells.words(form, row) for row in form.rows]
    assert [row[1] for row in table] == ["VNPT VinaPhone", "Viettel", "Cộng tin (đo bằng biên nhận)"]
    text = cells.pdf_text(made[Format.PDF])
    for row in form.rows:
        assert all(run in text for run in cells.numbers(form, row)), row.key
    assert "Đồng chí Chủ tịch UBND tỉnh Sơn La" in text
    assert json.loads(made[Format.JSON])["runs"][0]["source"] == "measured"
    assert ["Thời điểm chốt số liệu", "01/02/2024 09:00:00"] in cells.csv_rows(made[Format.CSV])
    assert cells.xlsx_values(made[Format.XLSX])["Biểu 5"][0][4] == report.lines[0].report.general.eligible


def test_papers_say_where_their_figures_come_from_and_when_they_were_counted(sound: Database) -> None:
    said = paper(sound.read(build, 1, CUTOFF), HEADS)
    tables = [block for block in said.blocks if hasattr(block, "form")]
    assert all("đo bằng biên nhận" in each.source for each in tables if each.form.name.startswith("Biểu"))
    assert all(
        "09\u00a0giờ\u00a000 ngày 01/02/2024" in each.source
        for each in tables
        if each.form.name.startswith("Biểu")
    )


def test_the_same_document_goes_to_both_papers(sound: Database) -> None:
    report = sound.read(build, 1, CUTOFF)
    said = paper(report, HEADS)
    head = HEADS.of("vnpt", carrier_tables.first_day(report.header))
    assert said == carrier_paper.compose(report, head, PREVIEW)
    assert document(report)["source"] == "measured"
