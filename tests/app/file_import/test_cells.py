"""What stood in a file is stored and handed out so that it harms nobody."""

from __future__ import annotations

import csv
import io
from itertools import product

import pytest

from app.file_import.cells import csv_pieces, safe, shown


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("0912\n34567x", "0912 ***67x"),
        ("\x1b[31m0912000001", " [31m09******01"),
        ("á" * 200, "á" * 80),
        ("9" * 200, "9999" + "*" * 76),
        ("9" * 100_000, "9999" + "*" * 76),
    ],
)
def test_what_a_bad_line_said_is_stored_masked_on_one_line_and_cut(raw: str, stored: str) -> None:
    assert shown(raw) == stored


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_looks_like_a_formula_is_text(start: str) -> None:
    assert safe(f"{start}1") == f"'{start}1"
    assert safe(f"1{start}") == f"1{start}"


def test_a_long_table_comes_in_pieces_that_make_one_file() -> None:
    pieces = list(csv_pieces(("n", "word"), ([n, f"Chữ {n}"] for n in range(1201))))
    assert len(pieces) == 3
    rows = list(csv.reader(io.StringIO("".join(pieces).removeprefix("\ufeff"))))
    assert rows == [["n", "word"], *([str(n), f"Chữ {n}"] for n in range(1201))]


@pytest.mark.parametrize("end", [";", "\t", "\r", "\n", "\r\n", ';"', '\n""'])
@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_nor_is_one_that_a_program_cuts_where_its_own_separator_stands(end: str, start: str) -> None:
    """By a semicolon, as spreadsheets in Vietnam read CSV: no part of what we write begins as a formula."""
    written = "".join(csv_pieces(["a", "b"], [["x", safe(f"a{end}{start}HYPERLINK(1)")]])).removeprefix(
        "\ufeff"
    )
    for quoting, between in product((csv.QUOTE_MINIMAL, csv.QUOTE_NONE), ";\t"):
        for line in written.splitlines():
            for row in csv.reader([line], delimiter=between, quoting=quoting):
                assert not [cell for cell in row if cell.strip('"').startswith(start)], row
    assert safe("a-b; c") == "a-b; c"


@pytest.mark.parametrize("before", ["", " ", "\u00a0", "\u200b", "\ufeff", "  \u3000"])
@pytest.mark.parametrize("start", ["=", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_neither_blanks_before_nor_wide_signs_make_a_formula(before: str, start: str) -> None:
    assert safe(f"{before}{start}1") == f"'{before}{start}1"
    assert safe(f"{before}text {start} 1") == f"{before}text {start} 1"
