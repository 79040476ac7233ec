"""LibreOffice computes the sheet “Kiểm tra”: TRUE as written, FALSE after any number is altered by one."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from app.reports.export import xlsx_file
from app.reports.figures.table_model import ReportTable, value
from tests.long.app.reports.five_carriers import forms_of

SOFFICE = shutil.which("soffice")
AT_ONCE = 100  # workbooks given to one LibreOffice
pytestmark = [
    pytest.mark.skipif(SOFFICE is None, reason="LibreOffice (soffice) is not installed"),
    pytest.mark.timeout(3600),  # a workbook for each of some hundred numbers
]
Forms = dict[str, tuple[tuple[ReportTable, ...], int]]


@pytest.fixture(scope="module")
def forms(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Forms:
    return forms_of(sqlite_template, tmp_path_factory.mktemp("five"))


def computed(files: list[Path], folder: Path) -> list[set[Any]]:
    """What the checks of each workbook come to."""
    found = []
    for nth in range(0, len(files), AT_ONCE):
        part, out = files[nth : nth + AT_ONCE], folder / f"out{nth}"
        command = [str(SOFFICE), f"-env:UserInstallation=file://{folder}/office", "--headless"]
        command += ["--convert-to", "xlsx", "--outdir", str(out), *map(str, part)]
        subprocess.run(command, check=True, capture_output=True)
        for file in part:
            sheet = load_workbook(out / file.name, data_only=True, read_only=True)["Kiểm tra"]
            found.append({row[1] for row in sheet.iter_rows(min_row=4, values_only=True)})
    return found


def numbers(tables: tuple[ReportTable, ...]) -> list[tuple[str, int, int, float]]:
    """Sheet, row, column and number of every one of the forms."""
    return [
        (table.name, 4 + at, 1 + place, said)
        for table in tables
        for at, row in enumerate(table.rows)
        for place, cell in enumerate(row.cells)
        if isinstance(said := value(cell), int | float)
    ]


@pytest.mark.parametrize("whose", ["directive", "1", "4", "5"])
def test_any_number_altered_by_one_turns_a_check_false(forms: Forms, tmp_path: Path, whose: str) -> None:
    tables, cutoff_ms = forms[whose]
    book = load_workbook(io.BytesIO(xlsx_file.render(tables, cutoff_ms)))
    book.save(tmp_path / "0.xlsx")
    files, places = [tmp_path / "0.xlsx"], numbers(tables)
    for nth, (sheet, row, column, said) in enumerate(places, 1):
        cell = book[sheet].cell(row, column)
        kept, cell.value = cell.value, said + 1
        files.append(tmp_path / f"{nth}.xlsx")
        book.save(files[-1])
        cell.value = kept
    sound, *altered = computed(files, tmp_path)
    assert sound == {True}
    assert [place for place, found in zip(places, altered, strict=True) if False not in found] == []
