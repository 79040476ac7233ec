"""The carrier's workbook on its way out and back: protected, with lists, and read as it was filled in."""

from __future__ import annotations

import io
import unicodedata
import zipfile
from datetime import date, datetime

import openpyxl
import pytest

from app.core.clock import VIETNAM, to_ms
from app.core.errors import Invalid
from app.reports.figures.carrier_statement import FigureSource, StatedCounts
from app.reports.intake import statement_workbook
from app.reports.intake.statement_workbook import FormHead, Handed, read
from carriers.contract import ReceiptLevel
from tests.long.app.reports.intake.forms import FILLED, HEAD, NOW, filled, without

STATED = Handed(FigureSource.STATED)


def test_a_right_form_is_read_as_it_was_filled_in() -> None:
    claim = read(filled(), HEAD, STATED, NOW)
    figures = claim.figures
    assert claim.level is ReceiptLevel.HANDSET
    assert claim.began_ms == to_ms(datetime(2024, 2, 5, 8, tzinfo=VIETNAM))
    assert (claim.paper.number, claim.paper.dated_on) == ("125/BC-VTSL", "2024-02-22")
    assert figures.general == StatedCounts(1000, 30, 970, 900, 50, 20)
    assert (figures.segments, figures.resent) == (1940, 0)
    assert [(cause.key, cause.n) for cause in figures.excluded] == [("repeated", 10), ("wrong_number", 20)]
    assert [(row.code, row.counts.sent, row.counts.no_receipt) for row in figures.areas] == [
        ("116", 580, 10),
        ("125", 380, 10),
        (None, 10, 0),
    ]
    assert [(row.day, row.hours, row.sent) for row in figures.days] == [("2024-02-05", "08:00-11:30", 970)]
    assert [(row.key, row.n) for row in figures.reasons] == [("expired", 30), ("no_such_number", 20)]


def test_forms_2_to_4_may_be_left_empty() -> None:
    base = {key: value for key, value in FILLED.items() if key[0] in ("Chung", "Biểu 1")}
    figures = read(filled(base=base), HEAD, STATED, NOW).figures
    assert (figures.areas, figures.days, figures.reasons) == ((), (), ())


def test_a_carrier_without_receipts_leaves_their_columns_empty() -> None:
    base = {key: value for key, value in FILLED.items() if key[0] in ("Chung", "Biểu 1")}
    none = {("Chung", "B9"): "không có biên nhận", ("Biểu 1", "D12"): None, ("Biểu 1", "D13"): None}
    general = read(filled(none, base=base), HEAD, STATED, NOW).figures.general
    assert (general.sent, general.received, general.failed, general.no_receipt) == (970, None, None, None)


@pytest.mark.parametrize("typed", ["1.000", "1 000", "1000", " 1000 ", 1000.0])
def test_a_number_may_be_typed_as_people_do(typed: object) -> None:
    claim = read(filled({("Biểu 1", "D4"): typed}), HEAD, STATED, NOW)
    assert claim.figures.general.eligible == 1000


@pytest.mark.parametrize(("typed", "read_as"), [("1,200,000", 1_200_000), ("-", None), ("–", None), ("0", 0)])
def test_many_thousands_and_none_may_be_typed_too(typed: str, read_as: int | None) -> None:
    assert read(filled({("Biểu 1", "D17"): typed}), HEAD, STATED, NOW).figures.resent == read_as


def test_words_that_look_the_same_are_the_same() -> None:
    apart = unicodedata.normalize("NFD", "Huyện  Mai\u00a0Sơn")
    changes = {("Chung", "B9"): "Máy thuê bao ", ("Biểu 2", "C5"): apart}
    claim = read(filled(changes), HEAD, STATED, NOW)
    assert (claim.level, claim.figures.areas[1].name) == (ReceiptLevel.HANDSET, "Huyện Mai Sơn")


def test_the_form_prints_as_wide_as_a_page_with_its_head_and_places_to_sign() -> None:
    head = FormHead(2, "viettel", "Phòng cháy", date(2025, 11, 3), ())
    workbook = openpyxl.load_workbook(io.BytesIO(statement_workbook.build(head)))
    for sheet in workbook.worksheets:
        assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (1, 0)
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        if sheet.title != "Chung":
            assert (sheet.freeze_panes, sheet.print_title_rows) == ("A4", "$3:$3")
    assert workbook["Biểu 2"].page_setup.orientation == "landscape"
    assert "Thủ trưởng đơn vị" in workbook["Chung"]["B24"].value


@pytest.mark.parametrize(
    "typed",
    [
        *("05/02/2024 08:00", "2024-02-05 08:00", "05-02-2024 08:00:00"),
        *("05/02/2024 8h00", "05/02/2024 8h", "05/02/2024 8 giờ 00"),
    ],
)
def test_a_time_may_be_typed_as_text(typed: str) -> None:
    claim = read(filled({("Chung", "B10"): typed}), HEAD, STATED, NOW)
    assert claim.began_ms == to_ms(datetime(2024, 2, 5, 8, tzinfo=VIETNAM))


def test_a_day_without_hours_begins_at_midnight() -> None:
    claim = read(filled({("Chung", "B10"): "05/02/2024"}), HEAD, STATED, NOW)
    assert claim.began_ms == to_ms(datetime(2024, 2, 5, tzinfo=VIETNAM))


def test_a_computed_cell_may_come_back_as_its_number() -> None:
    values = {("Biểu 1", "D5"): 30, ("Biểu 1", "D11"): 970, ("Biểu 1", "D14"): 20}
    assert read(filled(values), HEAD, STATED, NOW).figures.general.sent == 970


def test_the_form_is_protected_but_for_its_cells_to_fill_in() -> None:
    workbook = openpyxl.load_workbook(io.BytesIO(statement_workbook.build(HEAD)))
    assert workbook.security.lockStructure
    assert all(sheet.protection.sheet for sheet in workbook.worksheets)
    assert not workbook["Biểu 1"]["D4"].protection.locked
    assert workbook["Biểu 1"]["D5"].protection.locked
    lists = [rule for rule in workbook["Chung"].data_validations.dataValidation if rule.type == "list"]
    assert [rule.formula1 for rule in lists] == ['"máy thuê bao,tổng đài nhà mạng,không có biên nhận"']
    rules = {rule.type for sheet in workbook.worksheets for rule in sheet.data_validations.dataValidation}
    assert rules == {"list", "whole", "date"}


def test_a_campaigns_name_is_no_formula() -> None:
    head = FormHead(2, "viettel", "=1+1", date(2024, 2, 5), ("116",))
    workbook = openpyxl.load_workbook(io.BytesIO(statement_workbook.build(head)))
    assert (workbook["Chung"]["B5"].value, workbook["Chung"]["B5"].data_type) == ("=1+1", "s")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a workbook", b"<html>", b"\xd0\xcf\x11\xe0" * 100])
def test_what_is_no_workbook_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(Invalid, match=r"không phải là biểu mẫu \.xlsx hoặc \.ods đọc được"):
        read(content, HEAD, STATED, NOW)


def test_a_file_that_is_too_large_is_not_read() -> None:
    with pytest.raises(Invalid, match="lớn hơn 4 MB"):
        read(b"PK" * 3_000_000, HEAD, STATED, NOW)


def test_a_workbook_that_unpacks_without_end_is_not_read() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * 80_000_000)
    with pytest.raises(Invalid):
        read(buffer.getvalue(), HEAD, STATED, NOW)


def test_a_missing_sheet_is_named() -> None:
    with pytest.raises(Invalid, match="Trang “Biểu 3”, ô A1: thiếu trang này; hãy lấy lại biểu mẫu"):
        read(without("Biểu 3"), HEAD, STATED, NOW)
