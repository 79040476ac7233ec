"""Workbooks: numbers as Excel keeps them, the right sheet, and files that only look like workbooks."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from app.core.errors import Invalid
from app.file_import.reader import Reader
from app.file_import.xlsx_rows import check_size
from tests.app.file_import.layouts import LIST, read_rows
from tests.exact import exactly


def workbook(path: Path, **sheets: list[list[Any]]) -> Path:
    """A file with these sheets."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path / "file.xlsx")
    return path / "file.xlsx"


def test_numbers_are_read_as_a_person_sees_them(tmp_path: Path) -> None:
    file = workbook(
        tmp_path,
        S=[
            ["Danh sách"],
            ["STT", "Mã xã", "Số điện thoại", "Ngôn ngữ"],
            [1, 3646, 912345678, "hmn"],
            [2, "03646", "0912 345 679", None],
            [3, None, 84912345670.0],
            [None, None, None],
            [4, None, 0.5, date(2024, 1, 29)],
        ],
    )
    assert list(read_rows(file)) == [
        (3, "912345678", "3646", "hmn"),
        (4, "0912 345 679", "03646", ""),
        (5, "84912345670", "", ""),
        (7, "0.5", "", "2024-01-29 00:00:00"),
    ]


def test_the_sheet_with_numbers_is_found(tmp_path: Path) -> None:
    file = workbook(tmp_path, Bìa=[["Công an tỉnh"]], Số=[["phone"], ["0912345678"]])
    assert list(read_rows(file)) == [(2, "0912345678", "", "")]


def test_two_sheets_with_numbers_are_refused_by_name(tmp_path: Path) -> None:
    file = workbook(tmp_path, A=[["phone"], [912345678]], B=[["sdt"], [912345679]])
    with pytest.raises(Invalid, match="“A” and “B”"):
        list(read_rows(file))


@pytest.mark.parametrize(
    ("rows", "words"), [([["Họ tên"], ["Lò A"]], "The file has no column for phone numbers"), ([], "empty")]
)
def test_a_workbook_without_numbers_is_refused(tmp_path: Path, rows: list[list[str]], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        list(read_rows(workbook(tmp_path, S=rows)))


def test_a_zip_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "file.zip", "w") as archive:
        archive.writestr("file.csv", "phone\n0912345678\n")
    with pytest.raises(
        Invalid,
        match=exactly(
            "The file is a .zip but not a readable Excel workbook. Save it as .xlsx or “CSV UTF-8”."
        ),
    ):
        list(read_rows(tmp_path / "file.zip"))


@pytest.mark.longer
def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    file = workbook(tmp_path, S=[["phone"], *([912345678] for _ in range(500))])
    with pytest.raises(Invalid, match="too large"):
        list(Reader(file, LIST, limit=10_000))


@pytest.mark.longer
@pytest.mark.parametrize(("members", "letters"), [(10_001, 5), (40, 30_000)], ids=["members", "directory"])
def test_a_workbook_with_too_many_members_is_refused_before_they_are_read(
    tmp_path: Path, members: int, letters: int
) -> None:
    file = workbook(tmp_path, S=[["phone"], [912345678]])
    assert len(list(read_rows(file))) == 1
    with zipfile.ZipFile(file, "a") as archive:
        for n in range(members):
            archive.writestr(f"{n:0{letters}}", b"")
    with pytest.raises(Invalid, match="too large"):
        list(read_rows(file))
    watched = Watched(file.read_bytes())
    with pytest.raises(Invalid, match="too large"):
        check_size(watched, 10**9)
    assert watched.most <= 1024**2


class Watched(io.BytesIO):
    """Knows how much of it was read at once, at the most."""

    most = 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self.most = max(self.most, len(found))
        return found


def rewrite(file: Path, change: Callable[[bytes], bytes]) -> Path:
    """The workbook with its first sheet changed."""
    changed = file.with_name("changed.xlsx")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(changed, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(info.filename, change(content) if "sheet1" in info.filename else content)
    return changed


def test_a_number_that_a_program_wrote_as_a_float_is_a_whole_number(tmp_path: Path) -> None:
    file = workbook(tmp_path, S=[["phone"], [84912345678]])
    changed = rewrite(file, lambda sheet: sheet.replace(b"<v>84912345678<", b"<v>8.4912345678E10<"))
    assert list(read_rows(changed)) == [(2, "84912345678", "", "")]


def test_a_damaged_workbook_is_refused(tmp_path: Path) -> None:
    file = rewrite(workbook(tmp_path, S=[["phone"], [912345678]]), lambda sheet: sheet[:80])
    with pytest.raises(
        Invalid,
        match=exactly(
            "The file is a .zip but not a readable Excel workbook. Save it as .xlsx or “CSV UTF-8”."
        ),
    ):
        list(read_rows(file))


@pytest.mark.parametrize("seed", range(40))
def test_a_workbook_with_a_few_wrong_bytes_is_read_or_refused_in_words(tmp_path: Path, seed: int) -> None:
    file = workbook(tmp_path, S=[["phone"], *([912345678 + n] for n in range(5))])
    content, chance = bytearray(file.read_bytes()), random.Random(seed)
    for _ in range(4):
        content[chance.randrange(len(content))] = chance.randrange(256)
    file.write_bytes(content)
    with suppress(Invalid):
        assert len(list(read_rows(file))) <= 6


@pytest.mark.prove
def test_a_sheet_with_more_rows_than_excel_has_is_refused(tmp_path: Path) -> None:
    file = workbook(tmp_path, S=[["phone"], [912345678]])
    far = rewrite(file, lambda sheet: sheet.replace(b'<row r="2"', b'<row r="2000000000"'))
    with pytest.raises(Invalid, match="more than 1048576 rows"):
        list(read_rows(far))
