"""Rows become lines of a result file: read, or kept with what is bad in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.errors import Invalid
from app.file_import.reader import Reader
from app.file_import.row_blocks import Row, UnreadableLine
from app.receipts.result_files.line_parser import COLUMNS, RESULTS, LineParser, ParsedLines
from app.receipts.result_files.status_words import StatusWords
from tests.app.receipts.result_files.scene import at


def sift(*rows: Row | UnreadableLine) -> list[dict[str, object]]:
    (done,) = LineParser(1, StatusWords()).slices(rows)
    return [dict(zip(COLUMNS, row, strict=True)) for row in done.rows]


def test_a_line_is_kept_with_all_that_it_says() -> None:
    (line,) = sift((2, "0912000001", "Thất bại", "29/01/2024 10:05", "0017", "Khóa chiều đến", "m-1"))
    assert line == {
        "file_id": 1,
        "line": 2,
        "phone": 84_912_000_001,
        "done_at": 1_706_497_500_000,
        "status": "undelivered",
        "reason": 5,
        "said": "Thất bại",
        "code": "0017",
        "reference": "m-1",
        "why": None,
        "verdict": None,
    }


@pytest.mark.parametrize(
    ("row", "why", "said"),
    [
        ((2, "0912x", "SENT", "", "", "", ""), "letters", "0912x"),
        ((2, "", "SENT", "", "", "", ""), "empty", ""),
        ((2, "+85620912345", "SENT", "", "", "", ""), "foreign", "+8562*****45"),
        ((2, "0912000001", "0912000001", "", "", "", ""), "status_word", "0912****01"),
        ((2, "0912000001", " ", "29/01/2024", "", "", ""), "no_status", " "),
        ((2, "0912000001", "SENT", "31/02/2024", "", "", ""), "time", "31/02/**24"),
        ((2, "0912000001", "SENT", at(3 * 1440), "", "", ""), "time", None),
        (UnreadableLine(2, "quotes", '"0912000001'), "quotes", '"0912****01'),
    ],
)
def test_a_bad_line_is_kept_masked_with_its_reason(
    row: Row | UnreadableLine, why: str, said: str | None
) -> None:
    (line,) = sift(row)
    assert (line["line"], line["phone"], line["why"], line["verdict"]) == (2, None, why, "bad")
    assert said is None or line["said"] == said


def test_a_time_may_be_missing_and_then_there_is_none() -> None:
    (line,) = sift((2, "0912000001", "DELIVRD", "", "", "", ""))
    assert (line["done_at"], line["status"]) == (None, "delivered")


def test_slices_know_how_many_lines_are_bad_and_the_span_of_their_times() -> None:
    rows = [
        (n, f"09120000{n:02d}", "SENT", f"{n}/01/2024 10:00" if n % 3 else "", "", "", "")
        for n in range(10, 21)
    ]
    found = list(LineParser(1, StatusWords()).slices([*rows, (21, "x", "SENT", "", "", "", "")], size=8))
    assert [(len(each.rows), each.bad) for each in found] == [(8, 0), (4, 1)]
    assert (found[0].first_at, found[0].last_at) == (1_704_855_600_000, 1_705_460_400_000)


def test_blank_rows_are_no_lines() -> None:
    assert list(LineParser(1, StatusWords()).slices([(2, "", " ", "", "", "", "")])) == list[ParsedLines]()


HEADERS = [
    "Số điện thoại;Trạng thái;Thời gian;Mã lỗi;Lý do;Mã tin",
    "MSISDN;Status;Done date;Error code;Reason;Message ID",
    "Thuê bao;Kết quả;Thời gian nhận;Mã lỗi;Nguyên nhân;SMSID",
    "phone;delivery_status;delivered_at;code;description;request_id",
]


@pytest.mark.parametrize("header", HEADERS)
def test_columns_are_found_by_vietnamese_and_english_names(tmp_path: Path, header: str) -> None:
    file = tmp_path / "f.csv"
    file.write_text(f"KẾT QUẢ GỬI TIN\n{header}\n0912000001;DELIVRD;29/01/2024;0;x;m\n", encoding="utf-8")
    assert list(Reader(file, RESULTS)) == [(3, "0912000001", "DELIVRD", "29/01/2024", "0", "x", "m")]


def test_the_time_of_receipt_goes_before_that_of_sending(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_text("SĐT,Trạng thái,Thời gian gửi,Thời gian nhận\n0912000001,SENT,a,b\n", encoding="utf-8")
    assert next(iter(Reader(file, RESULTS)))[3] == "b"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("SĐT;Thời gian", "The file has no column for statuses"),
        ("SĐT;Trạng thái", "The file has no column for times"),
        ("Trạng thái;Thời gian", "The file has no column for phone numbers"),
        ("SĐT;Trạng thái;Kết quả;Thời gian", "“Trạng thái” and “Kết quả”"),
    ],
)
def test_a_file_without_its_columns_is_refused_by_name(tmp_path: Path, header: str, words: str) -> None:
    file = tmp_path / "f.csv"
    file.write_text(f"{header}\n", encoding="utf-8")
    with pytest.raises(Invalid, match=words):
        list(Reader(file, RESULTS))
