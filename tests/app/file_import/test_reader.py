"""Text files as offices make them: delimiters, encodings, line ends, headers, quotation marks, faults."""

from __future__ import annotations

import gzip
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Invalid
from app.file_import.reader import Reader
from app.file_import.row_blocks import Row, UnreadableLine
from app.file_import.text_lines import LINE_LIMIT, line_blocks
from tests.app.file_import.layouts import LIST, read_rows
from tests.exact import exactly

ONE = (2, "0912345678", "03646", "hmn")


def rows(path: Path, content: bytes | str) -> list[Row | UnreadableLine]:
    """What a file of that content gives."""
    path.mkdir(exist_ok=True)
    file = path / "file.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_rows(file))


def refusal(path: Path, content: bytes | str) -> str:
    with pytest.raises(Invalid) as refused:
        rows(path, content)
    return refused.value.detail


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_delimiter_and_line_end_is_read(tmp_path: Path, delimiter: str, end: str) -> None:
    lines = ["SĐT;Mã xã;Ngôn ngữ", "0912345678;03646;hmn", "0912345679;;"]
    text = end.join(lines).replace(";", delimiter)
    assert rows(tmp_path, text) == [ONE, (3, "0912345679", "", "")]
    assert rows(tmp_path, text + end) == [ONE, (3, "0912345679", "", "")]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1258"], ids=["utf-8", "mark", "utf-16", "cp1258"]
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("delimiter", [",", "|"])
def test_every_encoding_is_recognised_also_in_gz(
    tmp_path: Path, encoding: str, packed: bool, delimiter: str
) -> None:
    header = "Số điện thoại,Mã xã,Ngôn ngữ"
    # CP1258 writes the tone as a mark of its own, after a letter that keeps its hat.
    if encoding == "cp1258":
        header = header.replace("ố", "ô\u0301").replace("ệ", "ê\u0323").replace("ạ", "a\u0323")
        header = header.replace("ã", "a\u0303").replace("ữ", "ư\u0303")
    content = f"{header}\n0912345678,03646,hmn\n".replace(",", delimiter).encode(encoding)
    assert rows(tmp_path, gzip.compress(content) if packed else content) == [ONE]


def test_utf_16_of_the_other_byte_order_is_recognised(tmp_path: Path) -> None:
    assert rows(tmp_path, b"\xfe\xff" + "sdt\n0912345678".encode("utf-16-be")) == [(2, "0912345678", "", "")]


@pytest.mark.parametrize(
    "name",
    [
        *("Số điện thoại", "SỐ ĐIỆN THOẠI", "so_dien_thoai", "SĐT", "sdt", "Di động", "Thuê bao"),
        *("phone", "Phone Number", "MSISDN", "Mobile", "mobile_no"),
    ],
)
def test_the_column_of_numbers_is_found_by_any_of_its_names(tmp_path: Path, name: str) -> None:
    assert rows(tmp_path, f"STT,Họ tên,{name}\n1,Lò Văn A,0912345678\n") == [(2, "0912345678", "", "")]


def test_a_surer_name_wins_over_one_that_may_head_other_things(tmp_path: Path) -> None:
    assert rows(tmp_path, "Thuê bao,SĐT\nLò Văn A,0912345678\n") == [(2, "0912345678", "", "")]
    assert rows(tmp_path, "Huyện,Mã xã,SĐT\n116,03646,0912345678\n") == [(2, "0912345678", "03646", "")]


def test_two_columns_of_numbers_are_refused_by_name(tmp_path: Path) -> None:
    assert "“Di động” and “SĐT”" in refusal(tmp_path, "Di động,SĐT\n0912345678,0912345679\n")


def test_one_column_of_bare_numbers_needs_no_header(tmp_path: Path) -> None:
    assert rows(tmp_path, "\n0912345678\n+84 912 345 679\n") == [
        (2, "0912345678", "", ""),
        (3, "+84 912 345 679", "", ""),
    ]


def test_several_columns_without_a_header_are_refused_with_numbers_masked(tmp_path: Path) -> None:
    sentence = refusal(tmp_path, "0912345678,03646\n0912345679,03646\n")
    assert "0912****78" in sentence
    assert "“Số điện thoại”" in sentence


def test_titles_above_the_header_and_the_hint_of_excel_are_passed_over(tmp_path: Path) -> None:
    text = "sep=;\nDANH SÁCH THUÊ BAO\n\nSTT;SĐT\n1;0912345678\n"
    assert rows(tmp_path, text) == [(5, "0912345678", "", "")]


@pytest.mark.parametrize("content", ["", "\n\n", " \n;;\n", "\ufeff"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    assert "empty" in refusal(tmp_path, content)


def test_blank_lines_are_numbered_and_left_out(tmp_path: Path) -> None:
    assert rows(tmp_path, "phone\n\n0912345678\n\n\n0912345679") == [
        (3, "0912345678", "", ""),
        (6, "0912345679", "", ""),
    ]


def test_a_short_line_has_empty_cells(tmp_path: Path) -> None:
    assert rows(tmp_path, "phone,area,lang\n0912345678\n") == [(2, "0912345678", "", "")]


def test_quoted_cells_may_hold_delimiters_and_quotation_marks(tmp_path: Path) -> None:
    text = 'name,phone\n"Lò, ""Tý"" A","0912345678"\nLò "Tý" B,0912345679\n'
    assert rows(tmp_path, text) == [(2, "0912345678", "", ""), (3, "0912345679", "", "")]


@pytest.mark.parametrize("mark", ['"0912000001', '"0912"000001', '"0912000001,x'])
def test_a_stray_quotation_mark_costs_only_its_own_line(tmp_path: Path, mark: str) -> None:
    found = rows(tmp_path, f'phone,area\n0912345678,\n{mark}\n"0912345679",03646,x\n\n0912345670\n{mark}')
    assert found == [
        (2, "0912345678", "", ""),
        UnreadableLine(3, "quotes", mark),
        (4, "0912345679", "03646", ""),
        (6, "0912345670", "", ""),
        UnreadableLine(7, "quotes", mark),
    ]


@pytest.mark.parametrize("quoted", ["", '"\n"'], ids=["plain", "in a quoted cell"])
def test_a_line_with_a_nul_costs_only_itself(tmp_path: Path, quoted: str) -> None:
    found = rows(tmp_path, f"phone,area\n0912345678,\n0912\x00345679,\n0912345670,03646\n{quoted}")
    assert found[:3] == [
        (2, "0912345678", "", ""),
        UnreadableLine(3, "nul", "0912\x00345679,"),
        (4, "0912345670", "03646", ""),
    ]


def test_a_nul_within_a_cell_that_goes_over_lines_gives_no_row(tmp_path: Path) -> None:
    found = rows(tmp_path, 'phone,name\n0912345678,"a\nb\0"\n0912345679,c\n')
    assert [each for each in found if not isinstance(each, UnreadableLine)] == [(4, "0912345679", "", "")]
    assert [(each.line, each.reason) for each in found if isinstance(each, UnreadableLine)] == [
        (2, "quotes"),
        (3, "nul"),
    ]


@pytest.mark.longer
def test_of_many_thousand_lines_one_in_a_hundred_may_hold_a_nul(tmp_path: Path) -> None:
    found = rows(tmp_path, "phone\n" + ("0912345678\n" * 400 + "\0\n") * 60)
    assert sum(isinstance(each, UnreadableLine) for each in found) == 60
    assert len(found) == 60 * 401


@pytest.mark.parametrize("length", [LINE_LIMIT + 1, 300_000, 600_000])
def test_an_endless_line_is_one_bad_line(tmp_path: Path, length: int) -> None:
    found = rows(tmp_path, f"phone\n0912345678\n{'9' * length}\n0912345679\n")
    assert [row[0] for row in found] == [2, 3, 4]
    assert isinstance(found[1], UnreadableLine)
    assert found[1].reason == "long_line"
    assert len(found[1].value) <= LINE_LIMIT


@pytest.mark.longer
def test_a_file_of_many_blocks_keeps_its_line_numbers(tmp_path: Path) -> None:
    text = "phone,name\r\n" + "".join(f"09{number:08d},Lò Thị Hương Giang\r\n" for number in range(40_000))
    found = rows(tmp_path, text)
    assert len(found) == 40_000
    assert all(row[:2] == (place, f"09{place - 2:08d}") for place, row in enumerate(found, 2))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"phone\x00\n0912345678\n", "Line 1 contains a NUL character, so this is not a CSV text file"),
        (
            b"phone\n0912345678\n" + b"09\x0012345678\n" * 11,
            "Line 13 contains a NUL character, so this is not a CSV text file",
        ),
        (b"phone\n" + bytes(range(256)) * 400, "is not UTF-8"),
        (
            b"phone\n" + (b"0912345678\n" * 50 + b"\x00\n") * 60,
            "Line 562 contains a NUL character, so this is not a CSV text file",
        ),
        (
            "phone\n0912345678".encode("utf-16-le"),
            "Line 1 contains a NUL character, so this is not a CSV text file",
        ),
        (b"phone,name\n0912345678,L\xf2 V\xe3n\n", "Line 2 is not UTF-8"),
        (
            b"phone\n" + b"0912345678\n" * 30_000 + b"L\xf2\n",
            "Line 30002 cannot be read as utf-8, unlike the other lines",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "password"),
        (b"PK\x03\x04" + bytes(100), "The file is a .zip but not a readable Excel workbook"),
        (b"\x1f\x8b" + bytes(100), "damaged"),
        (gzip.compress(b"phone\n0912345678\n" * 1000)[:-30], "damaged"),
        (b"%PDF-1.7\nabc", "The file has no column for phone numbers"),
        ("Họ tên;Địa chỉ\nLò Văn A;bản X\n", "The file has no column for phone numbers"),
    ],
    ids=[
        "nul in the header",
        "nuls",
        "binary",
        "nul now and then",
        "no mark",
        "cp",
        "late",
        "old xls",
        "zip",
        "no gz",
        "cut gz",
        "pdf",
        "no phone",
    ],
)
def test_a_file_that_is_no_use_is_refused_in_words(tmp_path: Path, content: bytes | str, words: str) -> None:
    assert words in refusal(tmp_path, content)


def test_a_missing_file_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=exactly("The file cannot be read (No such file or directory).")):
        list(read_rows(tmp_path / "none.csv"))


@pytest.mark.longer
def test_a_bomb_is_stopped_at_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "bomb.gz"
    file.write_bytes(gzip.compress(b"phone\n" + b"0912345678\n" * 200_000))
    with pytest.raises(
        Invalid,
        match=exactly("The uncompressed file is larger than 1000000 bytes. Split it and upload the parts."),
    ):
        list(Reader(file, LIST, limit=1_000_000))


def test_the_position_grows_to_the_size_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text("phone\n" + "0912345678\n" * 60_000)
    reader, places = Reader(file, LIST), [0]
    for number, _ in enumerate(reader):
        if number % 20_000 == 0:
            places.append(reader.position)
    places.append(reader.position)
    assert places == sorted(places)
    assert places[1] < places[-1] == file.stat().st_size


@pytest.mark.longer
@given(st.lists(st.text(st.sampled_from('0912,;"\n\r áđ'), max_size=12), max_size=30))
def test_every_line_that_is_not_blank_gives_one_row_in_order(lines: list[str]) -> None:
    text = "\n".join(lines)
    blocks = list(line_blocks(io.BytesIO(text.encode()), LIST))
    joined = [line for block in blocks for line in block.lines]
    expected = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert joined == (expected if expected[-1] else expected[:-1])


_LENGTHS = st.sampled_from([0, 1, 10, LINE_LIMIT // 2, LINE_LIMIT - 7, LINE_LIMIT - 6, LINE_LIMIT])
_ALIKE = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", " ", "0"]),
    st.integers(0, 9),
    _LENGTHS.map("9".__mul__),
    st.just(",x, y,"),
)


@pytest.mark.longer
@given(st.lists(_ALIKE | st.text(st.sampled_from("09, á\t"), max_size=12), max_size=12))
def test_lines_taken_apart_at_once_mean_what_each_means_by_itself(lines: list[str]) -> None:
    """A last line in quotation marks keeps them from being taken apart at once."""
    with tempfile.TemporaryDirectory() as folder:
        together = rows(Path(folder), "\n".join(["phone,area", *lines, ""]))
        each = rows(Path(folder), "\n".join(["phone,area", *lines, '"0912345678"']))
    assert together == each[:-1]
