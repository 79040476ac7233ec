"""Nothing vanishes and nothing appears: each line with anything in it is accepted, refused or repeated."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
import xlsxwriter

from app.batches.import_job import ImportCounts
from app.batches.importer import import_batch, register
from app.cli import batch_commands
from app.database.connection import Database
from app.file_import.row_blocks import LINE_REASONS
from app.file_import.upload import UploadedFile
from app.reports.figures.labels import bad_line
from tests.app.batches.files import kept
from tests.app.cli.test_campaign_commands import Shell
from tests.engines import other_by_hand

# Each line of the file, and what becomes of it: "good", a reason, "blank".
LINES = [
    ("1;Lò Thị A;0912000001;03646;", "good"),
    ("2;Lò Thị B;;;", "empty"),
    (";;;;", "blank"),
    ("", "blank"),
    ('"";"";;" ";', "blank"),
    ("\u00a0;\t;;;", "blank"),
    (";Tổng cộng;;;", "empty"),
    (";;;;hmn", "empty"),
    (";;;116;", "empty"),
    (";;-;;", "empty"),
    ("3;Lò Thị C;0912000003", "good"),
    ("4;Lò Thị D", "short_row"),
    ("5,Lò Thị E,0912000005,03646,", "separator"),
    ("0912000006", "short_row"),
    ('7;"bản X', "good"),
    ("0987654321", "continued"),
    ("", "blank"),
    ('bản Y";0912000007;;', "continued"),
    ('8;"Lò;0912000008;;', "quotes"),
    ('9;Lò "Tý" I;0912000009;;', "good"),
    ("10;Lò Thị K;84912000009;;", "repeated"),
    ("11;Lò Thị L;02123852123;;", "fixed_line"),
    (f"12;{'x' * 5000};0912000012;;", "long_line"),
]
# Each row of the workbook, and what becomes of it.
ROWS = [
    (("STT", "Họ tên", "SĐT", "Mã xã"), "header"),
    ((1, "Lò Thị A", "0912000001", "03646"), "good"),
    ((2, "Lò Thị B", "", ""), "empty"),
    ((None, None, None, None), "blank"),
    ((None, " ", None, None), "blank"),
    ((3, "Lò\n0987654321\nD", 912000003, ""), "good"),
    ((4, "Lò Thị E", "=A2", ""), "formula"),
    ((None, "=A2", None, None), "empty"),
    ((5, "Lò Thị G", "0912000005", ""), "hidden"),
    ((6, "Lò Thị H", "+84912000001", ""), "repeated"),
]
TEXT = "STT;Họ tên;Số điện thoại;Mã xã;Ngôn ngữ\n" + "".join(f"{line}\n" for line, _ in LINES)


def imported(
    db: Database, path: Path, content: bytes
) -> tuple[ImportCounts, list[tuple[object, ...]], Counter[str]]:
    """The counts, the subscribers, and how often each reason was given."""
    path.write_bytes(content)
    file = UploadedFile(path.name, hashlib.sha256(content).hexdigest(), len(content))
    batch = db.write(register, "vnpt", file, "tester").id
    counts = import_batch(db, batch, path)
    good, bad = db.read(kept, batch)
    assert counts.lines == counts.accepted + counts.rejected + counts.repeated == len(good) + len(bad)
    return counts, good, Counter(str(reason) for _, reason, _ in bad)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_line_of_a_text_is_in_one_of_three_counts(db: Database, tmp_path: Path, end: str) -> None:
    counts, good, reasons = imported(db, tmp_path / "list.csv", TEXT.replace("\n", end).encode())
    expected = Counter(what for _, what in LINES)
    assert counts.lines == len(LINES) - expected.pop("blank")
    assert [row[0] for row in good] == [n for n, (_, what) in enumerate(LINES, 2) if what == "good"]
    assert counts.accepted == expected.pop("good")
    assert reasons == expected
    assert counts.short_rows == 1


def test_lines_without_a_number_are_not_lost_among_lines_that_are_alike(db: Database, tmp_path: Path) -> None:
    """Lines of one width are taken apart all at once."""
    lines = [f"{n};Lò;{'' if n % 2 else f'0912{n:06d}'}" for n in range(1000)]
    counts, _, reasons = imported(db, tmp_path / "a.csv", "\n".join(["STT;Họ tên;SĐT", *lines]).encode())
    assert (counts.lines, counts.accepted, reasons) == (1000, 500, {"empty": 500})


def test_a_change_of_separator_is_said_for_each_line(db: Database, tmp_path: Path) -> None:
    rows = [f"{n};Lò;0912{n:06d}" for n in range(2000)]
    lines = rows[:1000] + [row.replace(";", ",") for row in rows[1000:]]
    counts, _, reasons = imported(db, tmp_path / "half.csv", "\n".join(["STT;Họ tên;SĐT", *lines]).encode())
    assert (counts.lines, counts.accepted, reasons) == (2000, 1000, {"separator": 1000})


def test_rows_that_are_all_short_are_taken_and_counted(db: Database, tmp_path: Path) -> None:
    lines = [f"0912{n:06d};03646" for n in range(50)]
    counts, _, _ = imported(db, tmp_path / "s.csv", "\n".join(["SĐT;Mã xã;Ngôn ngữ", *lines]).encode())
    assert (counts.accepted, counts.short_rows) == (50, 50)


@other_by_hand
def test_a_note_of_many_lines_is_one_row_wherever_the_file_is_read_in_two(
    db: Database, tmp_path: Path
) -> None:
    """Notes long enough that some are cut by the end of what is read at once."""
    note = "\n".join(f"0987{n:06d}" for n in range(300))
    text = "SĐT;Ghi chú\n" + "".join(f'0912{n:06d};"{note}"\n' for n in range(200))
    counts, good, reasons = imported(db, tmp_path / "notes.csv", text.encode())
    assert [row[1] for row in good] == [84_912_000_000 + n for n in range(200)]
    assert (counts.lines, reasons) == (200 * 300, {"continued": 200 * 299})


def workbook(path: Path) -> None:
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    for number, (cells, what) in enumerate(ROWS):
        for column, cell in enumerate(cells):
            if isinstance(cell, str) and cell.startswith("="):
                sheet.write_formula(number, column, cell, value="")
            elif cell is not None:
                sheet.write(number, column, cell)
        if what == "hidden":
            sheet.set_row(number, None, None, {"hidden": True})
    book.close()


@other_by_hand
def test_every_row_of_a_workbook_is_in_one_of_three_counts(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    workbook(path)
    counts, good, reasons = imported(db, path, path.read_bytes())
    expected = Counter(what for _, what in ROWS if what not in ("header", "blank"))
    assert counts.lines == expected.total()
    assert len(good) == expected.pop("good")
    assert reasons == expected


@other_by_hand
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_command_says_the_three_counts_of_a_file_with_every_kind_of_line(
    database_url: str, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"list.{kind}"
    if kind == "xlsx":
        workbook(path)
    else:
        path.write_text(TEXT, encoding="utf-8")
    kinds = Counter(what for _, what in (ROWS[1:] if kind == "xlsx" else LINES) if what != "blank")
    said = Shell(database_url, tmp_path)(batch_commands.app, "import", str(path), "--carrier", "vnpt")
    good, again = kinds["good"], kinds["repeated"]
    refused = kinds.total() - good - again
    assert f"{kinds.total()} lines = {good} accepted + {refused} rejected + {again} repeated" in said


@pytest.mark.parametrize("reason", LINE_REASONS)
def test_every_reason_of_a_line_has_its_words_in_reports(reason: str) -> None:
    assert bad_line(reason) != reason
