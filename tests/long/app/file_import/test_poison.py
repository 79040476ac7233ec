"""Files made to break who reads them: each ends with a sentence, in a process of its own, within bounds."""

from __future__ import annotations

import gzip
import io
import signal
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import xlsxwriter

from app.batches.row_parser import KEPT, parsed_rows
from app.core.errors import Invalid
from app.file_import.form_reader import load
from app.file_import.isolated_reader import ReaderEnded, read_isolated
from tests.app.readers import (
    ends_itself,
    fills_memory,
    fills_memory_bit_by_bit,
    is_taken_over,
    is_wrong,
    our_secrets,
    readers,
    watched,
)

MB = 1024**2
MOST_MB = 300
_SHEET = "xl/worksheets/sheet1.xml"
_STRINGS = "xl/sharedStrings.xml"
_HEAD = b'<row r="1"><c t="inlineStr"><is><t>phone</t></is></c></row>'


def workbook(rows: bytes, strings: bytes = b"", more: dict[str, bytes] | None = None) -> bytes:
    """An .xlsx whose one sheet has these rows as they stand."""
    plain, made = io.BytesIO(), io.BytesIO()
    book = xlsxwriter.Workbook(plain)
    book.add_worksheet().write_string(0, 0, "a text")  # so that there is a table of texts
    book.close()
    space = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    own = {_SHEET: b"<worksheet " + space + b"><sheetData>" + _HEAD + rows + b"</sheetData></worksheet>"}
    if strings:
        own[_STRINGS] = b"<sst " + space + b">" + strings + b"</sst>"
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, own.get(name) or old.read(name))
        for name, content in (more or {}).items():
            new.writestr(name, content)
    return made.getvalue()


CELL = b'<row r="2"><c t="inlineStr"><is><t>%s</t></is></c></row>'
POISON: dict[str, Callable[[], bytes]] = {
    "millions of empty rows": lambda: workbook(b"<row/>" * 12_000_000),
    "more rows than Excel has, under the ratio": lambda: workbook(b'<x:row xmlns:x="x"/>' * 1_100_000),
    "one endless cell": lambda: workbook(CELL % (b"1" * (5 * MB))),
    "one cell that fills memory": lambda: workbook(CELL % (b"1" * (80 * MB))),
    "endless attributes": lambda: workbook(
        b"<row " + b"".join(b'a%d="" ' % n for n in range(200_000)) + b"/>"
    ),
    "a row of a million cells": lambda: workbook(b"<row>" + b"<c/>" * 1_000_000 + b"</row>"),
    "a row of 300 cells": lambda: workbook(b"<row>" + b"<c><v>1</v></c>" * 300 + b"</row>"),
    "far columns": lambda: workbook(b'<row><c r="XFD2"><v>1</v></c></row>' * 2000),
    "far columns that are blank": lambda: workbook(b'<row><c r="XFD2"/></row>' * 2000),
    "a table of texts that fills memory": lambda: workbook(b"", b"<si/>" * 20_000_000),
    "one endless text": lambda: workbook(b"", b"<si><t>" + b"1" * (20 * MB) + b"</t></si>"),
    "a part beside the sheet": lambda: workbook(b"", more={"xl/media/a.xml": b" " * (80 * MB)}),
    "a .gz of nothing but line ends": lambda: gzip.compress(b"phone\n" + b"\n" * (80 * MB)),
    "a .gz of one endless line": lambda: gzip.compress(b"phone\n" + b"1" * (80 * MB)),
}


# The rest takes seconds each, and is for `make prove`.
QUICK = {"a row of 300 cells", "far columns that are blank", "one endless cell", "a .gz of one endless line"}


def read(path: Path) -> Iterator[object]:
    return read_isolated(path, partial(parsed_rows, path, 1, "vnpt", 10_000))


@pytest.mark.prove
@pytest.mark.parametrize(
    "poison", [pytest.param(each, marks=() if each in QUICK else pytest.mark.prove) for each in POISON]
)
def test_each_ends_with_a_sentence_and_within_bounds(tmp_path: Path, poison: str) -> None:
    path = tmp_path / "poison"
    path.write_bytes(POISON[poison]())
    ((said, peak_mb),) = read_isolated(path, partial(watched, path))
    assert said.endswith(".")
    assert peak_mb < MOST_MB


@pytest.mark.prove
def test_endless_bad_lines_are_counted_and_so_many_kept(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv.gz"
    path.write_bytes(gzip.compress(b"phone\n" + b"x\n" * (KEPT + 50_000)))
    slices = [part[0] for part in read(path) if isinstance(part, tuple)]
    assert sum(each.lines for each in slices) == KEPT + 50_000
    assert sum(len(each.bad) for each in slices) == KEPT


@pytest.mark.prove
def test_a_small_workbook_whose_texts_fill_memory_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """Within the limit of what a file may unpack to; when memory is full, the sentence needs some as well."""
    path = tmp_path / "poison.xlsx"
    path.write_bytes(workbook(b"", b"<si/>" * 4_000_000))
    with pytest.raises(Invalid, match="Reading the file takes too much memory"):
        list(read(path))


def test_an_honest_workbook_with_coloured_cells_to_its_right_is_read(tmp_path: Path) -> None:
    path = tmp_path / "honest.xlsx"
    path.write_bytes(workbook(b'<row><c><v>912345678</v></c><c r="ZZ2" s="0"/></row>' * 20))
    slices = [part[0] for part in read(path) if isinstance(part, tuple)]
    assert [(len(each.good), len(each.bad)) for each in slices] == [(1, 19)]


@pytest.mark.prove
@pytest.mark.parametrize(
    "rows",
    [
        b"<row>" + b"<c/>" * 100_001 + b"</row>",
        b'<row><c r="XFD2"><v>1</v></c></row>',
        b"<row><c><v>1</v></c></row>" * 100_001,
    ],
)
def test_a_form_that_is_none_is_refused_before_it_fills_memory(rows: bytes) -> None:
    with pytest.raises(Invalid):
        load(workbook(rows))


# ---- the process apart -------------------------------------------------------------------------------------


def test_a_module_of_that_name_where_a_command_is_run_is_not_taken_for_ours(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other accounts of the host may write to the folder in which somebody imports a file, such as /tmp."""
    for name in ("app", "app/core", "app/file_import"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    for name in (
        "app/file_import/isolated_reader.py",
        "sitecustomize.py",
        "pickle.py",
        "resource.py",
        "app/core/errors.py",
    ):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    assert list(read_isolated(packed, partial(ends_itself, signal.SIGTERM))) == [1]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("what", ["function", "imported", "own", "ours"])
def test_whoever_takes_over_the_process_apart_runs_nothing_here(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv("PLANTED", str(tmp_path / "planted"))
    found = read_isolated(packed, partial(is_taken_over, what))
    assert next(found) == 1
    with pytest.raises(Invalid, match="because of an error in Loa"):
        next(found)
    assert not (tmp_path / "planted").exists()


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"phone\n"))
    return path


@pytest.mark.parametrize(
    ("work", "error", "word"),
    [
        (fills_memory, Invalid, "memory"),
        (fills_memory_bit_by_bit, Invalid, "memory"),
        (partial(ends_itself, signal.SIGXCPU), Invalid, "too long"),
        (partial(ends_itself, signal.SIGKILL), ReaderEnded, "signal 9"),
        (is_wrong, Invalid, "because of an error in Loa"),
    ],
)
def test_what_comes_of_the_process_is_said(
    packed: Path, work: Callable[[], Iterator[int]], error: type[Exception], word: str
) -> None:
    found = read_isolated(packed, work)
    assert next(found) == 1
    with pytest.raises(error, match=word):
        next(found)


def test_signals_to_the_service_do_not_end_it(packed: Path) -> None:
    work = partial(ends_itself, signal.SIGTERM)
    assert list(read_isolated(packed, work)) == [1]


def test_nothing_of_it_is_left_when_nobody_wants_more(packed: Path) -> None:
    found = read_isolated(packed, fills_memory)
    next(found)
    found.close()
    assert readers() == []


def test_our_secrets_are_not_told_to_it(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOA_SECRET_KEY", "PGPASSWORD", "SMTP_PASSWORD"):
        monkeypatch.setenv(name, "x")
    assert list(read_isolated(packed, our_secrets)) == [[]]
