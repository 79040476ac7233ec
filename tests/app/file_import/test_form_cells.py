"""Forms that were made to take time or memory, and cells as other programs write them (.ods, .xlsx)."""

from __future__ import annotations

import io
import time
import tracemalloc
import zipfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from app.core.errors import Invalid
from app.file_import.form_reader import FormReader, load
from app.file_import.ods_cells import MEDIA_TYPE
from tests.attack.hostile import WORKBOOKS
from tests.attack.packed import book

_SPACES = "".join(
    f' xmlns:{each}="urn:oasis:names:tc:opendocument:xmlns:{each}:1.0"'
    for each in ("office", "table", "text")
)
_HEAD = f"<office:document-content{_SPACES}><office:body><office:spreadsheet>"
_TAIL = "</office:spreadsheet></office:body></office:document-content>"
_NUMBER = '<table:table-cell office:value-type="float" office:value="5"'
DEFLATED, LZMA, BZIP2 = zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2


def ods(rows: str, packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packed) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), MEDIA_TYPE)
        archive.writestr(
            "content.xml", f'{_HEAD}<table:table table:name="Chung">{rows}</table:table>{_TAIL}', packed
        )
    return file.getvalue()


def row(*cells: str, times: int = 1) -> str:
    return f'<table:table-row table:number-rows-repeated="{times}">{"".join(cells)}</table:table-row>'


def cell(words: str = "", **attributes: object) -> str:
    said = "".join(
        f' {key.replace("__", ":").replace("_", "-")}="{value}"' for key, value in attributes.items()
    )
    return f"<table:table-cell{said}>{words}</table:table-cell>"


def at(text: str) -> datetime:
    """A time as spreadsheets keep it: without a zone."""
    return datetime.fromisoformat(text)


def read(*cells: str) -> dict[str, Any]:
    return {place: found.value for place, found in load(ods(row(*cells)))["Chung"].items()}


EMPTY = "<table:table-cell><text:p/></table:table-cell>"
MANY = 'table:number-columns-repeated="2000"'
HOSTILE = {
    "empty cells that are repeated": row(f"<table:table-cell {MANY}><text:p/></table:table-cell>", times=2000)
    * 40,
    "cells that are repeated": row(f"{_NUMBER} {MANY}/>", times=2000),
    "cells beyond every column": row(cell(table__number_columns_repeated=999_999_999), f"{_NUMBER}/>"),
    "rows beyond every row": row(times=999_999_999) + row(f"{_NUMBER}/>"),
    "rows in one another": "<table:table-row><table:table-cell>" * 60_000,
    "tables in one another": ("<table:table><table:table-row><table:table-cell><text:p>1</text:p>" * 40_000),
    "rows in groups without end": "<table:table-row-group>" * 100_000,
    "blanks without end": row(cell("<text:p>" + '<text:s text:c="100000000"/>' * 40_000 + "</text:p>")),
    "a million elements": row(cell() * 420_000),
    "spans in one another": row(cell("<text:p>" + "<text:span>" * 300_000)),
    "attributes without end": "<table:table-row " + "".join(f'a{n}="" ' for n in range(700_000)) + "/>",
    "a formula of brackets": row(cell(table__formula="of:=" + "[" * 190_000)) * 5,
    "formulas that almost refer": row(cell(table__formula="of:=" + "[.A" * 60_000)) * 5,
}


@pytest.mark.prove
@pytest.mark.longer
@pytest.mark.parametrize("rows", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_form_takes_long_or_much_memory(rows: str) -> None:
    content = ods(rows)
    tracemalloc.start()
    begun = time.process_time()
    with suppress(Invalid):
        load(content)
    took, (_, most) = time.process_time() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took < 5  # with every allocation traced; each takes less than a second
    assert most < 100 * 1024**2


def test_what_a_row_repeats_is_read_as_often_as_it_stands() -> None:
    found = load(
        ods(
            row(EMPTY, f'{_NUMBER} table:number-columns-repeated="2"/>', times=3)
            + row(EMPTY, times=1_048_570)
        )
    )
    assert sorted(found["Chung"]) == ["B1", "B2", "B3", "C1", "C2", "C3"]


def test_a_sheet_with_too_many_cells_is_named() -> None:
    with pytest.raises(Invalid, match=r"Trang “Chung” có quá nhiều ô.*Hãy lấy lại biểu mẫu"):
        load(ods(row(f"{_NUMBER} {MANY}/>", times=2000)))


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2], ids=["LZMA", "bzip2"])
@pytest.mark.parametrize("spoilt", [False, True], ids=["whole", "damaged"])
def test_a_form_packed_as_no_program_does_is_no_form(method: int, spoilt: bool) -> None:
    content = bytearray(ods(row(f"{_NUMBER}/>") * 1000, method))
    if spoilt:
        content[150:190] = bytes(40)
    with pytest.raises(Invalid, match="không phải là biểu mẫu"):
        load(bytes(content))
    with pytest.raises(Invalid, match="không phải là biểu mẫu"):
        load(bytes(content).replace(MEDIA_TYPE, b"application/vnd.other".ljust(len(MEDIA_TYPE), b".")))


def test_tabs_line_ends_and_blanks_are_kept_as_in_excel() -> None:
    words = '<text:p>a<text:tab/>b<text:line-break/>c<text:s text:c="9"/>d\n   e</text:p><text:p>f</text:p>'
    reader = FormReader(load(ods(row(cell(words, office__value_type="string")))))
    assert reader.words("Chung", "A1") == "a b\nc d e\nf"


def test_only_the_cells_own_words_are_read() -> None:
    note = "<office:annotation><text:p>ghi chú</text:p></office:annotation>"
    inner = f'<table:table table:name="x">{row(cell("<text:p>7</text:p>"))}</table:table>'
    span = f"<text:p>5<text:span>0{note}<text:a>1</text:a></text:span></text:p>"
    assert read(cell(note + span + inner)) == {"A1": "501"}


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (cell(office__value_type="float", office__value="12.0"), 12),
        (cell(office__value_type="percentage", office__value="0.5"), 0.5),
        (cell(office__value_type="string", office__string_value="có"), "có"),
        (cell(office__value_type="boolean", office__boolean_value="true"), True),
        (cell(office__value_type="date", office__date_value="2024-02-05"), at("2024-02-05")),
        (cell(office__value_type="date", office__date_value="2024-02-05Z"), at("2024-02-05")),
        (cell(office__value_type="date", office__date_value="2024-02-05T08:00:00"), at("2024-02-05T08:00")),
        (cell(office__value_type="date", office__date_value="2024-02-05T01:00:00Z"), at("2024-02-05T08:00")),
        (
            cell(office__value_type="date", office__date_value="2024-02-05T18:00:00.000000000+00:00"),
            at("2024-02-06T01:00"),
        ),
    ],
)
def test_a_value_is_read_without_its_text(given: str, value: object) -> None:
    assert read(given) == {"A1": value}


@pytest.mark.parametrize(
    "attributes",
    [
        {"office__value_type": "float", "office__value": "NaN"},
        {"office__value_type": "float", "office__value": "1e999"},
        {"office__value_type": "float", "office__value": "1_000"},
        {"office__value_type": "date", "office__date_value": "12024-02-05"},
        {"office__value_type": "date", "office__date_value": "-0044-03-15"},
        {"office__value_type": "date", "office__date_value": "0001-01-01T00:00:00+14:00"},
        {"office__value_type": "date", "office__date_value": ""},
        {"office__value_type": "time", "office__time_value": "PT8H"},
    ],
)
def test_what_can_not_be_read_is_said_with_its_cell(attributes: dict[str, str]) -> None:
    reader = FormReader(load(ods(row(cell(**attributes)))))
    assert reader.count("Chung", "A1", needed=True) is None
    assert [fault.words for fault in reader.faults] == [reader.faults[0].words]
    assert "Trang “Chung”, ô A1: ô báo lỗi" in reader.faults[0].words
    assert "hãy nhập lại giá trị" in reader.faults[0].words


@pytest.mark.parametrize("ask", [FormReader.day, FormReader.moment])
@pytest.mark.parametrize(
    "given",
    [
        cell(office__value_type="date", office__date_value="0001-01-01"),
        cell("<text:p>01/01/0001</text:p>"),
        cell(office__value_type="date", office__date_value="9999-12-31T23:00:00"),
    ],
)
def test_a_year_that_no_report_has_is_said_with_its_cell(ask: Any, given: str) -> None:
    reader = FormReader(load(ods(row(given))))
    assert ask(reader, "Chung", "A1") is None
    assert "Trang “Chung”, ô A1: “" in reader.faults[0].words
    assert "hãy nhập ngày" in reader.faults[0].words


def test_a_text_without_end_is_said_with_its_cell() -> None:
    reader = FormReader(load(ods(row(cell(f"<text:p>{'a' * 2001}</text:p>")))))
    assert reader.words("Chung", "A1") == ""
    assert "ô A1: Dài quá 2000 ký tự; hãy rút gọn" in reader.faults[0].words


@pytest.mark.longer
def test_a_workbook_whose_list_names_one_sheet_as_thousands_is_refused_at_once(tmp_path: Path) -> None:
    WORKBOOKS["50,000 sheets"](tmp_path / "form.xlsx")
    begun = time.process_time()
    with pytest.raises(Invalid, match=r"Hãy lấy lại biểu mẫu"):
        load((tmp_path / "form.xlsx").read_bytes())
    assert time.process_time() - begun < 5


@pytest.mark.prove
@pytest.mark.longer
def test_formulas_that_share_a_long_one_are_not_written_out(tmp_path: Path) -> None:
    formula = b"SUM(" + b"A1+" * 8000 + b"A1)"
    first = b'<row r="1"><c r="B1"><f t="shared" ref="B1:B9" si="0">%s</f></c></row>' % formula
    others = (b'<row r="%d"><c r="B%d"><f t="shared" si="0"/></c></row>' % (n, n) for n in range(2, 40_000))
    book(tmp_path / "form.xlsx", [first, *others])
    begun = time.process_time()
    found = next(iter(load((tmp_path / "form.xlsx").read_bytes()).values()))
    assert time.process_time() - begun < 5
    assert found["B39999"] == ("=", "f")


def test_formulas_that_share_a_short_one_are_read_as_each_stands(tmp_path: Path) -> None:
    first = b'<row r="1"><c r="B1"><f t="shared" ref="B1:B3" si="0">A1-C1</f></c></row>'
    book(tmp_path / "form.xlsx", [first, b'<row r="3"><c r="B3"><f t="shared" si="0"/></c></row>'])
    found = next(iter(load((tmp_path / "form.xlsx").read_bytes()).values()))
    assert [found["B1"].value, found["B3"].value] == ["=A1-C1", "=A3-C3"]


@pytest.mark.longer
def test_rows_that_are_missing_cost_nothing() -> None:
    """Some programs write a last row of every sheet; twenty million empty ones took seconds."""
    made, file = openpyxl.Workbook(), io.BytesIO()
    for _ in range(20):
        made.create_sheet().cell(1_048_576, 1, 5)
    made.save(file)
    begun = time.process_time()
    found = load(file.getvalue())
    assert time.process_time() - begun < 2
    assert [cells["A1048576"] for cells in found.values() if cells] == [(5, "n")] * 20


@pytest.mark.parametrize(
    "part", ["[Content_Types].xml", "xl/workbook.xml", "xl/styles.xml", "docProps/core.xml"]
)
@pytest.mark.parametrize("inside", [b"<a", b"<a>&#1;</a>", b"<b:a/>", b"\xff\xfe"])
def test_a_workbook_with_a_damaged_part_is_no_form(tmp_path: Path, part: str, inside: bytes) -> None:
    book(tmp_path / "form.xlsx", [b"<row/>"], parts={part: [inside]})
    with pytest.raises(Invalid, match="không phải là biểu mẫu"):
        load((tmp_path / "form.xlsx").read_bytes())
