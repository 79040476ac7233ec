"""The sheet “Kiểm tra” of a workbook looks at every number, and holds for every kind of report."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from openpyxl.utils import range_boundaries

from app.reports.export import xlsx_file
from app.reports.figures.table_model import ReportTable, value
from app.reports.forms import check_sheet
from tests.long.app.reports.five_carriers import forms_of

REFERENCE = re.compile(r"'([^']+)'!([A-Z]+\d+(?::(?:'[^']+'!)?[A-Z]+\d+)?)")
Forms = dict[str, tuple[tuple[ReportTable, ...], int]]
WHOSE = ("directive", "1", "2", "3", "4", "5")


@pytest.fixture(scope="module")
def forms(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Forms:
    """The forms of the directive and of its runs: measured, measured at the centre, stated, by hand."""
    return forms_of(sqlite_template, tmp_path_factory.mktemp("five"))


def looked_at(formulas: list[str]) -> Iterator[tuple[str, int, int]]:
    for formula in formulas:
        for sheet, cells in REFERENCE.findall(formula):
            left, top, right, bottom = range_boundaries(re.sub(r"'[^']+'!", "", cells))
            for row in range(top, bottom + 1):
                yield from ((sheet, row, column) for column in range(left, right + 1))


@pytest.mark.parametrize("whose", WHOSE)
def test_every_number_is_looked_at_and_every_check_holds(forms: Forms, whose: str) -> None:
    tables, cutoff_ms = forms[whose]
    checks = check_sheet.checks(tables, 3)
    assert len(checks.rows) >= 3
    assert [row.cells[0] for row in checks.rows if value(row.cells[1]) is not True] == []
    book = load_workbook(io.BytesIO(xlsx_file.render(tables, cutoff_ms)))
    known = set(looked_at([row[1] for row in book["Kiểm tra"].iter_rows(min_row=4, values_only=True)]))
    for table in (*tables, check_sheet.flat(tables)):
        numbers = {
            (table.name, 4 + at, 1 + place)
            for at, row in enumerate(table.rows)
            for place, cell in enumerate(row.cells)
            if isinstance(value(cell), int | float)
        }
        assert numbers <= known, table.name


@pytest.mark.parametrize("whose", WHOSE)
def test_no_check_is_longer_than_a_spreadsheet_takes(forms: Forms, whose: str) -> None:
    for row in check_sheet.checks(forms[whose][0], 3).rows:
        formula: Any = row.cells[1]
        assert len(formula.text) < 8000
        assert formula.text.count("ABS(") <= 255


def said(forms: tuple[ReportTable, ...]) -> str:
    return "\n".join(str(row.cells[0]) for row in check_sheet.checks(forms, 3).rows)


def test_what_each_form_claims_is_checked_by_name(
    forms: Forms,
) -> None:
    measured, by_hand = said(forms["1"][0]), said(forms["5"][0])
    assert "Biểu 1: (3) = (4a) + (4b) + (5) + (6a) + (6b)" in measured
    assert "Tổng “Đã nhận (biên nhận máy)” của Biểu 2 = Biểu 1" in measured
    assert "Tổng “Không nhận được” của Biểu 2 = Biểu 1" in said(forms["2"][0])
    assert "Biểu 1: (1) = (2) + (3)" in by_hand
    assert "Biểu 5: từng số khớp trang “Dữ liệu”" in said(forms["directive"][0])
